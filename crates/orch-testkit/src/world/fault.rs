//! What breaks: processes die and stand still, the database restarts and its clock steps back.

use orch_core::time::Timestamp;
use rand::Rng;

use super::{Client, Event, Stepped, Worker, World};
use crate::model::CALM_MS;

impl World {
    pub(super) fn fault(&mut self) -> Stepped {
        if self.draining {
            return Ok(());
        }
        let pause = self.rng.random_range(1..self.profile.fault_ms * 2);
        self.after(pause, Event::Fault);
        let owner = self.nodes.iter().position(|node| node.owns());
        let any = self.rng.random_range(0..self.nodes.len());
        let victim = owner.filter(|_| self.rng.random_ratio(3, 4)).unwrap_or(any);
        match self.rng.random_range(0..11) {
            0..3 => {
                self.model.saw("fault: crash");
                self.crash(victim);
            }
            3..5 => {
                self.model.saw("fault: frozen within its lease");
                let until = self.t + self.rng.random_range(100..2_500);
                self.freeze(victim, until);
            }
            5..7 => {
                self.model.saw("fault: frozen beyond its lease");
                let until = self.t + self.rng.random_range(3_500..9_000);
                self.freeze(victim, until);
            }
            7 => {
                self.model.saw("fault: everybody stands still");
                let until = self.t + self.rng.random_range(300..20_000);
                (0..self.nodes.len()).for_each(|node| self.freeze(node, until));
            }
            8 => return self.home_fails_over(),
            9 => {
                self.model.saw("fault: the database's clock steps back");
                self.database_ahead -= self.rng.random_range(1..4_000);
            }
            _ => {
                self.model.saw("fault: the database restarts");
                for id in self.ledger.open() {
                    self.ledger.append_abort(id);
                }
            }
        }
        Ok(())
    }

    /// The latest time that anybody knows: an owner's may be ahead of the database's.
    fn latest_now(&self) -> Timestamp {
        let owners = self.nodes.iter().filter_map(|node| node.owner_now(self.t));
        owners.fold(self.database_now(), Timestamp::max)
    }

    fn freeze(&mut self, node: usize, until: i64) {
        // Whoever stands still hands out nothing.
        let thaws = Timestamp::from_millis(self.latest_now().millis() + until - self.t);
        self.model.waits.busy_until = self.model.waits.busy_until.max(thaws);
        self.nodes[node].freeze(until);
    }

    /// From now on nothing breaks, and one more capable worker lives.
    pub(super) fn begin_drain(&mut self) -> Stepped {
        self.draining = true;
        // What is under way already may take its time; what begins from now on is quick.
        self.model.waits.calm_from = Some(self.latest_now().plus_ms(self.profile.under_way_ms() + CALM_MS));
        let number = self.clients.len();
        let worker = Worker::capable(self, number);
        self.clients.push(Client::Worker(worker));
        self.after(1, Event::Turn(number));
        Ok(())
    }
}
