//! Calls over a network that delays, loses and forgets: what a caller sends, and what it learns.

use std::sync::Arc;

use orch_core::time::Timestamp;
use orch_dispatch::{Answer, CallId, Command};
use rand::Rng;

use super::{Event, Stepped, World};

/// One sending of one command.
pub type CallNo = u64;

/// What a caller learns.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The answer.
    Answer(Answer),
    /// Nothing was done for certain: no owner there, or its reading failed.
    NotDone,
    /// Nobody knows.
    Unknown,
}

/// A call that was not answered yet.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub number: CallNo,
    pub client: usize,
    pub command: Arc<Command>,
    /// What the client makes of it.
    pub tag: u64,
    pub node: usize,
    /// The owner's time when it was delivered.
    pub delivered_at: Timestamp,
    /// What prepare had read, for the races' counters.
    pub parents_open: Vec<orch_core::JobId>,
    pub keys_missing: bool,
    /// It was sent by somebody whose network is good.
    pub sure: bool,
}

impl World {
    /// Sends a command to the node that the client believes in.
    pub(super) fn send_call(&mut self, client: usize, command: Arc<Command>, tag: u64, patience: i64) -> CallNo {
        let node = self.route(client);
        self.next_call += 1;
        let number = self.next_call;
        self.model.log.begin(number, &command);
        let sure = self.draining || matches!(&*command, Command::Heartbeat { .. }) && self.is_good(client);
        let call = Call {
            number,
            client,
            command,
            tag,
            node,
            delivered_at: Timestamp::ZERO,
            parents_open: Vec::new(),
            keys_missing: false,
            sure,
        };
        self.note(|| format!("call {number} of {client} to node {node}: {:?}", call.command));
        self.calls.insert(number, call);
        let lost = !sure && self.chance(self.profile.loss);
        if !lost {
            let late = if sure { self.rng.random_range(0..10) } else { self.delay(8, 1_500) };
            self.after(late, Event::Deliver(number));
        }
        self.after(patience, Event::Timeout(number));
        number
    }

    /// The node that the client believes to have the shard; now and then another.
    fn route(&mut self, client: usize) -> usize {
        if self.chance(20) {
            self.rng.random_range(0..self.nodes.len())
        } else {
            self.believed.get(&client).copied().unwrap_or(0)
        }
    }

    /// A call that brought nothing makes its client try another node; whoever refuses knows the owner, mostly.
    pub(super) fn learn(&mut self, client: usize, node: usize, outcome: &Outcome) {
        let owner =
            self.nodes.iter().position(|other| other.owns() && other.up() && other.frozen_until(self.t).is_none());
        let next = match (outcome, owner) {
            (Outcome::Answer(_), _) => node,
            (Outcome::NotDone, Some(owner)) if self.chance(700) => owner,
            _ => (node + 1) % self.nodes.len(),
        };
        self.believed.insert(client, next);
    }

    pub(super) fn deliver(&mut self, number: CallNo) -> Stepped {
        let Some(call) = self.calls.get(&number) else { return Ok(()) };
        let node = call.node;
        if let Some(until) = self.nodes[node].frozen_until(self.t) {
            let wait = until - self.t;
            self.after(wait, Event::Deliver(number));
            return Ok(());
        }
        if !self.nodes[node].owns() {
            self.answer_late(number, Outcome::NotDone);
            return Ok(());
        }
        let command = call.command.as_ref().clone();
        self.hear(number);
        self.with_owner(node, |owner, now| owner.submit(CallId(number), command, now), Some(number))
    }

    /// Notes for the lease clock that a call about leases reached the owner.
    fn hear(&mut self, number: CallNo) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let node = call.node;
        let Some(now) = self.nodes[node].owner_now(self.t) else { return };
        call.delivered_at = now;
        if self.nodes[node].epoch() != Some(self.ledger.epoch()) {
            return;
        }
        match call.command.as_ref() {
            Command::OpenSession(params) => self.model.voices.heard(params.session, now, None),
            Command::Heartbeat { session, .. } => self.model.voices.heard(*session, now, None),
            Command::Claim(params) => {
                self.model.voices.heard(params.session, now, Some(params.claim));
                if params.wait_until.is_some() {
                    self.model.waits(params.claim, now);
                }
            }
            _ => {}
        }
        let clock = &mut self.model.clock;
        let mut spoke =
            |token: &orch_core::lease::Token, beat| clock.spoke((token.tenant, token.job, token.attempt), beat);
        match call.command.as_ref() {
            Command::Heartbeat { beats, .. } => beats.iter().for_each(|beat| spoke(&beat.token, true)),
            Command::Ack { tokens, .. } | Command::Release { tokens, .. } => {
                tokens.iter().for_each(|token| spoke(token, false))
            }
            Command::Complete { completions, .. } => completions.iter().for_each(|item| spoke(&item.token, false)),
            Command::FollowUps { token, .. } | Command::Log { token, .. } | Command::Upstream { token, .. } => {
                spoke(token, false);
            }
            _ => {}
        }
    }

    /// An answer starts on its way back, or is lost.
    pub(super) fn answer_late(&mut self, number: CallNo, outcome: Outcome) {
        let Some(sure) = self.calls.get(&number).map(|call| call.sure) else { return };
        if !sure && self.chance(self.profile.loss) {
            return;
        }
        let late = if sure { self.rng.random_range(0..10) } else { self.delay(8, 1_500) };
        self.after(late, Event::Reply(number, Box::new(outcome)));
    }

    /// The caller's patience has ended.
    pub(super) fn timeout(&mut self, number: CallNo) {
        let Some(call) = self.calls.get(&number) else { return };
        let node = call.node;
        if self.chance(500)
            && let Some(own) = self.nodes[node].own.as_mut()
        {
            own.owner.caller_gone(CallId(number));
        }
        self.reply(number, Outcome::Unknown);
    }
}
