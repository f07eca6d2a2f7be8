//! Conditions on results, as they are declared: one place in a result and one test of what is there.
//!
//! `orch-graph` evaluates them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::concurrency::check_pointer;
use crate::config::check_range;
use crate::limits;
use crate::refusal::{Code, Refusal};

/// Beyond it a number may be another in a program that keeps numbers as doubles (RFC 8259, section 6).
const WHOLE_MAX: u64 = 1 << 53;

/// A place in a result and one test: exactly one of the members beside `pointer` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// This text, whole number or boolean is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// Anything is there, or nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// What is there is greater: numbers by value, texts by their code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greater: Option<Value>,
    /// One of these is there.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// What is there is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub less: Option<Value>,
    /// Something is there, and it is not this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_equals: Option<Value>,
    /// Where in the result: a JSON pointer (RFC 6901); empty for the whole of it.
    pub pointer: String,
}

/// The one test of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test<'a> {
    /// It is this.
    Equals(&'a Value),
    /// It is there, or it is not.
    Exists(bool),
    /// It is greater.
    Greater(&'a Value),
    /// It is one of these.
    In(&'a [Value]),
    /// It is less.
    Less(&'a Value),
    /// It is there, and it is not this.
    NotEquals(&'a Value),
}

impl Condition {
    /// The tests that are given; one in a condition that was checked.
    fn tests(&self) -> impl Iterator<Item = Test<'_>> {
        let tests = [
            self.equals.as_ref().map(Test::Equals),
            self.exists.map(Test::Exists),
            self.greater.as_ref().map(Test::Greater),
            self.one_of.as_deref().map(Test::In),
            self.less.as_ref().map(Test::Less),
            self.not_equals.as_ref().map(Test::NotEquals),
        ];
        tests.into_iter().flatten()
    }

    /// Its test. `None`: it has none, or several, and does not pass `check`.
    #[must_use]
    pub fn test(&self) -> Option<Test<'_>> {
        let mut tests = self.tests();
        tests.next().filter(|_| tests.next().is_none())
    }

    /// Checks the pointer and the test.
    ///
    /// # Errors
    /// A refusal that names the member.
    pub fn check(&self) -> Result<(), Refusal> {
        check_pointer("pointer", &self.pointer)?;
        let Some(test) = self.test() else {
            let many = if self.tests().next().is_none() { "none is" } else { "several are" };
            let detail = format!(
                "a condition has one test of `equals`, `exists`, `greater`, `in`, `less` and `not_equals`; {many} given"
            );
            return Err(Refusal::field(Code::InvalidField, "pointer", detail));
        };
        match test {
            Test::Exists(_) => Ok(()),
            Test::Equals(value) => check_value("equals", value, true),
            Test::NotEquals(value) => check_value("not_equals", value, true),
            Test::Greater(value) => check_value("greater", value, false),
            Test::Less(value) => check_value("less", value, false),
            Test::In(values) => {
                check_range("in", values.len() as u64, 1, limits::CONDITION_VALUES_MAX)?;
                let mut numbered = values.iter().enumerate();
                numbered.try_for_each(|(place, value)| check_value(&format!("in[{place}]"), value, true))
            }
        }
    }
}

/// Texts and whole numbers, and booleans where nothing is put in order.
fn check_value(field: &str, value: &Value, booleans: bool) -> Result<(), Refusal> {
    let fine = match value {
        Value::String(text) => {
            check_range(field, text.chars().count() as u64, 0, limits::LABEL_VALUE_CHARS_MAX)?;
            true
        }
        Value::Number(number) => number.as_i64().is_some_and(|number| number.unsigned_abs() <= WHOLE_MAX),
        Value::Bool(_) => booleans,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    if fine {
        return Ok(());
    }
    let kinds = if booleans { "a text, a whole number or a boolean" } else { "a text or a whole number" };
    Err(Refusal::field(Code::InvalidField, field, format!("`{field}` must be {kinds}")))
}
