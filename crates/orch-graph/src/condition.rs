//! Whether a result meets a condition: always an answer, never an error.
//!
//! What is not there is missing, and the only test that something missing meets is `exists: false`. Values of different
//! kinds are neither equal, nor less, nor greater.

use std::cmp::Ordering;

use orch_core::graph::{Condition, Test};
use serde_json::{Number, Value};

use crate::mutant::{self, Mutant};

/// Whether a result meets a condition. No result at all has nothing anywhere.
#[must_use]
pub fn holds(condition: &Condition, result: Option<&Value>) -> bool {
    if mutant::on(Mutant::ConditionIgnored) {
        return true;
    }
    let found = result.and_then(|result| result.pointer(&condition.pointer));
    match (condition.test(), found) {
        (None, _) => false,
        (Some(Test::Exists(wanted)), found) => wanted == found.is_some(),
        (Some(Test::NotEquals(_)), None) => mutant::on(Mutant::MissingIsNotEqual),
        (Some(_), None) => false,
        (Some(Test::Equals(wanted)), Some(found)) => equal(found, wanted),
        (Some(Test::NotEquals(wanted)), Some(found)) => !equal(found, wanted),
        (Some(Test::In(wanted)), Some(found)) => wanted.iter().any(|wanted| equal(found, wanted)),
        (Some(Test::Less(wanted)), Some(found)) => order(found, wanted) == Some(Ordering::Less),
        (Some(Test::Greater(wanted)), Some(found)) => order(found, wanted) == Some(Ordering::Greater),
    }
}

/// Alike in kind and value: 1 and 1.0 are one number.
fn equal(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Bool(found), Value::Bool(wanted)) => found == wanted,
        _ => order(found, wanted) == Some(Ordering::Equal),
    }
}

/// Numbers by value, texts by their code points; other kinds have no order.
fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => Some(found.cmp(wanted)),
        (Value::Number(found), Value::Number(wanted)) => order_of_numbers(found, wanted),
        _ => None,
    }
}

/// Whole numbers exactly, others as doubles.
fn order_of_numbers(found: &Number, wanted: &Number) -> Option<Ordering> {
    match (whole(found), whole(wanted)) {
        (Some(found), Some(wanted)) => Some(found.cmp(&wanted)),
        _ => found.as_f64()?.partial_cmp(&wanted.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests;
