//! Ids of jobs, derived from the job that makes them: a second attempt of that job makes the same jobs.
//! They carry their maker's time, so that they sort beside it.

use orch_client::JobId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The id of the job of type `job_type` that `parent` makes for `subject` (a path, or nothing).
#[must_use]
pub fn derived(parent: JobId, job_type: &str, subject: &str) -> JobId {
    let mut hash = Sha256::new();
    hash.update(parent.uuid().as_bytes());
    hash.update(job_type.as_bytes());
    hash.update([0]);
    hash.update(subject.as_bytes());
    let hash = hash.finalize();
    let mut bytes = *parent.uuid().as_bytes();
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    JobId::from_uuid(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use orch_client::JobId;

    use super::derived;

    #[test]
    fn ids_are_the_same_again_and_differ_by_parent_type_and_subject() {
        let parents = [JobId::new(), JobId::new()];
        let mut ids = BTreeSet::new();
        for parent in parents {
            for job_type in ["feeds.fetch", "feeds.parse"] {
                for subject in ["", "a", "b"] {
                    let id = derived(parent, job_type, subject);
                    assert_eq!(id, derived(parent, job_type, subject));
                    assert_eq!(id.uuid().get_version_num(), 7);
                    assert_eq!(id.uuid().as_bytes()[..6], parent.uuid().as_bytes()[..6]);
                    ids.insert(id);
                }
            }
        }
        assert_eq!(ids.len(), 12);
    }
}
