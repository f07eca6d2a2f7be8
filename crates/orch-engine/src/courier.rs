//! What shards ask of the home of the hosts that all tenants share, and its answers: a courier for each seat.
//!
//! An owner says anew what it wishes for whenever that changes; the call then takes the place of the one that waits at
//! the home, which is answered at once. So both are waited for: permits may be in either.

use std::sync::Weak;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use orch_core::ids::TenantNo;
use orch_dispatch::answer::Permits;
use orch_dispatch::command::PermitAsk;
use orch_dispatch::{Answer, Command};
use tokio::sync::mpsc;

use crate::clock::rest;
use crate::engine::{Engine, Inner};
use crate::seat::Seat;

/// How long the home is left alone after a call that it did not answer.
const AGAIN: Duration = Duration::from_millis(100);

/// A seat, and what its owners ask.
type Seated = (Seat, mpsc::UnboundedReceiver<PermitAsk>);

/// Serves every seat of a node, for as long as it has any.
pub(crate) async fn serve(engine: Weak<Inner>, mut seats: mpsc::UnboundedReceiver<Seated>) {
    let mut couriers = FuturesUnordered::new();
    loop {
        tokio::select! {
            seated = seats.recv() => match seated {
                Some((seat, asks)) => couriers.push(carry(engine.clone(), seat, asks)),
                None => return,
            },
            Some(()) = couriers.next() => {}
        }
    }
}

/// Carries what the owners of one seat ask to the home, and its answers back.
async fn carry(engine: Weak<Inner>, seat: Seat, mut asks: mpsc::UnboundedReceiver<PermitAsk>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(permits) = under_way.next() => {
                // The owner, if there still is one, uses them and asks anew. Without one they are lost.
                let _ = seat.call(Command::TakePermits(permits)).await;
            }
            asked = asks.recv() => {
                let Some(mut ask) = asked else { return };
                while let Ok(mut later) = asks.try_recv() {
                    later.said.splice(..0, ask.said);
                    ask = later;
                }
                under_way.push(ask_home(engine.clone(), ask));
            }
        }
    }
}

async fn ask_home(engine: Weak<Inner>, ask: PermitAsk) -> Permits {
    let nothing = Permits { of: (ask.epoch, ask.number), ..Permits::default() };
    let answered = match engine.upgrade() {
        Some(inner) => Engine { inner }.at(TenantNo::SYSTEM.shard(), Command::Permits(ask)).await,
        None => return nothing,
    };
    match answered {
        Ok(Answer::Permits(permits)) => permits,
        answered => {
            tracing::debug!(?answered, "the home of shared hosts did not answer");
            rest(AGAIN).await;
            nothing
        }
    }
}
