//! All optimizers on the same problems, from the same seeds, in one run.
//!
//! * [`chen`]: four functions, many instances, mean best value with its interval per evaluation.
//! * [`bbob`]: 24 functions, shares of targets reached per evaluation and dimension.
//! * [`toys`]: small real problems, each with a picture.
//!
//! What a problem is drawn from, and what a search's random numbers are, depends on the seed and on the problem alone:
//! not on the other methods in the run, and not on the number of threads.
//!
//! ```
//! use dro_core::search::Method;
//! use dro_testbed::protocol::{Quiet, Settings, chen};
//!
//! # fn main() -> dro_testbed::Result<()> {
//! let settings = Settings { methods: vec![Method::Random], repeats: 3, ..Settings::default() };
//! let results = chen::run(&settings, &Quiet)?;
//! let branin = &results.functions[0];
//! assert_eq!((branin.name.as_str(), branin.curves[0].mean.len()), ("branin", chen::EVALUATIONS));
//! assert!(branin.curves[0].mean[99] < branin.curves[0].mean[9]);
//! # Ok(()) }
//! ```

pub mod bbob;
pub mod chen;
mod document;
mod export;
mod statistics;
pub mod toys;
mod trace;

pub use document::{Report, refresh};
pub use export::export;
pub use trace::best_so_far;

use dro_core::search::Method;
use rayon::prelude::*;

use crate::{Error, Result};

/// What is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The methods, in the order of tables and charts.
    pub methods: Vec<Method>,
    /// What everything is drawn from.
    pub seed: u64,
    /// Instances of each of Chen's functions, and of each toy (at most [`toys::MOST_REPEATS`]).
    pub repeats: usize,
    /// Dimensions of the BBOB functions.
    pub dims: Vec<usize>,
    /// Instances of each BBOB function: 1, 2 and so on.
    pub instances: u32,
}

impl Default for Settings {
    /// Every method, 100 repeats, BBOB in 2, 5 and 10 dimensions with 5 instances.
    fn default() -> Self {
        Self { methods: Method::ALL.to_vec(), seed: 0, repeats: 100, dims: vec![2, 5, 10], instances: 5 }
    }
}

impl Settings {
    /// A look at everything in little time: 5 repeats, 2 dimensions, one instance.
    pub fn quick() -> Self {
        Self { repeats: 5, dims: vec![2], instances: 1, ..Self::default() }
    }

    /// Refuses settings with nothing to run.
    ///
    /// # Errors
    /// If a list is empty, has one entry twice, or a number is out of range.
    pub fn check(&self) -> Result<()> {
        Error::check("methods", self.methods.len(), 1, usize::MAX)?;
        Error::check("repeats", self.repeats, 2, 1_000_000)?;
        Error::check("instances", self.instances, 1, 100_000)?;
        Error::check("dims", self.dims.len(), 1, usize::MAX)?;
        for &dim in &self.dims {
            Error::check("dims", dim, 2, crate::functions::MAX_DIM)?;
        }
        for (i, method) in self.methods.iter().enumerate() {
            if self.methods.iter().skip(i + 1).any(|other| other == method) {
                return Err(Error::argument("methods", "every method once", format!("{method} twice")));
            }
        }
        for (i, dim) in self.dims.iter().enumerate() {
            if self.dims.iter().skip(i + 1).any(|other| other == dim) {
                return Err(Error::argument("dims", "every dimension once", format!("{dim} twice")));
            }
        }
        Ok(())
    }
}

/// Sees how far a run has come, and may end it. Called from many threads.
pub trait Watch: Sync {
    /// That many searches will be made.
    fn begin(&self, what: &str, searches: usize);

    /// One more search is done.
    fn advance(&self);

    /// Whether to give up: the run then ends with [`Error::Interrupted`].
    fn interrupted(&self) -> bool;
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn begin(&self, _what: &str, _searches: usize) {}

    fn advance(&self) {}

    fn interrupted(&self) -> bool {
        false
    }
}

/// Does every task, on all threads; results are in the order of the tasks.
fn each<T: Sync, R: Send>(
    what: &str,
    tasks: &[T],
    watch: &dyn Watch,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    watch.begin(what, tasks.len());
    tasks
        .par_iter()
        .map(|task| {
            if watch.interrupted() {
                return Err(Error::Interrupted);
            }
            let result = work(task)?;
            watch.advance();
            Ok(result)
        })
        .collect()
}

/// A seed of its own for each combination of numbers (SplitMix64's finish, Steele et al. 2014, over all of them).
fn seed(from: u64, numbers: &[u64]) -> u64 {
    numbers.iter().fold(from, |state, number| {
        let mut z = state
            .wrapping_mul(0x2545_f491_4f6c_dd1d)
            .wrapping_add(*number)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
