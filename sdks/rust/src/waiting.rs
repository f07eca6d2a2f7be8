//! Waiting for something to end, by looking at it more and more seldom.

use std::time::Duration;

use crate::clock;
use crate::error::Error;

/// The first pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What waiting came to.
pub enum Waited<T> {
    /// It has ended.
    Ended(T),
    /// The time was up; what was seen last, if anything was.
    Late(Option<T>),
}

/// Looks until what is seen has ended, or the time is up. Errors end it at once, except while the server cannot be
/// reached.
pub async fn until_ended<T, F: Future<Output = Result<T, Error>>>(
    timeout: Duration,
    look: impl Fn() -> F,
    has_ended: impl Fn(&T) -> bool,
) -> Result<Waited<T>, Error> {
    let until = clock::now() + timeout;
    let mut pause = PAUSE;
    let mut last = None;
    loop {
        match look().await {
            Ok(seen) if has_ended(&seen) => return Ok(Waited::Ended(seen)),
            Ok(seen) => last = Some(seen),
            Err(error) if error.is_retryable() && clock::now() < until => {}
            Err(error) => return Err(error),
        }
        let now = clock::now();
        if now >= until {
            return Ok(Waited::Late(last));
        }
        clock::pause(pause.min(until - now)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
