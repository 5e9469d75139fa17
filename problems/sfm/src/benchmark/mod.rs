//! A solver judged on data sets with ground truth: what `dro sfm eval` does.
//!
//! [`DataSet::open`] takes a sequence of any layout, a DeMoN pair, or a folder of DeMoN pairs. [`evaluate`] solves every
//! image with its neighbours, compares depth, poses and trajectories with the truth by the functions of [`eval`](crate::eval),
//! and writes tables. `docs/evaluation.md` says what each number means.

mod errors;
mod evaluate;
mod report;
mod set;
mod tables;
mod target;
mod trajectory;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub(crate) use errors::mean;
pub use errors::{ImageErrors, Means, PairErrors};
pub use evaluate::{EvalSettings, evaluate};
pub(crate) use evaluate::{write_json, write_text};
pub use report::{Report, SetReport};
pub(crate) use set::make_names_unique;
pub use set::{DataSet, SetOptions, Skipped};
pub(crate) use tables::{short, table};
pub(crate) use target::Target;
pub use target::{Judging, Walk};
