//! Walks a JSON value and names the field at fault.
//! It knows no feed.

use serde_json::Value;

use super::{DocumentCode, Fault, non_empty};
use crate::timestamp;

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    at: String,
}

impl<'a> Node<'a> {
    /// The whole document, which must be an object.
    pub(super) fn root(value: &'a Value) -> Result<Node<'a>, Fault> {
        let node = Node { value, at: String::new() };
        node.object()?;
        Ok(node)
    }

    /// The object under `name`.
    pub(super) fn child(&self, name: &str) -> Result<Node<'a>, Fault> {
        self.opt_child(name)?.ok_or_else(|| self.missing(name))
    }

    /// The object under `name`, if there is one.
    pub(super) fn opt_child(&self, name: &str) -> Result<Option<Node<'a>>, Fault> {
        let Some(child) = self.get(name) else { return Ok(None) };
        child.object()?;
        Ok(Some(child))
    }

    /// The objects of the list under `name`; none if it is absent.
    pub(super) fn children(&self, name: &str) -> Result<Vec<Node<'a>>, Fault> {
        let items = self.items(name)?;
        for item in &items {
            item.object()?;
        }
        Ok(items)
    }

    /// The objects of the list under `name`, which must be there.
    pub(super) fn needed_children(&self, name: &str) -> Result<Vec<Node<'a>>, Fault> {
        if self.get(name).is_none() {
            return Err(self.missing(name));
        }
        self.children(name)
    }

    /// The texts of the list under `name`; none if it is absent.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        self.items(name)?.iter().map(Node::as_text).collect()
    }

    /// The texts of the list under `name`, which must be there.
    pub(super) fn needed_texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        if self.get(name).is_none() {
            return Err(self.missing(name));
        }
        self.texts(name)
    }

    /// The text under `name`.
    pub(super) fn text(&self, name: &str) -> Result<String, Fault> {
        self.opt_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// The text under `name`, if there is one.
    pub(super) fn opt_text(&self, name: &str) -> Result<Option<String>, Fault> {
        self.get(name).map(|node| node.as_text()).transpose()
    }

    /// The id under `name`: a text that is not blank.
    pub(super) fn id(&self, name: &str) -> Result<String, Fault> {
        let id = self.opt_text(name)?.and_then(|text| non_empty(&text));
        id.ok_or_else(|| Fault::field(DocumentCode::MissingId, self.place(name), "no id"))
    }

    /// The time under `name` in its normal form.
    pub(super) fn time(&self, name: &str) -> Result<String, Fault> {
        self.opt_time(name)?.ok_or_else(|| self.missing(name))
    }

    /// The time under `name` in its normal form, if there is one.
    pub(super) fn opt_time(&self, name: &str) -> Result<Option<String>, Fault> {
        let Some(text) = self.opt_text(name)? else { return Ok(None) };
        let normal = timestamp::normalise(&text);
        normal.map(Some).ok_or_else(|| self.fault(name, format!("`{text}` is neither a date nor a time")))
    }

    /// The number under `name`, if there is one.
    pub(super) fn opt_count(&self, name: &str) -> Result<Option<u64>, Fault> {
        let Some(node) = self.get(name) else { return Ok(None) };
        node.value.as_u64().map(Some).ok_or_else(|| self.fault(name, "not a count"))
    }

    /// Names and values of an object under `name`; none if it is absent.
    pub(super) fn names(&self, name: &str) -> Result<Vec<String>, Fault> {
        let Some(child) = self.opt_child(name)? else { return Ok(Vec::new()) };
        Ok(child.object()?.keys().cloned().collect())
    }

    /// A fault of the field `name` against the schema.
    pub(super) fn fault(&self, name: &str, detail: impl Into<String>) -> Fault {
        Fault::field(DocumentCode::BadSchema, self.place(name), detail)
    }

    fn get(&self, name: &str) -> Option<Node<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Node { value, at: self.place(name) })
    }

    fn items(&self, name: &str) -> Result<Vec<Node<'a>>, Fault> {
        let Some(node) = self.get(name) else { return Ok(Vec::new()) };
        let list = node.value.as_array().ok_or_else(|| self.fault(name, "not a list"))?;
        let item = |(index, value)| Node { value, at: format!("{}[{index}]", node.at) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    fn as_text(&self) -> Result<String, Fault> {
        let text = self.value.as_str().map(str::to_owned);
        text.ok_or_else(|| Fault::field(DocumentCode::BadSchema, self.at.clone(), "not a text"))
    }

    fn object(&self) -> Result<&'a serde_json::Map<String, Value>, Fault> {
        self.value.as_object().ok_or_else(|| {
            let at = if self.at.is_empty() { "the document" } else { &self.at };
            Fault::field(DocumentCode::BadSchema, at, "not an object")
        })
    }

    fn missing(&self, name: &str) -> Fault {
        self.fault(name, "missing")
    }

    fn place(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }
}
