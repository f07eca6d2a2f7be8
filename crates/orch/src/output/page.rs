//! Lists that come in pages, read until they end or there are enough.

use orch_client::{Error, Page};

/// Items of a page that are asked for.
const PAGE: usize = 200;

/// What was read of a list.
#[derive(Debug)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// There are more.
    pub more: bool,
}

impl<T> From<Vec<T>> for Listing<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, more: false }
    }
}

/// The whole list.
pub async fn all<T>(mut page: impl AsyncFnMut(Option<String>) -> Result<Page<T>, Error>) -> Result<Listing<T>, Error> {
    some(usize::MAX, async |_, cursor| page(cursor).await).await
}

/// At most `limit` items; `page` is told how many to ask for, and where to begin.
pub async fn some<T>(
    limit: usize,
    mut page: impl AsyncFnMut(u32, Option<String>) -> Result<Page<T>, Error>,
) -> Result<Listing<T>, Error> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let wanted = u32::try_from((limit - items.len()).min(PAGE)).expect("a page is small because it has a maximum");
        let read = page(wanted, cursor).await?;
        items.extend(read.items);
        cursor = read.next_cursor;
        if cursor.is_none() || items.len() >= limit {
            let more = cursor.is_some() || items.len() > limit;
            items.truncate(limit);
            return Ok(Listing { items, more });
        }
    }
}
