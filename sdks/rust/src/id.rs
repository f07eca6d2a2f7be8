//! The id of a job, as text `job_` and 32 hexadecimal digits. Other ids are opaque texts here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::clock;

/// A job's id. One made here can be sent with the job, so that other jobs of the same call can depend on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Uuid);

/// The text is no job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no job id: expected `job_` followed by 32 hexadecimal digits")]
pub struct IdError(String);

impl JobId {
    /// A new id (UUIDv7).
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that differs at each call would surprise")]
    pub fn new() -> Self {
        Self(clock::uuid())
    }

    /// An id from a UUID of the caller's making.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job_{}", self.0.simple())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("job_").filter(|digits| digits.len() == 32);
        let uuid = digits.and_then(|digits| Uuid::try_parse(digits).ok());
        uuid.map(Self).ok_or_else(|| IdError(text.to_owned()))
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_nothing_else_is_one() {
        let id = JobId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "job_", "job_12", "run_0198f2f0a1b27c3d8e4f5a6b7c8d9e0f", "0198f2f0a1b27c3d8e4f5a6b7c8d9e0f"] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }
}
