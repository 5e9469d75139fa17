//! Classical zeroth-order optimizers behind the same interfaces.

mod evolution;
mod random;

pub use evolution::OnePlusOneEs;
pub use random::RandomSearch;
