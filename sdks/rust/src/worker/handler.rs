//! Handlers of any payload type behind one face.

use std::future::Future;
use std::marker::PhantomData;

use futures::future::{BoxFuture, FutureExt as _};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::worker::context::JobContext;
use crate::worker::done::Done;
use crate::worker::handler_error::HandlerError;

/// What a handler comes to.
pub type Outcome = Result<Done, HandlerError>;

/// A handler of one job type.
pub trait Handler: Send + Sync {
    /// Begins to handle a job.
    fn call(&self, context: JobContext, payload: &RawValue) -> BoxFuture<'static, Outcome>;
}

/// A handler that reads its payload as `P`.
pub struct Typed<P, F> {
    handler: F,
    payload: PhantomData<fn() -> P>,
}

impl<P, F> Typed<P, F> {
    /// Around a function.
    pub fn new(handler: F) -> Self {
        Self { handler, payload: PhantomData }
    }
}

impl<P, F, R> Handler for Typed<P, F>
where
    P: DeserializeOwned + Send + 'static,
    F: Fn(JobContext, P) -> R + Send + Sync,
    R: Future<Output = Outcome> + Send + 'static,
{
    fn call(&self, context: JobContext, payload: &RawValue) -> BoxFuture<'static, Outcome> {
        match serde_json::from_str(payload.get()) {
            Ok(payload) => (self.handler)(context, payload).boxed(),
            Err(error) => {
                let message = format!("the payload is not what the handler reads: {error}");
                std::future::ready(Err(HandlerError::permanent("invalid_payload", message))).boxed()
            }
        }
    }
}
