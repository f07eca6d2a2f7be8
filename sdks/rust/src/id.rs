//! Ids of jobs, runs and backfills, as text: `job_`, `run_` or `bkf_` and 32 hexadecimal digits. Other ids are opaque texts here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::clock;

/// The text is no such id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind} id: expected `{kind}_` followed by 32 hexadecimal digits")]
pub struct IdError {
    text: String,
    kind: &'static str,
}

/// Makes an id of its kind.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// An id from a UUID.
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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix(concat!($kind, "_")).filter(|digits| digits.len() == 32);
                let uuid = digits.and_then(|digits| Uuid::try_parse(digits).ok());
                uuid.map(Self).ok_or_else(|| IdError { text: text.to_owned(), kind: $kind })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A job's id. One made here can be sent with the job, so that other jobs of the same call can depend on it.
    JobId = "job";
    /// A run's id.
    RunId = "run";
    /// A backfill's id.
    BackfillId = "bkf";
}

impl JobId {
    /// A new id (UUIDv7).
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that differs at each call would surprise")]
    pub fn new() -> Self {
        Self(clock::uuid())
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
        let run = RunId::from_uuid(id.uuid());
        assert_eq!(run.to_string().parse(), Ok(run));
        let error = id.to_string().parse::<RunId>().unwrap_err().to_string();
        assert_eq!(error, format!("`{id}` is no run id: expected `run_` followed by 32 hexadecimal digits"));
    }
}
