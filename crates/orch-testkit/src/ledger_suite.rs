//! What every ledger must do, as properties over `orch_core::port::Ledger`.
//!
//! `ledger_suite!(name, backend)` makes one test a property; a backend that fails one does not exist.

mod backfills;
mod firings;
pub mod fixture;
mod history;
mod isolation;
mod jobs;
mod ownership;
mod pages;
mod restart;
mod rotation;
mod runs;

use std::sync::Arc;

use orch_core::port::Ledger;

pub use backfills::*;
pub use firings::*;
pub use history::*;
pub use isolation::*;
pub use jobs::*;
pub use ownership::*;
pub use pages::*;
pub use restart::*;
pub use rotation::*;
pub use runs::*;

/// A fresh ledger of some kind.
pub trait Backend: Send + Sync + 'static {
    /// Opens it. Called again only when every earlier handle is gone.
    fn open(&self) -> impl Future<Output = Arc<dyn Ledger>> + Send;
}

/// One test a property. `$backend` is a future of an `Option<impl Backend>`; `None` skips, and must have said so.
#[macro_export]
macro_rules! ledger_suite {
    ($name:ident, $backend:expr) => {
        mod $name {
            use super::*;

            $crate::ledger_suite! { @properties $backend;
                everything_appended_is_read_back
                a_stale_epoch_writes_nothing
                commits_without_their_predecessor_are_refused_whole
                appends_under_way_commit_in_order
                a_row_that_is_there_already_refuses_the_whole_commit
                the_tail_is_in_order_and_has_no_gaps
                a_snapshot_replaces_the_last
                blocks_are_found_by_seq
                streams_are_read_in_order
                shards_have_lines_of_their_own
                epochs_rise_with_every_take_over
                a_renewal_names_what_the_node_owns
                a_live_node_keeps_its_shard
                an_expired_node_loses_its_shard
                a_released_shard_is_free_at_once
                a_release_with_an_old_epoch_does_nothing
                of_many_takers_at_once_each_epoch_has_one
                a_dropped_append_is_there_whole_or_not_at_all
                windows_hold_fresh_jobs_without_an_end_in_order
                windows_answer_each_wish_in_its_place
                keys_are_found_from_a_moment_on
                keys_are_listed_by_the_day
                the_last_checkpoint_stays
                ends_are_counted_by_lane_and_state
                tokens_are_made_and_revoked
                a_foreign_tenant_sees_nothing
                the_same_ids_live_in_two_tenants
                pages_show_every_job_once_newest_first
                pages_keep_to_their_filters
                pages_find_errors_by_code_and_class
                a_page_reads_a_bounded_number_of_rows
                dead_letters_are_open_until_settled
                a_dead_letter_is_settled_once
                logs_are_paged_in_order
                artifacts_are_found_by_digest
                rotation_keeps_what_must_stay
                rotation_goes_through_many_jobs
                what_is_settled_is_kept_a_while
                rotation_leaves_nothing_of_a_job
                removed_jobs_are_counted_by_the_hour
                old_keys_go_by_whole_days
                firings_are_shown_newest_first
                an_instant_is_decided_once
                old_firings_go
                a_backfill_is_read_back_with_its_end
                pages_of_backfills_go_by_their_seqs
                a_backfill_begins_and_ends_once
                old_ended_backfills_go
                many_backfills_go_in_steps
                a_firing_may_have_a_run
                a_run_is_read_back_with_its_end
                pages_of_runs_keep_to_their_filters
                a_run_begins_and_ends_once
                old_ended_runs_go
                many_runs_go_in_steps
                versions_of_documents_are_found
                a_restart_keeps_everything
            }
        }
    };
    (@properties $backend:expr; $($property:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $property() {
                if let Some(backend) = $backend.await {
                    $crate::ledger_suite::$property(backend).await;
                }
            }
        )*
    };
}
