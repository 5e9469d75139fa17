//! Costs in any language: programs that read candidates as lines of JSON and answer with costs.
//!
//! * [`Variables`]: what may be chosen, from `space.toml` or from code.
//! * [`Program`]: a command and how to run it: side by side, with a limit of time.
//! * [`ExternalCost`]: the two together, as a [`CostFunction`](dro_core::CostFunction).
//! * [`Study`]: the whole search, the same for any number of workers; with a [`Journal`] it goes on after a crash.
//! * [`write_results`]: `result.json`, `result.toml`, `evaluations.csv`, `curve.svg`.
//!
//! The command line's `dro minimize` is a [`Study`] with a [`Journal`]; docs/minimize.md describes the protocol.

mod assignment;
mod cost;
mod curve;
mod error;
mod failure;
mod group;
mod journal;
mod process;
mod program;
mod protocol;
mod results;
mod se3;
mod space_file;
mod study;
mod tail;
mod variable;
mod variables;
mod workers;

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use assignment::Assignment;
pub use cost::ExternalCost;
pub use error::{Error, Result};
pub use failure::{Failure, FailureKind, Finished};
pub use journal::{Entry, Header, Journal};
pub use program::Program;
pub use results::{Files, Format, write_results};
pub use se3::Se3;
pub use study::{Report, Study, Watch};
pub use variable::{Choice, Kind, Variable};
pub use variables::Variables;
