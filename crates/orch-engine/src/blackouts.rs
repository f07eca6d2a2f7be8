//! When blackouts hold, worked out from what is declared: calendars are read here, and not at the shard's owner.

use orch_core::blackout::Blackout;
use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::ids::TenantNo;
use orch_core::time::Timestamp;
use orch_dispatch::answer::ConfigFound;
use orch_dispatch::blackout::{self, WindowFound};
use orch_dispatch::command::Read;
use orch_dispatch::{Answer, Command};

use crate::engine::{Engine, unexpected};
use crate::error::Error;

/// The next time at which work is held by no blackout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// When it begins; `None`: it was not found among the windows that are looked at.
    pub at: Option<Timestamp>,
    /// The blackouts that hold such work.
    pub blackouts: Vec<String>,
}

impl Engine {
    /// The document and the next windows of a blackout. `None`: there is none of that name.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering, and a calendar that cannot be read here.
    pub async fn blackout_windows(
        &self,
        tenant: TenantNo,
        name: String,
        from: Timestamp,
        count: usize,
    ) -> Result<Option<(Blackout, Vec<WindowFound>)>, Error> {
        let read = Read::Config { tenant, kind: ConfigKind::Blackout, name };
        match self.command(Command::Read(read)).await? {
            Answer::ConfigFound(Some(ConfigFound { doc: ConfigDoc::Blackout(doc), .. })) => {
                let windows = blackout::windows(&doc, from, count)?;
                Ok(Some((*doc, windows)))
            }
            Answer::ConfigFound(_) => Ok(None),
            answer => Err(unexpected(&answer)),
        }
    }

    /// When a time of this length begins in which work of this type and for this source is held by no blackout.
    ///
    /// # Errors
    /// Whatever keeps the engine from answering, and a calendar that cannot be read here.
    pub async fn next_quiet(
        &self,
        tenant: TenantNo,
        source: Option<&str>,
        job_type: Option<&str>,
        from: Timestamp,
        length_ms: u64,
    ) -> Result<Quiet, Error> {
        let mut host = None;
        if let Some(name) = source {
            let read = Read::Config { tenant, kind: ConfigKind::Source, name: name.to_owned() };
            host = match self.command(Command::Read(read)).await? {
                Answer::ConfigFound(Some(ConfigFound { doc: ConfigDoc::Source(doc), .. })) => doc.host,
                Answer::ConfigFound(_) => None,
                answer => return Err(unexpected(&answer)),
            };
        }
        let found = match self.command(Command::Read(Read::Configs { tenant, kind: ConfigKind::Blackout })).await? {
            Answer::Configs(found) => found,
            answer => return Err(unexpected(&answer)),
        };
        let all = found.into_iter().filter_map(|found| match found.doc {
            ConfigDoc::Blackout(doc) => Some(*doc),
            _ => None,
        });
        let theirs: Vec<_> = all.filter(|doc| doc.holds(job_type, source, host.as_deref())).collect();
        let at = blackout::quiet_from(&theirs, from, length_ms)?;
        Ok(Quiet { at, blackouts: theirs.into_iter().map(|doc| doc.name).collect() })
    }
}
