//! Small real problems whose costs have no derivative: counts, thresholds, choices.
//!
//! | toy | variables | cost |
//! | --- | --- | --- |
//! | [`Staircase`] | 6 real | a valley in steps |
//! | [`Registration`] | angle and translation | points without a partner |
//! | [`Localisation`] | a pose in SE(3) | pixels that disagree |
//! | [`CartPole`] | 5 real | time after which the pole has fallen |
//! | [`MaxCut`] | 20 binary | weight that is not cut |
//! | [`Tuning`] | integers, categories, logarithms | share of points classified wrongly |
//! | [`Binarisation`] | integers and reals | 1 − F1 |
//!
//! ```
//! use dro_core::search::{Method, Run};
//! use dro_testbed::toys::{Registration, Toy};
//!
//! # fn main() -> dro_testbed::Result<()> {
//! let toy = Registration::new(1)?;
//! let found = Run::of(toy.encoding()).method(Method::Random).evaluations(300).minimize(|v| toy.cost(v))?;
//! assert!(found.best_cost < toy.cost(&toy.start()?));
//! # Ok(()) }
//! ```

mod binarisation;
mod canvas;
mod cart_pole;
mod localisation;
mod max_cut;
mod registration;
mod staircase;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod tuning;

pub use binarisation::Binarisation;
pub use canvas::{Canvas, Colour, side_by_side};
pub use cart_pole::CartPole;
pub use localisation::Localisation;
pub use max_cut::MaxCut;
pub use registration::Registration;
pub use staircase::Staircase;
pub use tuning::Tuning;

use dro_core::search::Encoding;

use crate::Result;

/// A problem that can be evaluated, looked at, and told about.
pub trait Toy: Send + Sync {
    /// A short name for tables and files.
    fn name(&self) -> &'static str;

    /// The variables, with the start and the scales.
    fn encoding(&self) -> &Encoding;

    /// The cost of values (all blocks one after the other, in their own units); NaN if their number is wrong. The same
    /// values always cost the same.
    fn cost(&self, values: &[f64]) -> f64;

    /// The values that made the problem, or the best there are, where one knows.
    fn truth(&self) -> Option<Vec<f64>> {
        None
    }

    /// A fair number of evaluations.
    fn evaluations(&self) -> usize;

    /// What values come to, in words.
    fn say(&self, values: &[f64]) -> String;

    /// What values look like.
    fn draw(&self, values: &[f64]) -> Canvas;

    /// What was hidden, if one knows.
    fn draw_truth(&self) -> Option<Canvas> {
        self.truth().map(|truth| self.draw(&truth))
    }

    /// The values that every search starts from.
    ///
    /// # Errors
    /// If a manifold refuses.
    fn start(&self) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        self.encoding().decode(&self.encoding().frame().start, &mut values)?;
        Ok(values)
    }
}

/// All of them, drawn from a seed.
///
/// # Errors
/// Never for the toys there are; a space could be refused.
pub fn all(seed: u64) -> Result<Vec<Box<dyn Toy>>> {
    Ok(vec![
        Box::new(Staircase::new(seed)?),
        Box::new(Registration::new(seed)?),
        Box::new(Localisation::new(seed)?),
        Box::new(CartPole::new(seed)?),
        Box::new(MaxCut::new(seed)?),
        Box::new(Tuning::new(seed)?),
        Box::new(Binarisation::new(seed)?),
    ])
}
