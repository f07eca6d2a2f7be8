//! Typed ids: UUIDs that carry a prefix on the wire (`job_0198…`), and the small numbers used inside a ledger.
//!
//! Nothing here makes an id from a clock or from chance: `v7` takes both as arguments.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::time::Timestamp;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}_` followed by 32 hexadecimal digits")]
pub struct IdError {
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

/// A UUIDv7 (RFC 9562) from a time and 74 bits of chance, both given.
#[must_use]
pub fn v7(at: Timestamp, chance: u128) -> Uuid {
    let mut bytes = chance.to_be_bytes();
    let ms = u64::try_from(at.millis()).unwrap_or(0).to_be_bytes();
    bytes[..6].copy_from_slice(&ms[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What stands before the underscore on the wire.
            pub const PREFIX: &'static str = $prefix;

            /// An id from a time and chance, both given (UUIDv7).
            #[must_use]
            pub fn v7(at: Timestamp, chance: u128) -> Self {
                Self(v7(at, chance))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
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
                let error = IdError { prefix: $prefix };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or_else(|| error.clone())?;
                let well_formed = digits.len() == 32
                    && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if !well_formed {
                    return Err(error);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| error)
            }
        }

        // Text for people and JSON, 16 bytes in binary formats (snapshots).
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.as_u128().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    u128::deserialize(deserializer).map(|n| Self(Uuid::from_u128(n)))
                }
            }
        }
    };
}

id!(
    /// One job.
    JobId, "job"
);
id!(
    /// One execution of a graph of jobs.
    RunId, "run"
);
id!(
    /// One backfill.
    BackfillId, "bkf"
);
id!(
    /// One boot of one worker process.
    SessionId, "wks"
);
id!(
    /// The isolation boundary.
    TenantId, "ten"
);
id!(
    /// A grouping inside a tenant.
    ProjectId, "prj"
);
id!(
    /// An API token (never its secret).
    TokenId, "tok"
);
id!(
    /// A node: one process that may own shards.
    NodeId, "nod"
);
id!(
    /// One claim call of a worker; the same id returns the same grants.
    ClaimId, "clm"
);
id!(
    /// A random name of the ledger's life; changes on restore.
    Incarnation, "inc"
);

/// The small number that stands for a tenant inside one ledger; given once, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantNo(pub u32);

impl TenantNo {
    /// The tenant `system`, which holds what belongs to the whole platform. It lives on shard 0.
    pub const SYSTEM: Self = Self(1);

    /// Where the tenant lives: a tenant's number is given by its shard, from a range of the shard's own, so that
    /// whoever knows the number knows the shard.
    #[must_use]
    pub const fn shard(self) -> ShardNo {
        // At most 2,047: the largest number a tenant can have in the ledger is 2^31 - 1.
        ShardNo((self.0 >> ShardNo::TENANT_BITS) as u16)
    }
}

impl SessionId {
    /// The id of a worker's boot: the tenant's number, then a hash of worker and boot (a UUID of version 8). The same boot
    /// announces the same session.
    #[must_use]
    pub fn of(tenant: TenantNo, worker: &str, boot: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((worker.len() as u64).to_be_bytes());
        hash.update(worker.as_bytes());
        hash.update(boot.as_bytes());
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&tenant.0.to_be_bytes());
        bytes[4..].copy_from_slice(&hash.finalize()[..12]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The tenant of the token that announced the session; it stands in the first four bytes.
    #[must_use]
    pub fn tenant(self) -> TenantNo {
        let [a, b, c, d, ..] = *self.0.as_bytes();
        TenantNo(u32::from_be_bytes([a, b, c, d]))
    }
}

/// A sequence of facts: a tenant's, or the shard's own (the arbiter's choices).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stream(pub u32);

impl Stream {
    /// The arbiter's stream of a shard; in no tenant's bundle.
    pub const ARBITER: Self = Self(0);

    /// The tenant whose stream this is, if it is one's.
    #[must_use]
    pub fn tenant(self) -> Option<TenantNo> {
        (self != Self::ARBITER).then_some(TenantNo(self.0))
    }
}

impl From<TenantNo> for Stream {
    fn from(tenant: TenantNo) -> Self {
        Self(tenant.0)
    }
}

/// The number of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardNo(pub u16);

impl ShardNo {
    /// Bits of a tenant's number that count tenants inside a shard; those above are the shard's number.
    pub const TENANT_BITS: u32 = 20;

    /// Shards that a ledger can have.
    pub const MAX: u16 = 1 << (31 - Self::TENANT_BITS);

    /// The first number that a tenant of this shard can have.
    #[must_use]
    pub fn first_tenant(self) -> TenantNo {
        // 0 is no tenant: it names the arbiter's stream.
        TenantNo((u32::from(self.0) << Self::TENANT_BITS) + 1)
    }
}

/// The number of a lane inside its tenant; given at the lane's first job, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneNo(pub u32);

impl LaneNo {
    /// The number that names this lane in the ledger: the tenant's in the upper half.
    #[must_use]
    pub fn in_ledger(self, tenant: TenantNo) -> i64 {
        (i64::from(tenant.0) << 32) | i64::from(self.0)
    }
}

/// The number of a step: its place in the list of its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepNo(pub u32);

impl StepNo {
    /// The step at this place; graphs have at most `GRAPH_STEPS_MAX`.
    #[must_use]
    pub fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Its place in lists that have an entry for each step.
    #[must_use]
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests;
