//! What handlers share: the engine, the tokens looked up of late, and whether the server is draining.

use std::sync::Arc;

use orch_engine::Engine;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::Tokens;
use crate::peers::NodeSecret;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    engine: Engine,
    tokens: Tokens,
    draining: CancellationToken,
    uploads: Semaphore,
    node_secret: Option<NodeSecret>,
}

/// Artifacts held in memory at the same time, up or down.
const UPLOADS_MAX: usize = 4;

impl AppState {
    /// Over an engine that was started; other nodes cannot call it.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::of(engine, None)
    }

    /// Over an engine that was started; nodes that know the secret can call it.
    #[must_use]
    pub fn with_peers(engine: Engine, secret: NodeSecret) -> Self {
        Self::of(engine, Some(secret))
    }

    fn of(engine: Engine, node_secret: Option<NodeSecret>) -> Self {
        Self(Arc::new(Inner {
            engine,
            tokens: Tokens::default(),
            draining: CancellationToken::new(),
            uploads: Semaphore::new(UPLOADS_MAX),
            node_secret,
        }))
    }

    pub(crate) fn node_secret(&self) -> Option<NodeSecret> {
        self.0.node_secret.clone()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Room for artifacts in memory.
    pub(crate) fn uploads(&self) -> &Semaphore {
        &self.0.uploads
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Health says `draining` from here on.
    pub(crate) fn drain(&self) {
        self.0.draining.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}
