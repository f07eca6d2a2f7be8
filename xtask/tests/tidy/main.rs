//! Rules about the tree that a machine can check. Each rule is shown to find what it is for, then held against the tree.

mod documents;
mod members;
mod rust;
mod sql;
mod tree;

/// Fails with every finding on a line of its own.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}: {} finding(s)\n  {}\n", findings.len(), findings.join("\n  "));
}
