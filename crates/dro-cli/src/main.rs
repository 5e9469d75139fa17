//! The `dro` command.
fn main() {}
