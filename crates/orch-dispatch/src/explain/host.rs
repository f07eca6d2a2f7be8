//! What governs a host: the tenant's own gates by name, the platform's as `shared`, and what waits for it.

use std::sync::Arc;

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::{LaneNo, TenantNo};
use orch_core::time::Timestamp;

use crate::answer::{Gate, Hold, HostExplained, HostGate, InFlight};
use crate::bucket::{By, NEVER, buckets_of, host_of};
use crate::host::Shared;
use crate::shard::Shard;
use crate::tenant::{Tenant, of_kind};

impl Shard {
    /// The question `ExplainHost`. `None`: nothing that the tenant may see has to do with it.
    pub(crate) fn explain_host(&mut self, no: TenantNo, host: &str) -> Option<HostExplained> {
        let now = self.now;
        self.tenants.get_mut(no)?.look_at_blackouts(now);
        let tenant = self.tenants.get(no)?;
        let mut gates = tenant.gates_of_host(host, now);
        let groups = &tenant.index.groups;
        let of_host = |source: &Option<String>| host_of(&tenant.configs, source.as_deref()) == Some(host);
        if let Shared::Host(shared) = tenant.index.governed.of(Some(host)) {
            let lacks = |by| matches!(by, Some(By::Shared(of)) if *of == shared);
            let holds = groups.iter().any(|group| group.waiting > 0 && lacks(tenant.opens(group, now).by));
            gates.push(self.shared_gate(&shared, no, holds));
        }
        let sources = of_kind(&tenant.configs, ConfigKind::Source).filter_map(|found| match &found.doc {
            ConfigDoc::Source(source) if source.host.as_deref() == Some(host) => Some(source.name.clone()),
            _ => None,
        });
        let sources: Vec<_> = sources.collect();
        // What holds everything says nothing of a host that nobody names.
        let named = |gate: &HostGate| gate.hold.gate != Gate::Blackout || tenant.names_in_blackout(host);
        if sources.is_empty() && !gates.iter().any(named) {
            return None;
        }
        let places: Vec<bool> = groups.iter().map(|group| of_host(&group.source)).collect();
        let lanes = (1u32..).zip(&tenant.index.group_of_lane).filter(|(_, place)| places[**place]);
        let lanes: Vec<_> = lanes.map(|(lane, _)| LaneNo(lane)).collect();
        let lanes = self.lanes_waiting(no, &lanes);
        Some(HostExplained { sources, gates, lanes })
    }

    /// The platform's buckets. Who else waits for them is not said.
    fn shared_gate(&self, host: &Arc<str>, no: TenantNo, holds: bool) -> HostGate {
        let does = if holds { "the next permit goes to another" } else { "each request needs a permit" };
        let by = format!("shared: the platform's buckets of `{host}`; {does}");
        let opens_at = if holds { self.permit_expected((host, 1, false), no) } else { None };
        HostGate { name: None, holds, hold: Hold { gate: Gate::Bucket, by, since: None, opens_at } }
    }
}

impl Tenant {
    /// The tenant's own gates of a host, in the order in which they are looked at.
    fn gates_of_host(&self, host: &str, now: Timestamp) -> Vec<HostGate> {
        let mut gates = self.blackouts_where(|doc| doc.holds(None, None, Some(host)), now);
        for found in of_kind(&self.configs, ConfigKind::Breaker) {
            let ConfigDoc::Breaker(doc) = &found.doc else { continue };
            if doc.host.as_deref() == Some(host) {
                let hold = self.breaker_hold(&doc.name, now);
                let idle = || Hold {
                    gate: Gate::Breaker,
                    by: format!("breaker `{}` is closed: attempts go through", doc.name),
                    since: None,
                    opens_at: None,
                };
                let (holds, hold) = (hold.is_some(), hold.unwrap_or_else(idle));
                gates.push(HostGate { name: Some(doc.name.clone()), holds, hold });
            }
        }
        for doc in buckets_of(&self.configs, host) {
            let opening = self.buckets_open([doc].into_iter(), (1, false), now);
            let holds = opening.grants_at() > now;
            let by = match opening.by.filter(|_| holds) {
                Some(By::Bucket(name, holder)) => self.bucket_says(name, holder),
                _ => format!("bucket `{}`: the next request may leave", doc.name),
            };
            let opens_at = Some(opening.grants_at()).filter(|_| holds && opening.at != NEVER);
            let hold = Hold { gate: Gate::Bucket, by, since: None, opens_at };
            gates.push(HostGate { name: Some(doc.name.clone()), holds, hold });
            if let Some(InFlight { under_way, most, max }) = self.flight_of(doc) {
                let idle = || Hold {
                    gate: Gate::Concurrency,
                    by: format!("bucket `{}`: {under_way} of {most} attempts are under way, {max} at most", doc.name),
                    since: None,
                    opens_at: None,
                };
                let hold = self.flight_hold(&doc.name).filter(|_| under_way >= most);
                let (holds, hold) = (hold.is_some(), hold.unwrap_or_else(idle));
                gates.push(HostGate { name: Some(doc.name.clone()), holds, hold });
            }
        }
        gates
    }

    /// A blackout speaks of this host.
    fn names_in_blackout(&self, host: &str) -> bool {
        let mut docs = of_kind(&self.configs, ConfigKind::Blackout).map(|found| &found.doc);
        docs.any(|doc| matches!(doc, ConfigDoc::Blackout(doc) if doc.host.as_deref() == Some(host)))
    }
}
