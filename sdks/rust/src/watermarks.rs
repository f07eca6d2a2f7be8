//! Calls about watermarks.

use crate::client::Client;
use crate::error::Error;
use crate::page::Page;
use crate::transport::{Call, segment};
use crate::watermark::{Axis, Watermark, WatermarkIn};

const PATH: &str = "/watermarks";

/// Calls about watermarks: how far sources have been read.
#[derive(Debug, Clone, Copy)]
pub struct Watermarks<'a>(pub(crate) &'a Client);

impl Watermarks<'_> {
    /// A page of them, by source and axis; of one source if it is named.
    ///
    /// # Errors
    /// Any.
    pub async fn list(&self, source: Option<&str>, cursor: Option<&str>) -> Result<Page<Watermark>, Error> {
        self.0.call(Call::get(PATH).maybe_query("source", source).maybe_query("cursor", cursor)).await
    }

    /// One of a source.
    ///
    /// # Errors
    /// Any; `not_found` when nobody ever moved it.
    pub async fn get(&self, source: &str, axis: &Axis) -> Result<Watermark, Error> {
        self.0.call(Call::get(path(source, axis))).await
    }

    /// Says how far a source counts as read, also back: makes it where no version is named, else replaces that one.
    ///
    /// # Errors
    /// Any; `version_conflict` or `version_required` when it has another version.
    pub async fn set(
        &self,
        source: &str,
        axis: &Axis,
        wanted: &WatermarkIn,
        version: Option<u64>,
    ) -> Result<Watermark, Error> {
        let call = Call::put(path(source, axis)).json(wanted)?;
        self.0.call(version.into_iter().fold(call, Call::if_match)).await
    }
}

fn path(source: &str, axis: &Axis) -> String {
    format!("{PATH}/{}/{}", segment(source), segment(axis.as_str()))
}
