//! A TCP proxy between a server and PostgreSQL that knows when an append is on its way.
//!
//! It reads the frontend's messages as far as needed: a prepared statement that writes `history` is an append, from
//! its Bind to the ReadyForQuery outside a transaction. An append can be held (its answer waits) or cut.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use xtask::clock::wait_for;

const SSL_REQUEST: u32 = 80_877_103;

/// What is done to the next append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Trick {
    /// Nothing.
    None = 0,
    /// It is sent; its answer waits for `release`.
    Hold = 1,
    /// It is sent and committed; the connection is cut in place of the answer.
    CutAfterCommit = 2,
    /// It is sent; the connection is cut at once.
    CutAfterSend = 3,
}

impl Trick {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Hold,
            2 => Self::CutAfterCommit,
            3 => Self::CutAfterSend,
            _ => Self::None,
        }
    }
}

#[derive(Debug, Default)]
struct Control {
    armed: AtomicU8,
    held: AtomicUsize,
    cuts: AtomicUsize,
    release: Notify,
}

/// A running proxy; its tasks end with the runtime.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    control: Arc<Control>,
}

impl Proxy {
    /// Listens on a free port of loopback and leads to `target`.
    ///
    /// # Errors
    /// There is no port.
    pub fn start(runtime: &Handle, target: u16) -> Result<Self> {
        let control = Arc::new(Control::default());
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port for the proxy")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::clone(&control);
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((client, _)) = listener.accept().await {
                let control = Arc::clone(&shared);
                // A connection's failure is its own end, which both sides see.
                tokio::spawn(async move { drop(connection(client, target, control).await) });
            }
        });
        Ok(Self { port, control })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next append meets this.
    pub fn arm(&self, trick: Trick) {
        self.control.armed.store(trick as u8, Ordering::SeqCst);
    }

    /// Waits until an append is held; disarms when none comes.
    #[must_use]
    pub fn wait_held(&self, limit: Duration) -> bool {
        let held = wait_for(limit, || (self.control.held.load(Ordering::SeqCst) > 0).then_some(())).is_some();
        if !held {
            self.arm(Trick::None);
        }
        held
    }

    /// Waits until a connection was cut.
    #[must_use]
    pub fn wait_cut(&self, before: usize, limit: Duration) -> bool {
        let cut = wait_for(limit, || (self.cuts() > before).then_some(())).is_some();
        if !cut {
            self.arm(Trick::None);
        }
        cut
    }

    /// Connections cut so far.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.control.cuts.load(Ordering::SeqCst)
    }

    /// Lets held answers go.
    pub fn release(&self) {
        self.arm(Trick::None);
        self.control.release.notify_waiters();
    }
}

/// What both directions of a connection know.
#[derive(Debug, Default)]
struct Append {
    open: bool,
    trick: Option<Trick>,
}

type Shared = Arc<Mutex<Append>>;

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Append> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connection(mut client: TcpStream, target: u16, control: Arc<Control>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut start = start_packet(&mut client).await?;
    if start.get(4..8) == Some(&SSL_REQUEST.to_be_bytes()[..]) {
        client.write_all(b"N").await?;
        start = start_packet(&mut client).await?;
    }
    let mut server = TcpStream::connect(("127.0.0.1", target)).await?;
    server.set_nodelay(true)?;
    server.write_all(&start).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let shared = Shared::default();
    let up = upward(from_client, to_server, Arc::clone(&shared), Arc::clone(&control));
    let down = downward(from_server, to_client, shared, control);
    // Either direction's end drops both, which closes the sockets.
    tokio::select! { ended = up => ended, ended = down => ended }
}

async fn start_packet(client: &mut TcpStream) -> Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    client.read_exact(&mut packet).await?;
    let length = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) as usize;
    packet.resize(length.clamp(8, 1 << 16), 0);
    client.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// A whole message: type, length, body.
async fn message(from: &mut OwnedReadHalf) -> Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(length + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// The `index`th zero-ended text of a message's body.
fn text(message: &[u8], index: usize) -> Option<&[u8]> {
    message[5..].split(|byte| *byte == 0).nth(index)
}

async fn upward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: Shared, control: Arc<Control>) -> Result<()> {
    let mut appends: HashSet<Vec<u8>> = HashSet::new();
    loop {
        let message = message(&mut from).await?;
        match message[0] {
            b'P' => {
                let query = text(&message, 1).unwrap_or_default();
                if query.windows(12).any(|window| window == b"INTO history") {
                    appends.insert(text(&message, 0).unwrap_or_default().to_vec());
                }
            }
            b'B' if appends.contains(text(&message, 1).unwrap_or_default()) => {
                let trick = Trick::from_number(control.armed.swap(0, Ordering::SeqCst));
                let mut append = lock(&shared);
                append.open = true;
                append.trick = (trick != Trick::None).then_some(trick);
            }
            _ => {}
        }
        let cut = message[0] == b'S' && {
            let append = lock(&shared);
            append.open && append.trick == Some(Trick::CutAfterSend)
        };
        let held = message[0] == b'S' && {
            let append = lock(&shared);
            append.open && append.trick == Some(Trick::Hold)
        };
        to.write_all(&message).await?;
        if held {
            control.held.store(1, Ordering::SeqCst);
        }
        if cut {
            control.cuts.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
    }
}

async fn downward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: Shared,
    control: Arc<Control>,
) -> Result<()> {
    loop {
        let message = message(&mut from).await?;
        let trick = lock(&shared).trick;
        let over = message[0] == b'Z' && message.get(5) == Some(&b'I');
        match trick {
            Some(Trick::Hold) => {
                let released = control.release.notified();
                // A driver that forgets us must not stop the run.
                let _ = tokio::time::timeout(Duration::from_secs(5), released).await;
                control.held.store(0, Ordering::SeqCst);
                lock(&shared).trick = None;
            }
            Some(Trick::CutAfterCommit) => {
                if over {
                    control.cuts.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                continue;
            }
            _ => {}
        }
        to.write_all(&message).await?;
        if over {
            lock(&shared).open = false;
        }
    }
}
