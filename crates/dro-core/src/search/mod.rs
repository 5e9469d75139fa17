//! Ask/tell over any space: for costs that are told one value at a time, in any order, by anything.
//!
//! A [`Search`] works on *coordinates*: a vector in which every bounded variable lies in [0, 1] ([`Encoding`] turns
//! coordinates into values of a [`Space`](crate::Space) with integers, categories, logarithmic ranges or poses).
//! It is asked for trials and told their costs, any number at once and in any order; tells between two asks are
//! absorbed in the order of the trials' numbers, so their own order does not matter.
//!
//! [`Run`] is the loop in one call; [`Method`] names every search there is. A search's whole state is saved by
//! [`Search::state`] and comes back with [`Method::restore`].

mod ask_tell;
mod block;
mod encoding;
mod fleet;
mod method;
pub mod recurrent;
mod run;

pub use ask_tell::{AskTell, Strategy};
pub use block::BlockSearch;
pub use encoding::{Encoding, Frame};
pub use fleet::Fleet;
pub use method::Method;
pub use run::{Evaluation, Found, Run, RunState};

use crate::Result;

/// The best trial so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Incumbent<'a> {
    /// The trial's number.
    pub trial: u64,
    /// Its coordinates.
    pub x: &'a [f64],
    /// Its cost, finite.
    pub cost: f64,
}

/// Proposes trials and is told their costs. Implemented by every black-box optimizer, learned or classical.
pub trait Search: Send {
    /// The method's name, as [`Method`] writes it.
    fn name(&self) -> &'static str;

    /// How many coordinates.
    fn dim(&self) -> usize;

    /// Writes the coordinates of the next trial to `x` and gives its number, counted from 0.
    ///
    /// Any number of trials may be open at once. Coordinates that the [`Frame`] calls boxed are in [0, 1].
    ///
    /// # Errors
    /// If `x` is not of length [`dim`](Self::dim).
    fn ask(&mut self, x: &mut [f64]) -> Result<u64>;

    /// Takes the cost of an open trial. A cost that is not finite says that the evaluation failed or that the point is
    /// infeasible; it is never the best.
    ///
    /// # Errors
    /// If the trial was never asked for or is told twice.
    fn tell(&mut self, trial: u64, cost: f64) -> Result<()>;

    /// The trial with the lowest finite cost; of equal ones the first.
    fn best(&self) -> Option<Incumbent<'_>>;

    /// Everything the search knows, with open trials: [`Method::restore`] goes on from here as if nothing had happened.
    fn state(&self) -> Result<serde_json::Value>;
}

impl<S: Search + ?Sized> Search for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn ask(&mut self, x: &mut [f64]) -> Result<u64> {
        (**self).ask(x)
    }

    fn tell(&mut self, trial: u64, cost: f64) -> Result<()> {
        (**self).tell(trial, cost)
    }

    fn best(&self) -> Option<Incumbent<'_>> {
        (**self).best()
    }

    fn state(&self) -> Result<serde_json::Value> {
        (**self).state()
    }
}
