//! Who may decide an approval.

use orch_core::graph::Approval;
use orch_core::refusal::{Code, Refusal};

/// Who decides, and for whom. Names are whatever the caller knows people by; equal names are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decider<'a> {
    /// Their name.
    pub name: &'a str,
    /// Who started the run. `None`: nobody, as a schedule did.
    pub run_by: Option<&'a str>,
    /// What they may do.
    pub scopes: &'a [String],
}

/// Whether they may say yes or no.
///
/// # Errors
/// `forbidden`: they lack the scope, or the run is their own and its approval asks for somebody else.
pub fn check_decider(approval: &Approval, decider: Decider<'_>) -> Result<(), Refusal> {
    if !decider.scopes.contains(&approval.scope) {
        return Err(Refusal::new(Code::Forbidden, format!("to decide this needs the scope `{}`", approval.scope)));
    }
    if approval.no_self && decider.run_by == Some(decider.name) {
        return Err(Refusal::new(Code::Forbidden, "who started a run may not decide its approvals"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_scope_and_somebody_else() {
        let approval = Approval::default();
        let scopes = [approval.scope.clone()];
        let ann = Decider { name: "ann", run_by: Some("bob"), scopes: &scopes };
        assert_eq!(check_decider(&approval, ann), Ok(()));
        assert_eq!(check_decider(&approval, Decider { run_by: None, ..ann }), Ok(()));
        let refused = |approval: &Approval, who| check_decider(approval, who).unwrap_err().code;
        assert_eq!(refused(&approval, Decider { scopes: &[], ..ann }), Code::Forbidden);
        assert_eq!(refused(&approval, Decider { run_by: Some("ann"), ..ann }), Code::Forbidden);
        let own = Approval { no_self: false, ..approval };
        assert_eq!(check_decider(&own, Decider { run_by: Some("ann"), ..ann }), Ok(()));
    }
}
