//! Serves the doubles of a farm.
fn main() {}
