//! Ids: form on the wire, refusal of anything else, order by time.

use super::*;

#[test]
fn an_id_survives_its_text() {
    let id = JobId::v7(Timestamp::from_millis(1_700_000_000_000), 42);
    let text = id.to_string();
    assert!(text.starts_with("job_018bcfe5"), "{text}");
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
}

#[test]
fn other_forms_are_refused() {
    let id = JobId::v7(Timestamp::from_millis(1), 7).to_string();
    let bad = [
        id.replace("job", "run"),
        id.to_uppercase(),
        id[..id.len() - 1].to_owned(),
        format!("{id}0"),
        "job_".to_owned(),
        String::new(),
    ];
    for text in bad {
        assert!(text.parse::<JobId>().is_err(), "{text}");
    }
}

#[test]
fn v7_sorts_by_time_and_names_its_version() {
    let early = v7(Timestamp::from_millis(1_000), u128::MAX);
    let late = v7(Timestamp::from_millis(1_001), 0);
    assert!(early < late);
    assert_eq!(early.get_version_num(), 7);
}

#[test]
fn a_boot_has_one_session_and_it_belongs_to_its_tenant_alone() {
    let of = |tenant, worker, boot| SessionId::of(TenantNo(tenant), worker, boot);
    let id = of(7, "w1", "b1");
    assert_eq!((id, id.tenant()), (of(7, "w1", "b1"), TenantNo(7)));
    assert!([of(8, "w1", "b1"), of(7, "w1", "b2"), of(7, "w", "1b1")].iter().all(|other| *other != id));
}

#[test]
fn a_tenants_number_names_its_shard() {
    assert_eq!(ShardNo(0).first_tenant(), TenantNo::SYSTEM);
    for shard in [0, 1, 7, ShardNo::MAX - 1].map(ShardNo) {
        let (first, next) = (shard.first_tenant(), ShardNo(shard.0 + 1).first_tenant());
        assert_eq!((first.shard(), TenantNo(next.0 - 2).shard()), (shard, shard));
        assert!(next.0 - 2 <= i32::MAX.unsigned_abs(), "{next:?} fits the ledger's column");
    }
}
