//! When schedules come, worked out from what is declared: timetables are read here, and not at the shard's owner.

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::TenantNo;
use orch_core::schedule::Schedule;
use orch_core::time::Timestamp;
use orch_dispatch::answer::ConfigFound;
use orch_dispatch::command::Read;
use orch_dispatch::schedule::{self, Instant};
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

impl Engine {
    /// The document and the next nominal instants of a schedule after a moment. `None`: there is none of that name.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering, and a timetable that cannot be read here.
    pub async fn schedule_next(
        &self,
        tenant: TenantNo,
        name: String,
        after: Timestamp,
        count: usize,
    ) -> Result<Option<(Schedule, Vec<Instant>)>, Error> {
        let read = Read::Config { tenant, kind: ConfigKind::Schedule, name };
        match self.command(Command::Read(read)).await? {
            Answer::ConfigFound(Some(ConfigFound { doc: ConfigDoc::Schedule(doc), .. })) => {
                let instants = schedule::next(&doc, after, count)?;
                Ok(Some((*doc, instants)))
            }
            Answer::ConfigFound(_) => Ok(None),
            answer => Err(unexpected(&answer)),
        }
    }
}
