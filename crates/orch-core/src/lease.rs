//! The fencing token: names incarnation, shard, epoch and attempt of one hand-out of one job.
//!
//! It is compared for equality with the lease, never with the owner's epoch: a lease outlives its grantor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{Incarnation, JobId, ShardNo, TenantNo};

/// The right to report on one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The ledger's life.
    pub incarnation: Incarnation,
    /// The shard that granted it; reports are routed by it.
    pub shard: ShardNo,
    /// The owner's epoch at the grant.
    pub epoch: u64,
    /// The tenant.
    pub tenant: TenantNo,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lse_{}.{}.{}.{}.{}.{}",
            self.incarnation.0.simple(),
            self.shard.0,
            self.epoch,
            self.tenant.0,
            self.job.0.simple(),
            self.attempt
        )
    }
}

/// The text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lease token")]
pub struct TokenError;

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut parts = text.strip_prefix("lse_").ok_or(TokenError)?.split('.');
        let mut next = || parts.next().ok_or(TokenError);
        let token = Self {
            incarnation: format!("inc_{}", next()?).parse().map_err(|_| TokenError)?,
            shard: ShardNo(number(next()?)?),
            epoch: number(next()?)?,
            tenant: TenantNo(number(next()?)?),
            job: format!("job_{}", next()?).parse().map_err(|_| TokenError)?,
            attempt: number(next()?)?,
        };
        if parts.next().is_some() { Err(TokenError) } else { Ok(token) }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, TokenError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().map_err(|_| TokenError) } else { Err(TokenError) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_token_survives_its_text_and_nothing_else_is_one() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let token = Token {
            incarnation: Incarnation::v7(at, 1),
            shard: ShardNo(3),
            epoch: 9,
            tenant: TenantNo(2),
            job: JobId::v7(at, 2),
            attempt: 4,
        };
        let text = token.to_string();
        assert_eq!(text.parse(), Ok(token));
        for bad in [format!("{text}.1"), text.replace(".9.", ".-9."), text[4..].to_owned(), String::new()] {
            assert_eq!(bad.parse::<Token>(), Err(TokenError), "{bad}");
        }
    }
}
