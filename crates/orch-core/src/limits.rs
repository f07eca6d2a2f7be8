//! Every limit and default in one table, each with its reason. Docs, API and SDKs take them from here.

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The name used in errors and docs.
    pub name: &'static str,
    /// The largest (or, for defaults, the usual) value.
    pub value: u64,
    /// Why it is what it is.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $konst:ident = $value:expr, $name:literal, $reason:literal;)*) => {
        $($(#[$doc])* pub const $konst: u64 = $value;)*

        /// The whole table, for docs and tests.
        pub const TABLE: &[Limit] = &[$(Limit { name: $name, value: $konst, reason: $reason },)*];
    };
}

limits! {
    /// Jobs in one batch call.
    JOBS_PER_CALL_MAX = 1_000, "jobs_per_call_max", "a call stays within one commit of 4,096 facts";
    /// Payload bytes of a job.
    PAYLOAD_BYTES_MAX = 1 << 20, "payload_bytes_max", "larger inputs belong in an artifact, named by digest";
    /// Result bytes of an attempt.
    RESULT_BYTES_MAX = 64 << 10, "result_bytes_max", "results are paged to dependants; larger outputs are artifacts";
    /// Saved progress of an attempt.
    CHECKPOINT_BYTES_MAX = 16 << 10, "checkpoint_bytes_max", "it rides on heartbeats";
    /// Bytes of one request's body.
    BODY_BYTES_MAX = 16 << 20, "body_bytes_max", "1,000 jobs of 16 KiB, refused before it is buffered";
    /// Bytes of one artifact upload.
    ARTIFACT_BYTES_MAX = 64 << 20, "artifact_bytes_max", "one upload is held in memory while its digest is checked";
    /// Dependencies of one job.
    DEPENDENCIES_MAX = 10_000, "dependencies_max", "the widest fan-in that is promised";
    /// Labels of one job.
    LABELS_MAX = 32, "labels_max", "labels are indexed rows";
    /// Characters of a label's key.
    LABEL_KEY_CHARS_MAX = 63, "label_key_chars_max", "fits an index entry";
    /// Characters of a label's value.
    LABEL_VALUE_CHARS_MAX = 255, "label_value_chars_max", "fits an index entry";
    /// Characters of a name (job type, source, project, concurrency key).
    NAME_CHARS_MAX = 128, "name_chars_max", "fits an index entry and a screen line";
    /// Characters of the pointer at which a job type's payloads hold their concurrency key.
    KEY_POINTER_CHARS_MAX = 256, "key_pointer_chars_max", "a dozen names; a key lies near the top of a payload";
    /// Jobs accepted before a call that new ones of their concurrency keys take the place of, in that call.
    SUPERSEDED_PER_CALL_MAX = 1_000, "superseded_per_call_max", "a call stays within one commit; the next one goes on";
    /// Characters of an idempotency key.
    KEY_CHARS_MAX = 255, "key_chars_max", "room for a URL or a digest";
    /// Characters of a correlation id.
    CORRELATION_ID_CHARS_MAX = 128, "correlation_id_chars_max", "room for a traceparent";
    /// Characters of an operator's reason.
    REASON_CHARS_MAX = 256, "reason_chars_max", "the platform's audit field";
    /// Leases in one claim.
    CLAIM_MAX = 1_000, "claim_max", "a grant stays within one commit";
    /// Milliseconds that a claim may wait.
    CLAIM_WAIT_MS_MAX = 30_000, "claim_wait_ms_max", "below the idle time-out of common proxies";
    /// Reports (ack, heartbeat, complete, release) in one call.
    REPORTS_PER_CALL_MAX = 1_000, "reports_per_call_max", "a call stays within one commit";
    /// Follow-up jobs of one completion or one call.
    FOLLOW_UPS_MAX = 1_000, "follow_ups_max", "a call stays within one commit";
    /// Log lines in one call.
    LOG_LINES_MAX = 1_000, "log_lines_max", "lines are batched by the SDK";
    /// Characters of a log line.
    LOG_LINE_CHARS_MAX = 8 << 10, "log_line_chars_max", "longer text is an artifact";
    /// Artifacts of one completion.
    ARTIFACTS_MAX = 100, "artifacts_max", "each is a row";
    /// Characters of an error's message.
    ERROR_MESSAGE_CHARS_MAX = 2_048, "error_message_chars_max", "it is kept in history";
    /// Items of a page.
    PAGE_MAX = 200, "page_max", "a page answers in milliseconds";
    /// Items of a page when none is asked for.
    PAGE_DEFAULT = 50, "page_default", "fits a screen";
    /// Bytes of a job type's payload schema.
    PAYLOAD_SCHEMA_BYTES_MAX = 64 << 10, "payload_schema_bytes_max", "it is compiled, kept in memory and in history";
    /// How deep a payload schema may be nested.
    PAYLOAD_SCHEMA_DEPTH_MAX = 32, "payload_schema_depth_max", "it is walked for every payload";
    /// Characters of a connector's id.
    CONNECTOR_ID_CHARS_MAX = 63, "connector_id_chars_max", "it is part of names and lock keys elsewhere";
    /// Requests a minute that a connector's rate policy may allow.
    CONNECTOR_REQUESTS_PER_MINUTE_MAX = 60_000, "connector_requests_per_minute_max", "a thousand a second is no upstream's terms";
    /// Seconds of rest after a refusal.
    CONNECTOR_COOLDOWN_SECONDS_MAX = 86_400, "connector_cooldown_seconds_max", "one day";
    /// Runs of a connector at the same time.
    CONNECTOR_PARALLEL_RUNS_MAX = 64, "connector_parallel_runs_max", "an upstream is one host";
    /// Minutes that a connector may be behind.
    CONNECTOR_LAG_MINUTES_MAX = 525_600, "connector_lag_minutes_max", "one year";
    /// Characters of a query.
    QUERY_CHARS_MAX = 2_048, "query_chars_max", "it travels in a URL";
    /// Values in all terms of a query together.
    QUERY_VALUES_MAX = 100, "query_values_max", "each is compared with each row that is walked";
    /// How far ahead `not_before` and `deadline` may lie, in days.
    AHEAD_DAYS_MAX = 366, "ahead_days_max", "a waiting job is held in memory; longer plans are schedules";
    /// Milliseconds of the shortest lease.
    LEASE_MS_MIN = 1_000, "lease_ms_min", "three heartbeats must fit";
    /// Milliseconds of the longest lease.
    LEASE_MS_MAX = 3_600_000, "lease_ms_max", "a dead worker must be noticed within the hour";
    /// Milliseconds of a lease when the job type says nothing.
    LEASE_MS_DEFAULT = 60_000, "lease_ms_default", "notices a dead worker in a minute";
    /// Heartbeats in one lease length.
    HEARTBEATS_PER_LEASE = 3, "heartbeats_per_lease", "two may be lost";
    /// Tries that a job has when its type says nothing.
    TRIES_DEFAULT = 5, "tries_default", "about eleven minutes of back-off in the mean";
    /// Most tries a job type may ask for.
    TRIES_MAX = 1_000, "tries_max", "beyond that a schedule is meant";
    /// Lost leases before a job is a dead letter.
    LOST_DEFAULT = 3, "lost_default", "a job that kills its workers must stop";
    /// Most lost leases a job type may allow.
    LOST_MAX = 10_000, "lost_max", "for tests that kill workers all the time";
    /// First back-off in milliseconds.
    BACKOFF_MS_DEFAULT = 5_000, "backoff_ms_default", "doubles with each try";
    /// Longest back-off in milliseconds when the job type says nothing.
    BACKOFF_MS_MAX_DEFAULT = 900_000, "backoff_ms_max_default", "a quarter of an hour";
    /// Longest back-off that may be configured.
    BACKOFF_MS_MAX = 86_400_000, "backoff_ms_max", "one day";
    /// Milliseconds an attempt may run when the job type says nothing.
    EXECUTION_MS_DEFAULT = 3_600_000, "execution_ms_default", "one hour";
    /// Longest execution time-out that may be configured.
    EXECUTION_MS_MAX = 604_800_000, "execution_ms_max", "one week";
    /// Milliseconds between a cancel request and the fence rising.
    CANCEL_GRACE_MS_DEFAULT = 30_000, "cancel_grace_ms_default", "one and a half heartbeats of the default lease";
    /// Facts in one commit, whole commands.
    FACTS_PER_COMMIT = 4_096, "facts_per_commit", "measured: fewer lose a quarter of the speed";
    /// The same while one who asks for little waits beside one who asks for much.
    FACTS_PER_MIXED_COMMIT = 512, "facts_per_mixed_commit", "what little waits for; each commit then takes some 5 ms";
    /// Milliseconds over which it is counted who asks for how much.
    USAGE_PERIOD_MS = 1_000, "usage_period_ms", "a period and the one before count";
    /// Who asks for at most this part of what the largest asks for, asks for little.
    LIGHT_SHARE = 16, "light_share", "a sixteenth: equals never come near";
    /// Calls that make jobs and may be under way for a tenant that asks for much while others ask for little.
    BUSY_TENANT_CALLS = 2, "busy_tenant_calls", "one is parsed while the other is written";
    /// Facts that are worth an append while another is under way.
    SECOND_APPEND_FACTS = 512, "second_append_facts", "fewer wait for the one under way: a commit costs as much as them";
    /// Commands waiting for the owner.
    COMMANDS_QUEUED_MAX = 8_192, "commands_queued_max", "beyond that new work is shed with 503";
    /// Commands of one tenant's submitters, or of its workers, waiting for the owner.
    COMMANDS_QUEUED_SENDER_MAX = 2_048, "commands_queued_sender_max", "a quarter: one sender leaves room for others";
    /// Idempotency keys of one page that fills the owner's filter after a take-over.
    KEY_READ = 10_000, "key_read", "some 30 ms of reading between two pauses";
    /// Jobs and keys that may be read ahead for commands that have not run yet.
    READING_AHEAD = 8_192, "reading_ahead", "two full commits: more would only wait, and in front of others";
    /// Entries in all lanes' windows together.
    WINDOW_BUDGET = 200_000, "window_budget", "bounds the owner's memory whatever the backlog";
    /// Bytes of payloads in all lanes' windows together.
    WINDOW_BYTES = 64 << 20, "window_bytes", "what a window does not carry is read at the grant";
    /// Rows of one window read.
    WINDOW_READ = 2_000, "window_read", "a literal in the statement, so that its plan stays";
    /// Open jobs held in memory (waiting on parents, time, or their next try).
    HELD_JOBS_MAX = 2_000_000, "held_jobs_max", "about 250 bytes each; beyond that enqueues get 429";
    /// Lanes of one tenant.
    LANES_MAX = 100_000, "lanes_max", "a lane is kept for good";
    /// Hours that an idempotency key is kept at the least.
    KEY_HOURS = 24, "key_hours", "the promise";
    /// Seconds that a job is kept after its end, when nothing else is set.
    JOB_RETENTION_SECONDS = 30 * 86_400, "job_retention_seconds", "thirty days: what people ask about is younger";
    /// Seconds between two sweeps of a shard, when nothing else is set.
    SWEEP_SECONDS = 600, "sweep_seconds", "seldom enough to cost nothing, often enough that no sweep is long";
    /// Days that a tenant marked for deletion can be restored.
    TENANT_RESTORE_DAYS = 7, "tenant_restore_days", "a weekend and the days around it to notice a mistake";
    /// Facts between two snapshots.
    SNAPSHOT_FACTS = 500_000, "snapshot_facts", "bounds the replay at take-over";
    /// Milliseconds between two snapshots.
    SNAPSHOT_MS = 5_000, "snapshot_ms", "bounds the replay at take-over";
    /// Terms of a bucket.
    TERMS_MAX = 8, "terms_max", "upstreams state one to three";
    /// Documents in one call that declares them.
    DOCUMENTS_PER_CALL_MAX = 500, "documents_per_call_max", "each is a command of its own, and the call waits for all";
    /// Requests that an attempt may make.
    COST_MAX = 10_000, "cost_max", "an attempt that makes more should be several jobs";
    /// Milliseconds in which a bucket's share rises from nothing to the whole of its terms.
    RAMP_MS_DEFAULT = 120_000, "ramp_ms_default", "after a refusal, half is left and all is there again within a minute";
    /// The shortest ramp.
    RAMP_MS_MIN = 1_000, "ramp_ms_min", "a shorter one would ask a refusing host again at once";
    /// The longest ramp.
    RAMP_MS_MAX = 86_400_000, "ramp_ms_max", "slower than a day is a limit for an operator to set";
    /// Attempts that may be under way at a bucket's host.
    IN_FLIGHT_MAX = 100_000, "in_flight_max", "more than an upstream bears from anybody";
    /// Milliseconds that a lease may be granted before its first request may leave.
    PERMIT_AHEAD_MS = 150, "permit_ahead_ms", "covers a permit's way to its shard and a grant's to its worker; longer would only hold leases";
    /// The heaviest weight of a quota's share.
    WEIGHT_MAX = 1_000, "weight_max", "a thousandth is as good as nothing";
    /// The largest backlog that a quota can allow.
    BACKLOG_MAX = 1_000_000_000, "backlog_max", "more than any ledger holds; fits a JSON number";
    /// Milliseconds that a claim which does not wait waits all the same for a permit that another shard may give.
    PERMIT_WAIT_MS = 300, "permit_wait_ms", "twice as long as permits are given ahead";
    /// Permits to one host that a tenant can wish for at a time.
    PERMIT_WISHES_MAX = 1_000, "permit_wishes_max", "as many as a claim takes";
    /// Parts of a hundred that must fail for a breaker to open, when nothing else is said.
    BREAKER_FAILURES_PERCENT_DEFAULT = 50, "breaker_failures_percent_default", "half: fewer are an upstream's bad day";
    /// Outcomes in its window before a breaker opens, when nothing else is said.
    BREAKER_OUTCOMES_DEFAULT = 20, "breaker_outcomes_default", "fewer say little of a share";
    /// The most outcomes that a breaker may ask for.
    BREAKER_OUTCOMES_MAX = 100_000, "breaker_outcomes_max", "a breaker that wants more never opens in time";
    /// Milliseconds that a breaker stays open the first time, when nothing else is said.
    BREAKER_OPEN_MS_DEFAULT = 10_000, "breaker_open_ms_default", "a restart takes about as long";
    /// Milliseconds that a breaker stays open at most, when nothing else is said.
    BREAKER_OPEN_MS_MAX_DEFAULT = 300_000, "breaker_open_ms_max_default", "what a recovered upstream waits at most";
    /// Milliseconds of a breaker's window, when nothing else is said.
    BREAKER_WINDOW_MS_DEFAULT = 60_000, "breaker_window_ms_default", "a minute: older outcomes say little of now";
    /// The shortest window of a breaker.
    BREAKER_WINDOW_MS_MIN = 10, "breaker_window_ms_min", "a window has ten slots";
    /// The longest of a breaker's lengths of time.
    BREAKER_MS_MAX = 86_400_000, "breaker_ms_max", "longer than a day is a pause";
    /// Attempts under way at which a breaker's ramp is over, when nothing else is said.
    BREAKER_RAMP_DEFAULT = 64, "breaker_ramp_default", "as many as one turn of a tenant";
    /// The same, at most.
    BREAKER_RAMP_MAX = 10_000, "breaker_ramp_max", "each step is a success";
    /// Milliseconds of the longest time before a window in which a draining blackout hands nothing out.
    LEAD_MS_MAX = 86_400_000, "lead_ms_max", "an attempt that needs longer than a day to end should be canceled";
    /// Milliseconds of the longest window of a calendar.
    WINDOW_DURATION_MS_MAX = 2_678_400_000, "window_duration_ms_max", "31 days; what lasts longer is a pause";
    /// Days that a calendar excepts.
    EXCEPT_MAX = 366, "except_max", "each day of a year";
    /// Characters of a calendar's rule.
    RULE_CHARS_MAX = 512, "rule_chars_max", "rules that people write have some fifty";
    /// The highest limit of attempts that begin in a minute.
    PER_MINUTE_MAX = 100_000, "per_minute_max", "as much as a term may say; each is remembered for a minute";
    /// Throttles that hold at the same time in a tenant.
    THROTTLES_MAX = 100, "throttles_max", "grants look at each; what many things need is declared";
    /// Milliseconds from now that a throttle may last.
    THROTTLE_MS_MAX = 604_800_000, "throttle_ms_max", "seven days; what lasts longer is declared";
    /// Priorities of targets that hold at the same time in a tenant.
    PRIORITIES_MAX = 100, "priorities_max", "grants look at each of the group";
    /// Milliseconds from now that a target's priority may last.
    PRIORITY_MS_MAX = 604_800_000, "priority_ms_max", "seven days; what lasts longer is asked for with each job";
    /// The heaviest weight of a tenant.
    TENANT_WEIGHT_MAX = 1_000, "tenant_weight_max", "ten times the usual, a thousand times the lightest";
    /// The highest priority of a tenant.
    TENANT_PRIORITY_MAX = 100, "tenant_priority_max", "more steps than people tell apart";
    /// Parts of a hundred of a host's terms that urgent work alone may spend, when nothing else is said.
    URGENT_RESERVE_PERCENT_DEFAULT = 5, "urgent_reserve_percent_default", "one in twenty: little is lost while nothing is urgent";
    /// The same, at most.
    URGENT_RESERVE_PERCENT_MAX = 50, "urgent_reserve_percent_max", "more would make urgent the usual";
    /// Milliseconds after which what a tenant is due and received is written down again within an hour.
    FAIRNESS_NOTE_MS = 300_000, "fairness_note_ms", "what a crash forgets of it, at most; twelve facts an hour";
    /// Closed receipts of fairness that are kept at hand for a tenant.
    FAIRNESS_RECEIPTS = 24, "fairness_receipts", "a day; older ones are in history";
    /// Milliseconds that a lane's first job waits before it counts as one class higher.
    AGEING_MS = 300_000, "ageing_ms", "longer than most queues are, short beside a person's patience";
    /// Schedules of a tenant.
    SCHEDULES_MAX = 1_000, "schedules_max", "each is looked at by its owner as its instants come";
    /// Payload bytes of a schedule's job.
    SCHEDULE_PAYLOAD_BYTES_MAX = 64 << 10, "schedule_payload_bytes_max", "it stands in each version and in memory";
    /// Milliseconds for which a schedule makes good, when it does not say.
    CATCH_UP_MS_DEFAULT = 3_600_000, "catch_up_ms_default", "an hour: longer than a restart, shorter than a forgotten day";
    /// The same, at most.
    CATCH_UP_MS_MAX = 2_678_400_000, "catch_up_ms_max", "31 days; what lies further back is a backfill";
    /// Firings that a schedule may have to make good for at once.
    CATCH_UP_FIRINGS_MAX = 1_000, "catch_up_firings_max", "as many jobs as a call may ask for";
    /// Milliseconds that a firing may come after its nominal instant by jitter.
    JITTER_MS_MAX = 3_600_000, "jitter_ms_max", "an hour; what may come later has another timetable";
    /// Nominal instants of a schedule that wait for its open job.
    BUFFERED_MAX = 100, "buffered_max", "what lags further behind needs a longer interval";
    /// Milliseconds between two nominal instants of an interval.
    EVERY_MS_MIN = 1_000, "every_ms_min", "what comes more often is a worker's own loop";
    /// The same, at most.
    EVERY_MS_MAX = 31_622_400_000, "every_ms_max", "366 days";
    /// Jobs in a row that may fail before a schedule pauses itself.
    FAILURES_IN_A_ROW_MAX = 1_000, "failures_in_a_row_max", "whoever wants more wants none";
    /// Milliseconds after which a job of a schedule is final at the earliest.
    DEADLINE_MS_MIN = 1_000, "deadline_ms_min", "a worker must be able to take it";
    /// Milliseconds that a firing may be late without being a misfire.
    LATE_MS = 10_000, "late_ms", "longer than a shard's take-over";
    /// Steps of a graph.
    GRAPH_STEPS_MAX = 10_000, "graph_steps_max", "the longest chain and the widest fan that are promised";
    /// Edges of a graph, all steps together.
    GRAPH_EDGES_MAX = 100_000, "graph_edges_max", "ten a step of the largest graph; planning is linear in them";
    /// How deep graphs may stand inside graphs.
    GRAPH_DEPTH_MAX = 8, "graph_depth_max", "more levels than people keep apart";
    /// Jobs that a run may come to, with all items of its maps and all steps of its sub-graphs.
    GRAPH_JOBS_MAX = 1_000_000, "graph_jobs_max", "what a shard holds in memory at once; more is a backfill";
    /// Items over which one step may be mapped.
    MAP_ITEMS_MAX = 10_000, "map_items_max", "the widest fan-out that is promised";
    /// Inputs of its run that one step may use.
    STEP_INPUTS_MAX = 32, "step_inputs_max", "each is a member of its payload";
    /// Bytes of a run's inputs.
    RUN_INPUTS_BYTES_MAX = 64 << 10, "run_inputs_bytes_max", "they stand in memory while it is open";
    /// Facts of runs that one command leads to at once.
    RUN_FACTS_AT_ONCE = 512, "run_facts_at_once", "a wide fan-out takes several commits, and others come between";
    /// Windows of a backfill.
    BACKFILL_WINDOWS_MAX = 1_000_000, "backfill_windows_max", "as many jobs as a shard holds at once; more is several";
    /// Milliseconds of a backfill's window, when nothing else is said.
    BACKFILL_WINDOW_MS_DEFAULT = 86_400_000, "backfill_window_ms_default", "a day: what most feeds are cut by";
    /// The same, at least.
    BACKFILL_WINDOW_MS_MIN = 60_000, "backfill_window_ms_min", "a minute; what is shorter asks too often";
    /// The same, at most.
    BACKFILL_WINDOW_MS_MAX = 31_622_400_000, "backfill_window_ms_max", "366 days";
    /// Windows of a backfill that are open at the same time, when nothing else is said.
    BACKFILL_PARALLELISM_DEFAULT = 4, "backfill_parallelism_default", "it goes on, and leaves workers to others";
    /// The same, at most.
    BACKFILL_PARALLELISM_MAX = 1_000, "backfill_parallelism_max", "they are in memory, and canceled at once";
    /// Open backfills of a tenant.
    BACKFILLS_OPEN_MAX = 100, "backfills_open_max", "each is looked at as its windows end";
    /// Windows in a row that fail before a backfill pauses itself.
    BACKFILL_FAILURES_MAX = 20, "backfill_failures_max", "what fails so often fails for all";
    /// Stretches of event time that are known as read by backfills, of each source and axis.
    BACKFILL_STRETCHES_MAX = 1_000, "backfill_stretches_max", "neighbours are one; beyond that the shortest is forgotten";
    /// Characters of a ticket.
    TICKET_CHARS_MAX = 128, "ticket_chars_max", "the platform's audit field";
    /// Graphs of a tenant.
    GRAPHS_MAX = 1_000, "graphs_max", "each is in its owner's memory";
    /// Open runs of a tenant.
    OPEN_RUNS_MAX = 100_000, "open_runs_max", "their steps are in memory; beyond that new ones get 429";
    /// Bytes of a graph as it is written down.
    GRAPH_BYTES_MAX = 4 << 20, "graph_bytes_max", "it is one fact, and in memory while runs follow it";
    /// Values that one condition compares with.
    CONDITION_VALUES_MAX = 100, "condition_values_max", "each is compared when a parent ends";
    /// Milliseconds that an approval waits when nothing else is said.
    APPROVAL_MS_DEFAULT = 86_400_000, "approval_ms_default", "a day: whoever is asked sleeps once";
    /// Milliseconds that an approval may wait.
    APPROVAL_MS_MAX = 2_678_400_000, "approval_ms_max", "31 days; who has not decided by then will not";
    /// Holes, or repairs, of a watermark; also those of one report.
    WATERMARK_RANGES_MAX = 256, "watermark_ranges_max", "they are in memory and in each fact; beyond it the closest become one";
    /// Late records that one report can name.
    WATERMARK_LATE_MAX = 1_000, "watermark_late_max", "they open whole windows: more of them say little more";
    /// Milliseconds that a record may be behind its watermark and not be late.
    WATERMARK_LATENESS_MS_MAX = 31_622_400_000, "watermark_lateness_ms_max", "366 days; what is longer never looks back";
    /// Milliseconds that a watermark may be ahead of now.
    WATERMARK_AHEAD_MS_MAX = 172_800_000, "watermark_ahead_ms_max", "two days: dates end up to a day ahead, and zones differ by more than half of one";
    /// Milliseconds of a repair's window, when nothing else is said.
    WATERMARK_REPAIR_MS_DEFAULT = 86_400_000, "watermark_repair_ms_default", "a day: most upstreams let one ask for dates";
    /// The shortest window of a repair.
    WATERMARK_REPAIR_MS_MIN = 60_000, "watermark_repair_ms_min", "a minute: shorter ones would be too many";
    /// The longest window of a repair.
    WATERMARK_REPAIR_MS_MAX = 2_678_400_000, "watermark_repair_ms_max", "31 days; what is longer is a backfill";
    /// Milliseconds that a node's lease on its shards lasts.
    NODE_LEASE_MS = 4_000, "node_lease_ms", "first grant within 6 s of a kill";
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn names_are_unique_and_each_has_a_reason() {
        let mut names: Vec<_> = TABLE.iter().map(|limit| limit.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.iter().all(|limit| limit.reason.len() > 6 && limit.value > 0));
    }
}
