//! The deletion of a tenant: the mark, and the way back while the waiting period lasts.
//!
//! A marked tenant takes nothing new and hands nothing out; what is handed out goes on and may be reported, and
//! everything can be read. Erasing its rows is not decided here.

use orch_core::fact::Fact;
use orch_core::ids::TenantNo;
use orch_core::limits;
use orch_core::refusal::{Code, Refusal};

use crate::answer::Answer;
use crate::command::Actor;
use crate::decide::Desk;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

impl Desk<'_> {
    /// Refuses what is new while the tenant is marked.
    pub fn takes_new(&self) -> Result<(), Refusal> {
        if self.tenant.erase_at.is_none() {
            return Ok(());
        }
        let detail = "the tenant is marked for deletion: it takes nothing new unless it is restored";
        Err(Refusal::new(Code::TenantDeleting, detail))
    }

    /// The command `MarkTenant`. A mark that is there stays as it is.
    pub fn mark_tenant(&mut self, actor: Actor) -> Answer {
        if self.tenant.no == TenantNo::SYSTEM {
            return Answer::Refused(Refusal::new(Code::StateConflict, "the platform's own tenant is never deleted"));
        }
        if self.tenant.erase_at.is_none() {
            let erase_at = self.at.now.plus_ms(limits::TENANT_RESTORE_DAYS * DAY_MS);
            self.emit(Fact::TenantMarked { by: actor.by, erase_at });
        }
        Answer::Done
    }

    /// The command `RestoreTenant`. Restoring what is not marked changes nothing.
    pub fn restore_tenant(&mut self, actor: Actor) -> Answer {
        let Some(erase_at) = self.tenant.erase_at else { return Answer::Done };
        if erase_at <= self.at.now {
            let detail = format!("the tenant could be restored until {erase_at}");
            return Answer::Refused(Refusal::new(Code::StateConflict, detail));
        }
        self.emit(Fact::TenantRestored { by: actor.by });
        Answer::Done
    }
}

#[cfg(test)]
mod tests;
