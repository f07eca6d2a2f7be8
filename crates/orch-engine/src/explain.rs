//! Why things wait: questions to the owner, for one job, lane, host or tenant, and for pages of jobs.

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_dispatch::answer::{Explained, Gate, HostExplained, TenantExplained};
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;
use crate::jobs::JobView;

impl Engine {
    /// Why a job waits, and its state; without holds when it does not.
    ///
    /// # Errors
    /// Whatever keeps the engine or the ledger from answering.
    pub async fn explain_job(&self, tenant: TenantNo, id: JobId) -> Result<Option<(JobState, Explained)>, Error> {
        let Some(view) = self.job(tenant, id).await? else { return Ok(None) };
        let waits = matches!(view.state, JobState::Blocked | JobState::Scheduled | JobState::Ready);
        let nothing = Explained { holds: Vec::new(), ahead: None, front: None, starts: None };
        if !waits {
            return Ok(Some((view.state, nothing)));
        }
        let explained = self.explain_lane(tenant, view.lane_no, Some((id, view.row.seq))).await?;
        Ok(Some((view.state, explained.unwrap_or(nothing))))
    }

    /// Why a lane waits, or a job of it. `None`: there is no such lane.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn explain_lane(
        &self,
        tenant: TenantNo,
        lane: LaneNo,
        job: Option<(JobId, u64)>,
    ) -> Result<Option<Explained>, Error> {
        match self.command(Command::Read(Read::Explain { tenant, lane, job })).await? {
            Answer::Explained(explained) => Ok(explained),
            answer => Err(unexpected(&answer)),
        }
    }

    /// What governs a host. `None`: nothing that the tenant may see has to do with it.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn explain_host(&self, tenant: TenantNo, host: String) -> Result<Option<HostExplained>, Error> {
        match self.command(Command::Read(Read::ExplainHost { tenant, host })).await? {
            Answer::HostExplained(explained) => Ok(explained),
            answer => Err(unexpected(&answer)),
        }
    }

    /// What holds a tenant's work.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn explain_tenant(&self, tenant: TenantNo) -> Result<TenantExplained, Error> {
        match self.command(Command::Read(Read::ExplainTenant(tenant))).await? {
            Answer::TenantExplained(explained) => Ok(explained),
            answer => Err(unexpected(&answer)),
        }
    }

    /// The first gate that holds each of these jobs; `None`: it can go, or does not wait. One question for all.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering.
    pub async fn waiting_on(&self, tenant: TenantNo, views: &[JobView]) -> Result<Vec<Option<Gate>>, Error> {
        let mut lanes: Vec<_> =
            views.iter().filter(|view| view.state == JobState::Ready).map(|view| view.lane_no).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let gates = match lanes.is_empty() {
            true => Vec::new(),
            false => match self.command(Command::Read(Read::WaitingOn { tenant, lanes: lanes.clone() })).await? {
                Answer::WaitingOn(gates) => gates,
                answer => return Err(unexpected(&answer)),
            },
        };
        let of_lane = |lane: &LaneNo| gates.get(lanes.binary_search(lane).ok()?).copied().flatten();
        let gate = |view: &JobView| match view.state {
            JobState::Blocked => Some(Gate::Dependencies),
            JobState::Scheduled => Some(Gate::Time),
            JobState::Ready => of_lane(&view.lane_no),
            _ => None,
        };
        Ok(views.iter().map(gate).collect())
    }
}
