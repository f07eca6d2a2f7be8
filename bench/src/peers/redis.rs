//! A Redis of our own: on loopback, in a temporary folder, ended by its process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::peer::Flush;
use crate::{clock, process};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(10);
/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(20);

/// A running Redis. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Redis {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// Starts one as durable as told.
    pub(super) async fn start(program: &Path, flush: Flush) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("orch-redis").tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", flush.name(), "--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let mut redis = Self { server, port, _folder: folder };
        redis.wait_until_ready().await?;
        Ok(redis)
    }

    /// How to reach it.
    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// CPU seconds so far, those of its helpers too.
    pub(super) fn cpu(&self) -> Result<f64> {
        process::family_cpu(self.server.id())
    }

    /// Bytes that it has written to its files so far.
    pub(super) fn written_bytes(&self) -> Result<f64> {
        process::written_bytes(Some(self.server.id()))
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let began = clock::now();
        while !answers(self.port) {
            if let Some(status) = self.server.try_wait()? {
                bail!("Redis ended before it was ready: {status}");
            }
            if began.elapsed() > START_MAX {
                bail!("Redis was not ready within {} s", START_MAX.as_secs());
            }
            clock::pause(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Nothing in it is wanted any more; and what is gone already needs no end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(START_MAX))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}
