//! How far long work is, on standard error and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// How far long work is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many steps. Nothing is drawn where standard error is no terminal.
    pub fn new(steps: usize, what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} eta {eta}");
        // The template is ours; without it the bar has its usual look.
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(steps as u64).with_style(style).with_message(what))
    }

    /// So many steps more are done.
    pub fn advance(&self, steps: usize) {
        self.0.inc(steps as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
