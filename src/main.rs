//! The frame of the program.
fn main() {}
