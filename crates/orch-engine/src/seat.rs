//! A shard's place on this node: the way to its owner's task, if this node owns it.

use orch_core::config::ConfigDoc;
use orch_core::ids::ShardNo;
use orch_core::limits;
use orch_dispatch::command::PermitAsk;
use orch_dispatch::{Answer, Command};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

use crate::admission::Admission;
use crate::error::Error;
use crate::payload_schema::PayloadSchemas;

/// When the caller of a call that was shed may come again.
const SHED_MS: u64 = 1_000;

/// What this node is to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeatRole {
    /// It does not own it.
    Away,
    /// Taking over or recovering.
    Coming,
    /// Serving, under this epoch.
    Owner(u64),
    /// About to give it up: what was taken in is finished, and nothing more is.
    Leaving,
}

/// What comes back from the owner's task.
pub(crate) enum Reply {
    /// The answer, committed.
    Answer(Answer),
    /// Not taken in: nothing has happened, and it may be tried elsewhere.
    NotTaken(Command),
    /// Not taken in: too much of the same sender waits.
    Shed,
}

pub(crate) struct Call {
    pub command: Command,
    pub reply: oneshot::Sender<Reply>,
}

impl Call {
    /// Says that there is too much to do.
    pub fn shed(self) {
        // Whoever has gone needs no answer.
        let _ = self.reply.send(Reply::Shed);
    }

    /// Gives the command back untouched.
    pub fn bounce(self) {
        // Whoever has gone needs no answer.
        let _ = self.reply.send(Reply::NotTaken(self.command));
    }
}

/// The handle's side of a seat.
#[derive(Clone)]
pub(crate) struct Seat {
    /// New work; bounded, so that it is shed first.
    usual: mpsc::Sender<Call>,
    /// Workers' reports and reads under way: the reserved path.
    reserved: mpsc::Sender<Call>,
    pub role: watch::Receiver<SeatRole>,
    pub admission: Arc<Admission>,
    schemas: Arc<PayloadSchemas>,
}

/// The keeper's side of a seat.
pub(crate) struct SeatEnd {
    pub shard: ShardNo,
    pub usual: mpsc::Receiver<Call>,
    pub reserved: mpsc::Receiver<Call>,
    pub role: watch::Sender<SeatRole>,
    pub admission: Arc<Admission>,
    pub schemas: Arc<PayloadSchemas>,
    /// What the owner asks of the home of shared hosts.
    pub asks: mpsc::UnboundedSender<PermitAsk>,
}

/// Both sides of a new seat, and what its owners ask of the home of shared hosts.
pub(crate) fn seat(shard: ShardNo) -> (Seat, SeatEnd, mpsc::UnboundedReceiver<PermitAsk>) {
    let queue = limits::COMMANDS_QUEUED_MAX as usize;
    let (usual, usual_in) = mpsc::channel(queue);
    let (reserved, reserved_in) = mpsc::channel(queue);
    let (role_out, role) = watch::channel(SeatRole::Away);
    let (asks, asked) = mpsc::unbounded_channel();
    let (schemas, admission) = (Arc::<PayloadSchemas>::default(), Arc::<Admission>::default());
    let end = SeatEnd {
        shard,
        usual: usual_in,
        reserved: reserved_in,
        role: role_out,
        admission: Arc::clone(&admission),
        schemas: Arc::clone(&schemas),
        asks,
    };
    (Seat { usual, reserved, role, admission, schemas }, end, asked)
}

impl Seat {
    pub fn role(&self) -> SeatRole {
        *self.role.borrow()
    }

    /// Runs a command at the owner's task and returns its answer once that is committed; or the command, if the task
    /// did not take it in.
    pub async fn call(&self, mut command: Command) -> Result<Result<Answer, Command>, Error> {
        self.judge(&mut command)?;
        let (reply, replied) = oneshot::channel();
        let call = Call { command, reply };
        if reserved(&call.command) {
            self.reserved.send(call).await.map_err(|_| Error::Draining)?;
        } else {
            self.usual.try_send(call).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded { retry_after_ms: SHED_MS },
                mpsc::error::TrySendError::Closed(_) => Error::Draining,
            })?;
        }
        match replied.await {
            Ok(Reply::Answer(Answer::Refused(refusal))) => Err(Error::Refused(refusal)),
            Ok(Reply::Answer(answer)) => Ok(Ok(answer)),
            Ok(Reply::NotTaken(command)) => Ok(Err(command)),
            Ok(Reply::Shed) => Err(Error::Overloaded { retry_after_ms: SHED_MS }),
            Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// Reads the payload of each new job as its type wants it read, which only the owner's node knows: whether it fits
    /// the type's schema, and what its concurrency key is.
    fn judge(&self, command: &mut Command) -> Result<(), Error> {
        if self.schemas.is_empty() {
            return Ok(());
        }
        match command {
            Command::Enqueue { tenant, jobs, .. } => {
                let tenant = *tenant;
                jobs.iter_mut().for_each(|job| self.schemas.judge(tenant, job));
            }
            Command::FollowUps { token, jobs, .. } => {
                let tenant = token.tenant;
                jobs.iter_mut().for_each(|job| self.schemas.judge(tenant, job));
            }
            Command::Complete { completions, .. } => {
                for completion in completions {
                    let tenant = completion.token.tenant;
                    completion.follow_ups.iter_mut().for_each(|job| self.schemas.judge(tenant, job));
                }
            }
            Command::PutConfig { tenant, doc: ConfigDoc::Schedule(doc), .. } => {
                self.schemas.fits(*tenant, doc).map_err(Error::Refused)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Heartbeats, completions and what belongs to them keep their path when new work is shed.
pub(crate) fn reserved(command: &Command) -> bool {
    matches!(
        command,
        Command::Ack { .. }
            | Command::Heartbeat { .. }
            | Command::Complete { .. }
            | Command::Release { .. }
            | Command::CheckLease { .. }
            | Command::Cancel { .. }
            | Command::Reprioritize { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Throttle { .. }
            | Command::EndThrottle { .. }
            | Command::Prioritize { .. }
            | Command::EndPriority { .. }
            | Command::Upstream { .. }
            | Command::ResetBucket { .. }
            | Command::Permits(_)
            | Command::TakePermits(_)
            | Command::TripBreaker { .. }
            | Command::PutWatermark { .. }
            | Command::ResetBreaker { .. }
            | Command::Drain { .. }
    )
}
