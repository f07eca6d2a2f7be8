//! The analysis of one SBOM in one process, without a server: what a run must come to, byte for byte.

use crate::{
    advisory::Feed,
    canonical,
    matching::findings,
    policy::Rule,
    report::{Report, Subject},
    sbom::{SbomError, SbomFile},
};

/// The report on an SBOM.
///
/// # Errors
/// It is no SBOM.
pub fn analyse(file: &SbomFile, feed: &Feed, rules: &[Rule]) -> Result<Report, SbomError> {
    let sbom = file.read()?;
    let mut left = findings(&sbom.components, feed);
    let mut decided = Vec::new();
    for rule in rules {
        let step = rule.apply(left);
        decided.push(step.decided);
        left = step.left;
    }
    let of = Subject {
        advisories: canonical::digest(&feed.slice(&sbom)),
        name: sbom.subject,
        sbom: file.digest.clone(),
        components: sbom.components.len() as u64,
        elsewhere: sbom.elsewhere,
    };
    Ok(Report::new(of, rules.to_vec(), decided, left))
}
