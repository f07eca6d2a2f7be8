//! Cursors: opaque texts that say where a page begins, bound to the ledger's life, the tenant and the filter.
//! They grant nothing: whatever a forged one says, only the caller's own tenant is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orch_core::ids::Incarnation;
use orch_core::{Code, JobId, TenantNo, Timestamp, TokenId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::Problem;

/// The form of what follows; another form is refused.
const FORM: u8 = 1;
const TAG_BYTES: usize = 16;

/// A place in a list.
pub trait Position: Sized {
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads all of the bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// One list as one caller sees it: what its cursors are bound to.
#[derive(Debug)]
pub struct List {
    tag: [u8; TAG_BYTES],
}

impl List {
    /// `filter` is all that chooses among the list's items, parts in a fixed order.
    pub fn new(name: &str, incarnation: Incarnation, tenant: TenantNo, filter: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(incarnation.0.as_bytes());
        hash.update(tenant.0.to_be_bytes());
        for part in std::iter::once(&name).chain(filter) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash.finalize()[..TAG_BYTES]);
        Self { tag }
    }

    /// The cursor of a place.
    pub fn close(&self, position: &impl Position) -> String {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.tag);
        position.write(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of a cursor, if it is one of this list.
    pub fn open<P: Position>(&self, text: &str) -> Result<P, Problem> {
        let refused = || Problem::field(Code::InvalidCursor, "cursor", "the cursor is not one of this list and filter");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let position = bytes.strip_prefix(&[FORM]).and_then(|rest| rest.strip_prefix(&self.tag)).and_then(P::read);
        position.ok_or_else(refused)
    }
}

impl Position for JobId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl Position for TokenId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl Position for (Timestamp, JobId) {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.millis().to_be_bytes());
        self.1.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (ms, job) = bytes.split_first_chunk()?;
        Some((Timestamp::from_millis(i64::from_be_bytes(*ms)), JobId::read(job)?))
    }
}

impl Position for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Position for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(incarnation: u128, tenant: u32, filter: &[&str]) -> List {
        List::new("jobs", Incarnation(Uuid::from_u128(incarnation)), TenantNo(tenant), filter)
    }

    #[test]
    fn a_cursor_opens_only_the_list_that_it_was_made_for() {
        let at = (Timestamp::from_millis(7), JobId(Uuid::from_u128(9)));
        let text = list(1, 2, &["a", "b"]).close(&at);
        assert_eq!(list(1, 2, &["a", "b"]).open::<(Timestamp, JobId)>(&text).ok(), Some(at));
        let others = [list(3, 2, &["a", "b"]), list(1, 3, &["a", "b"]), list(1, 2, &["ab", ""]), list(1, 2, &["a"])];
        for other in others {
            assert!(other.open::<(Timestamp, JobId)>(&text).is_err());
        }
        assert!(list(1, 2, &["a", "b"]).open::<JobId>(&text).is_err());
        for bad in ["", "x", "!!!", &text[1..], &text[..text.len() - 2], &format!("{text}AA")] {
            assert!(list(1, 2, &["a", "b"]).open::<(Timestamp, JobId)>(bad).is_err(), "{bad}");
        }
    }
}
