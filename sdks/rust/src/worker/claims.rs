//! Claims: how many at a time, for how much, and each until it is answered, under one claim id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};

use crate::clock;
use crate::error::Error;
use crate::transport::Call;
use crate::worker::attempt::Attempt;
use crate::worker::done::ms;
use crate::worker::session::{Known, back_off, is_final, is_unknown_session};
use crate::worker::shared::Shared;
use crate::worker::wire::{ClaimIn, ClaimOut, Lease};

/// Claims in flight while the server has more work than one claim brings.
const CLAIMS_MAX: usize = 4;
/// A call may take so much longer than it is parked.
const MARGIN: Duration = Duration::from_secs(10);
/// How long the last look at a claim may take during shutdown.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// Reports that may wait for an answer beyond the capacity before claiming pauses.
const UNREPORTED_MAX: usize = 1_000;

/// What a claim came to.
struct Claimed {
    asked: usize,
    leases: Result<Vec<Lease>, Error>,
}

/// Claims until the worker stops, then settles the claims in flight. An error is one that waiting cannot mend.
pub async fn run(shared: Arc<Shared>) -> Result<(), Error> {
    let mut claims = FuturesUnordered::new();
    let mut hungry = false;
    let mut failure = None;
    loop {
        if shared.stopping.is_raised() || failure.is_some() {
            shared.stopping.raise();
            break;
        }
        while let Some(asked) = ask(&shared, claims.len(), hungry) {
            claims.push(claim(&shared, asked));
        }
        tokio::select! {
            Some(claimed) = claims.next(), if !claims.is_empty() => {
                hungry = matches!(&claimed.leases, Ok(leases) if leases.len() == claimed.asked);
                failure = admit(&shared, claimed, true).err();
            }
            () = shared.slots.freed.notified() => {}
            () = shared.stopping.raised() => {}
        }
    }
    while let Some(claimed) = claims.next().await {
        if let Err(error) = admit(&shared, claimed, false) {
            failure.get_or_insert(error);
        }
    }
    failure.map_or(Ok(()), Err)
}

/// How many leases the next claim asks for; `None`: no claim now.
fn ask(shared: &Shared, in_flight: usize, hungry: bool) -> Option<usize> {
    let most = shared.options.claim_batch;
    let held_up = shared.unreported.load(Ordering::Relaxed) >= shared.options.capacity + UNREPORTED_MAX;
    if held_up || shared.server_drains.load(Ordering::Relaxed) {
        return None;
    }
    // A further claim beside one in flight is worth its while only for much, and where there is much.
    let least = match in_flight {
        0 => 1,
        1..CLAIMS_MAX if hungry => most.div_ceil(2),
        _ => return None,
    };
    Some(shared.slots.ask(least, most)).filter(|asked| *asked > 0)
}

/// Takes leases in, and begins those for which there is a place.
fn admit(shared: &Arc<Shared>, claimed: Claimed, begin: bool) -> Result<(), Error> {
    let (leases, outcome) = match claimed.leases {
        Ok(leases) => (leases, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    let (attempts, payloads): (Vec<_>, Vec<_>) = leases.into_iter().map(Attempt::new).unzip();
    let count = attempts.len();
    let fresh = shared.leases.insert(attempts.iter().map(Arc::clone));
    let waiting = if fresh.len() == count {
        attempts.into_iter().zip(payloads).collect()
    } else {
        // The server repeated a grant that we have: it goes on as it is.
        let is_fresh = |attempt: &Arc<Attempt>| fresh.iter().any(|other| Arc::ptr_eq(attempt, other));
        attempts.into_iter().zip(payloads).filter(|(attempt, _)| is_fresh(attempt)).collect()
    };
    if begin {
        for first in shared.slots.answered(claimed.asked, waiting) {
            tokio::spawn(Arc::clone(shared).occupy(first));
        }
    } else {
        shared.slots.answered_late(claimed.asked, waiting);
    }
    outcome
}

/// One claim, repeated with the same id until it is answered: a lost answer loses no grant.
async fn claim(shared: &Shared, asked: usize) -> Claimed {
    let claim_id = format!("clm_{}", clock::uuid().simple());
    let mut failures = 0;
    let leases = loop {
        let known = shared.session.known();
        let wait = shared.options.claim_wait;
        let answer = tokio::select! {
            biased;
            answer = claim_once(shared, &known, &claim_id, asked, wait) => answer,
            () = shared.stopping.raised() => break last_look(shared, &known, &claim_id, asked).await,
        };
        match answer {
            Ok(leases) => break Ok(leases),
            Err(error) if is_unknown_session(&error) => {
                if let Err(error) = shared.session.announce(&shared.loop_client, &known).await {
                    break Err(error);
                }
            }
            Err(error) if is_final(&error) => break Err(error),
            Err(error) => tokio::select! {
                () = back_off("claim", &error, &mut failures) => {}
                () = shared.stopping.raised() => break last_look(shared, &known, &claim_id, asked).await,
            },
        }
    };
    Claimed { asked, leases }
}

async fn claim_once(
    shared: &Shared,
    known: &Known,
    claim_id: &str,
    max: usize,
    wait: Duration,
) -> Result<Vec<Lease>, Error> {
    let body = ClaimIn { session: &known.id, claim_id, max, wait_ms: ms(wait), auto_ack: true };
    let call = Call::post("/worker/claim").json(&body)?.repeatable().timeout(wait + MARGIN);
    let answer: ClaimOut = shared.loop_client.call_once(call).await?;
    if answer.session == "drain" {
        shared.server_drains.store(true, Ordering::Relaxed);
    }
    Ok(answer.leases)
}

/// During shutdown: what the claim was granted while nobody listened, so that it can be given back at once.
async fn last_look(shared: &Shared, known: &Known, claim_id: &str, max: usize) -> Result<Vec<Lease>, Error> {
    let look = claim_once(shared, known, claim_id, max, Duration::ZERO);
    match tokio::time::timeout(LAST_LOOK, look).await {
        Ok(Ok(leases)) => Ok(leases),
        // What was granted is given back by the server when no heartbeat names it.
        Ok(Err(_)) | Err(_) => Ok(Vec::new()),
    }
}
