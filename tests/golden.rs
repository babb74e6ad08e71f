//! The golden harness.
fn main() {}
