//! Pages of lists.

use serde::{Deserialize, Serialize};

/// One page. It may be short, even empty, while there is a next one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
    /// Where the next page begins; `None`: this was the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// A whole list in one answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Items<T> {
    /// The items.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}
