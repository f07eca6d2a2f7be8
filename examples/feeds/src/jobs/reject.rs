//! `feeds.reject`: fails for good, so that a duplicate has a dead letter that names both paths.
//! It does nothing else.

use orch_client::{Done, HandlerError, JobContext};

use super::RejectPayload;

pub(super) async fn run(_ctx: JobContext, duplicate: RejectPayload) -> Result<Done, HandlerError> {
    let RejectPayload { feed, id, kept, rejected } = duplicate;
    let message = format!("{rejected}: {feed} has the id `{id}` already in {kept}");
    Err(HandlerError::permanent("duplicate_id", message).class("document"))
}
