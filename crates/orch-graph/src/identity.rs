//! Which run a token means: the same token, graph and inputs are the same run, and anything else is another.

use orch_core::job::sha256_hex;

/// In front of what is digested, so that no digest of anything else is one of a run.
const DOMAIN: &[u8] = b"orch:run:1";

/// What makes two calls ask for the same run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunIdentity<'a> {
    /// The graph's name.
    pub graph: &'a str,
    /// The inputs: canonical JSON text (RFC 8785).
    pub inputs: &'a str,
    /// The caller's token.
    pub token: &'a str,
    /// The graph's version.
    pub version: u64,
}

impl RunIdentity<'_> {
    /// 64 hexadecimal digits: SHA-256 over each part with its length (8 bytes, big-endian) in front.
    #[must_use]
    pub fn digest(self) -> String {
        let version = self.version.to_be_bytes();
        let mut bytes = Vec::new();
        for part in [DOMAIN, self.token.as_bytes(), self.graph.as_bytes(), &version, self.inputs.as_bytes()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        sha256_hex(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_none_flows_into_the_next() {
        let one = RunIdentity { graph: "feed", inputs: "{}", token: "t", version: 1 };
        let others = [
            RunIdentity { graph: "feeds", ..one },
            RunIdentity { inputs: r#"{"a":1}"#, ..one },
            RunIdentity { token: "u", ..one },
            RunIdentity { version: 2, ..one },
            RunIdentity { token: "tf", graph: "eed", ..one },
        ];
        let mut digests: Vec<String> = others.iter().map(|other| other.digest()).collect();
        digests.push(one.digest());
        assert_eq!(one.digest(), RunIdentity { ..one }.digest());
        assert!(digests.iter().all(|digest| digest.len() == 64));
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }
}
