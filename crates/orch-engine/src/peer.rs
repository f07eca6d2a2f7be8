//! Calls between nodes: a command for a shard goes to the shard's owner, once, and its answer comes back.
//!
//! How bytes travel and how nodes prove who they are belongs to whoever implements `Peers`.

use async_trait::async_trait;
use orch_core::ids::ShardNo;
use orch_core::refusal::Refusal;
use orch_dispatch::{Answer, Command};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Error;

/// Why another node did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The call did not reach it.
    #[error("the node was not reached: {0}")]
    NotSent(String),
    /// The call may have reached it.
    #[error("the node did not answer: {0}")]
    Unanswered(String),
}

/// The way to other nodes.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Carries a call to the node at this address, and its answer back.
    async fn call(&self, address: &str, call: Vec<u8>) -> Result<Vec<u8>, PeerError>;
}

#[derive(Serialize)]
struct Sent<'a> {
    shard: ShardNo,
    command: &'a Command,
}

#[derive(Deserialize)]
struct Received {
    shard: ShardNo,
    command: Command,
}

/// What an owner says to another node; the rest of an error's text stays in its own log.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Answer(Answer),
    Refused(Refusal),
    NotOwner,
    OutcomeUnknown,
    Overloaded(u64),
    Draining,
    Unreadable,
    Internal,
}

impl Engine {
    /// Answers another node's call. Calls are passed on once: what this node does not own it refuses.
    pub async fn answer_peer(&self, call: &[u8]) -> Vec<u8> {
        let said = match postcard::from_bytes::<Received>(call) {
            Ok(Received { shard, command }) => said(self.at_own(shard, command).await),
            // Another version of this program; its owner's answers could not be read here either.
            Err(error) => {
                tracing::error!(%error, "a call of another node cannot be read");
                Said::Unreadable
            }
        };
        postcard::to_allocvec(&said).expect("answers hold only what postcard can write")
    }

    pub(crate) async fn forward(
        &self,
        peers: &Arc<dyn Peers>,
        address: &str,
        shard: ShardNo,
        command: &Command,
    ) -> Result<Answer, Error> {
        let call = postcard::to_allocvec(&Sent { shard, command }).expect("commands hold only what postcard can write");
        let answer = tokio::select! {
            answer = peers.call(address, call) => answer,
            // A parked claim of another node's is not waited for at the end: the worker asks the next replica for it
            // by the same claim id.
            () = self.stopping() => return Err(Error::Draining),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(PeerError::NotSent(why)) => {
                tracing::debug!(%address, %why, "a node was not reached");
                return Err(Error::NotOwner { retry_after_ms: 500, address: None });
            }
            Err(PeerError::Unanswered(why)) => {
                tracing::warn!(%address, %why, "a node did not answer");
                return Err(Error::OutcomeUnknown);
            }
        };
        match postcard::from_bytes::<Said>(&answer) {
            Ok(said) => heard(said),
            Err(error) => Err(Error::Internal(format!("an answer of another node cannot be read: {error}"))),
        }
    }
}

fn said(outcome: Result<Answer, Error>) -> Said {
    match outcome {
        Ok(answer) => Said::Answer(answer),
        Err(Error::Refused(refusal)) => Said::Refused(refusal),
        Err(Error::NotOwner { .. }) => Said::NotOwner,
        Err(Error::OutcomeUnknown) => Said::OutcomeUnknown,
        Err(Error::Overloaded { retry_after_ms }) => Said::Overloaded(retry_after_ms),
        Err(Error::Draining) => Said::Draining,
        Err(error @ (Error::Ledger(_) | Error::Internal(_))) => {
            tracing::error!(%error, "a call of another node failed");
            Said::Internal
        }
    }
}

fn heard(said: Said) -> Result<Answer, Error> {
    match said {
        Said::Answer(answer) => Ok(answer),
        Said::Refused(refusal) => Err(Error::Refused(refusal)),
        // A node that ends gives its shards up: another has them soon.
        Said::NotOwner | Said::Draining => Err(Error::NotOwner { retry_after_ms: 500, address: None }),
        Said::OutcomeUnknown => Err(Error::OutcomeUnknown),
        Said::Overloaded(retry_after_ms) => Err(Error::Overloaded { retry_after_ms }),
        Said::Unreadable => Err(Error::Internal("another node cannot read this one's calls".to_owned())),
        Said::Internal => Err(Error::Internal("another node met a defect; its log knows more".to_owned())),
    }
}
