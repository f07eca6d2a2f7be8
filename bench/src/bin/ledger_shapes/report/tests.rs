//! The figures that a table shows.

use super::Spread;

#[test]
fn median_of_an_odd_number_of_runs_is_the_middle_one() {
    assert_eq!(Spread::of(vec![9.0, 1.0, 4.0]).show(1), "4.0 (1.0–9.0)");
}

#[test]
fn median_of_an_even_number_of_runs_lies_between_the_two_in_the_middle() {
    assert_eq!(Spread::of(vec![9.0, 1.0, 4.0, 6.0]).show(0), "5 (1–9)");
}
