//! Windows: the next fresh jobs of each lane, in memory, within one budget for all lanes.

use orch_core::ids::{JobId, LaneNo, TenantNo};
use orch_core::job::JobState;
use orch_core::port::{WindowParams, WindowRow};

use crate::answer::Carried;
use crate::decide::Desk;
use crate::lane::Entry;
use crate::mutant::{self, Mutant};
use crate::shard::Shard;

/// A window read that should be made.
pub type WindowWish = WindowParams;

impl Desk<'_> {
    /// A fresh job goes straight into its lane's window if nothing of the lane lies only in the ledger.
    pub fn window_push(&mut self, no: LaneNo, entry: Entry) {
        let room = self.held.entries < self.sizes.window_budget;
        let lane = self.tenant.lane_mut(no);
        let contiguous = lane.fresh == lane.window.len() as u64 + 1 && !lane.loading;
        if room && contiguous {
            lane.window.push_back(self.held.add(entry, self.sizes.window_bytes));
        }
        self.tenant.refresh_lane(no);
    }

    /// Takes the next fresh job of a lane's window.
    pub fn window_pop(&mut self, no: LaneNo) -> Option<Entry> {
        let lane = self.tenant.lane_mut(no);
        let entry = lane.window.pop_front()?;
        lane.window_end = lane.window_end.max(entry.seq);
        self.held.drop(&entry);
        Some(entry)
    }

    /// Takes a job out of a window because it ended.
    pub fn window_remove(&mut self, no: LaneNo, seq: u64) {
        let lane = self.tenant.lane_mut(no);
        if let Ok(place) = lane.window.binary_search_by_key(&seq, |entry| entry.seq) {
            lane.window.remove(place).iter().for_each(|entry| self.held.drop(entry));
        }
        self.tenant.refresh_lane(no);
    }
}

impl Shard {
    /// Window reads that should be made now. Each lane is named once until its read comes back.
    pub fn window_wishes(&mut self, committed: u64, most: usize) -> Vec<WindowWish> {
        let hungry: Vec<_> = self.tenants.worth().hungry.iter().copied().collect();
        if hungry.is_empty() {
            return Vec::new();
        }
        let most_rows = self.sizes.window_read;
        let mut room = self.sizes.window_budget.saturating_sub(self.held.entries);
        if room < most_rows {
            room += self.drop_held_windows();
        }
        if room == 0 && self.starving(&hungry, committed) {
            room += self.shorten_longest_window(committed);
        }
        let mut wishes = Vec::new();
        for of in hungry {
            let Some(tenant) = self.tenants.get_mut(of) else { continue };
            for no in tenant.index.hungry.clone() {
                if wishes.len() == most || room == 0 {
                    return wishes;
                }
                let held = tenant.lane_paused(no);
                let lane = tenant.lane_mut(no);
                if held || lane.loading || lane.read_at.is_some_and(|at| at >= committed) {
                    continue;
                }
                let limit = room.min(most_rows).min(usize::try_from(lane.unloaded()).unwrap_or(usize::MAX));
                lane.loading = true;
                room -= limit;
                wishes.push(WindowParams { tenant: of, lane: no, after: lane.read_after(), limit });
            }
        }
        wishes
    }

    /// Does a lane with work and nothing in its window want a read?
    fn starving(&self, hungry: &[TenantNo], committed: u64) -> bool {
        hungry.iter().filter_map(|no| self.tenants.get(*no)).any(|tenant| {
            tenant.index.hungry.iter().any(|no| {
                let lane = tenant.lane(*no);
                lane.window.is_empty()
                    && !lane.loading
                    && lane.read_at.is_none_or(|at| at < committed)
                    && !tenant.lane_paused(*no)
            })
        })
    }

    /// A long window of work that nobody takes must not keep others from theirs: halves the longest.
    /// Its end is read again after the next commit at the earliest, so that lanes do not take turns without end.
    fn shorten_longest_window(&mut self, committed: u64) -> usize {
        let windows = self.tenants.values().flat_map(|tenant| {
            let lanes = tenant.lanes.iter().zip(1u32..).filter(|(lane, _)| !lane.loading);
            lanes.map(|(lane, n)| (lane.window.len(), tenant.no, LaneNo(n)))
        });
        let Some((len, of, no)) = windows.max() else { return 0 };
        let Some(tenant) = self.tenants.get_mut(of).filter(|_| len > 0) else { return 0 };
        let lane = tenant.lane_mut(no);
        let cut = lane.window.split_off(len / 2);
        lane.window_end = cut.front().map_or(lane.window_end, |first| lane.window_end.min(first.seq - 1));
        lane.read_at = Some(committed);
        cut.iter().for_each(|entry| self.held.drop(entry));
        tenant.refresh_lane(no);
        cut.len()
    }

    /// Gives the room of paused lanes' windows to others.
    fn drop_held_windows(&mut self) -> usize {
        let mut freed = 0;
        for tenant in self.tenants.values_mut() {
            for n in 1..=tenant.lanes.len() {
                let no = LaneNo(u32::try_from(n).unwrap_or(u32::MAX));
                // A read under way goes on behind the window's end, so that window must stay.
                let idle = !tenant.lane(no).loading && !tenant.lane(no).window.is_empty();
                if idle && tenant.lane_paused(no) {
                    let dropped = tenant.lane_mut(no).drop_window();
                    dropped.iter().for_each(|entry| self.held.drop(entry));
                    freed += dropped.len();
                    tenant.refresh_lane(no);
                }
            }
        }
        freed
    }

    /// Takes what a window read found. `began` is the committed position at which it began.
    pub fn window_loaded(&mut self, wish: &WindowWish, began: u64, rows: Vec<WindowRow>) {
        let Some(tenant) = self.tenants.get_mut(wish.tenant) else { return };
        let short = rows.len() < wish.limit;
        let last = rows.last().map(|row| row.seq);
        let lane = tenant.lane(wish.lane);
        let after = lane.read_after();
        let fits: Vec<Entry> = rows
            .into_iter()
            .filter(|row| row.seq > after && still_fresh(tenant, row.job))
            .map(|row| Entry {
                seq: row.seq,
                job: row.job,
                carried: Some(Carried { payload: row.payload, extra: row.extra }),
            })
            .map(|entry| self.held.add(entry, self.sizes.window_bytes))
            .collect();
        let lane = tenant.lane_mut(wish.lane);
        lane.loading = false;
        lane.read_at = short.then_some(began);
        lane.window.extend(fits);
        // Whoever is in another lane now is shown here by the ledger until it ends, and is not read for ever.
        if !mutant::on(Mutant::HeadNotAdvanced) {
            lane.window_end = lane.window_end.max(last.unwrap_or(0));
        }
        tenant.refresh_lane(wish.lane);
    }

    /// A window read failed; it may be wished for again.
    pub fn window_failed(&mut self, wish: &WindowWish) {
        if let Some(tenant) = self.tenants.get_mut(wish.tenant) {
            tenant.lane_mut(wish.lane).loading = false;
        }
    }
}

/// The ledger showed it as waiting; memory may know that it has ended since.
fn still_fresh(tenant: &crate::tenant::Tenant, job: JobId) -> bool {
    if mutant::on(Mutant::CanceledFromWindow) {
        return true;
    }
    !tenant.jobs.contains_key(&job) && tenant.warm.job(job).is_none_or(|warm| warm.state == JobState::Ready)
}
