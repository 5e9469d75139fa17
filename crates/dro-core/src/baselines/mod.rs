//! Classical zeroth-order optimizers behind the same interface.

mod evolution;

pub use evolution::OnePlusOneEs;
