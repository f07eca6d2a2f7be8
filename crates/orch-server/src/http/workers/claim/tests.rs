//! Claims: what the wire form of a lease holds.

use bytes::Bytes;
use orch_core::ids::Incarnation;
use orch_core::job::LaneKey;
use orch_core::port::JobExtra;
use orch_core::watermark::Axis;
use orch_core::{ShardNo, TenantNo};
use orch_dispatch::answer::Grant;
use orch_engine::Lease;

use super::*;

fn lease(attempt: u32, payload: &'static str, checkpoint: Option<&'static str>) -> Lease {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let token = Token {
        incarnation: Incarnation::v7(at, 1),
        shard: ShardNo(0),
        epoch: 3,
        tenant: TenantNo(2),
        job: JobId::v7(at, 2),
        attempt,
    };
    let lane = LaneKey {
        concurrency_key: None,
        job_type: "feeds.fetch".to_owned(),
        priority: Priority::High,
        project: "default".to_owned(),
        source: (attempt > 1).then(|| "kev".to_owned()),
    };
    let execution_until = at.plus_ms(60_000 * u64::from(attempt));
    let not_before = (attempt > 1).then(|| at.plus_ms(80));
    let leave_by = not_before.map(|at| at.plus_ms(20));
    let until = at.plus_ms(30_000);
    let head = WatermarkHead { axis: Axis::Modified, low: None, high: Some(at), lateness_ms: 7 };
    let watermarks = if attempt > 1 { vec![head] } else { Vec::new() };
    let grant = Grant {
        token,
        lane,
        until,
        lease_ms: 30_000,
        not_before,
        leave_by,
        execution_until,
        watermarks,
        carried: None,
    };
    let extra = JobExtra { labels: [("a".to_owned(), "\"}".to_owned())].into(), ..JobExtra::default() };
    Lease { grant, payload: Bytes::from(payload), extra, checkpoint: checkpoint.map(Bytes::from) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    leases: Vec<LeaseOut>,
    session: String,
}

#[test]
fn what_is_written_is_what_the_document_describes() {
    let leases = vec![lease(1, r#"{ "z":1.50 }"#, None), lease(2, "null", Some("[1]"))];
    let now = leases[0].grant.until.millis() - 30_000 + 20;
    let claimed = Claimed { leases: leases.clone(), drain: true };
    let text = write(&claimed, "ten_x", Timestamp::from_millis(now)).unwrap();
    let Written { leases: read, session } = serde_json::from_slice(&text).unwrap();
    assert_eq!(session, "drain");
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].token, leases[1].grant.token.to_string());
    assert_eq!(read[0].until, read[1].until);
    assert_ne!(read[0].execution_until, read[1].execution_until);
    assert_eq!((read[0].hold_ms, read[1].hold_ms), (None, Some(60)));
    assert_eq!(read[1].not_before.map(|at| at.0), leases[1].grant.not_before);
    assert_eq!(read[1].leave_by.map(|at| at.0), leases[1].grant.leave_by);
    assert_eq!((read[0].source.as_deref(), read[1].source.as_deref()), (None, Some("kev")));
    let head = read[1].watermarks.as_ref().and_then(|heads| heads.get("modified")).unwrap();
    assert_eq!(
        (head.low, head.high.map(|at| at.0), head.lateness_ms),
        (None, Some(Timestamp::from_millis(1_700_000_000_000)), 7)
    );
    assert!(read[0].watermarks.is_none());
    assert_eq!((read[1].checkpoint.clone(), read[0].checkpoint.clone()), (Some(serde_json::json!([1])), None));
    assert!(String::from_utf8(text).unwrap().contains(r#""payload":{ "z":1.50 },"checkpoint":null}"#));
}

#[test]
fn no_leases_are_an_empty_list() {
    assert_eq!(write(&Claimed::default(), "ten_x", Timestamp::ZERO).unwrap(), b"{\"leases\":[],\"session\":\"ok\"}");
}
