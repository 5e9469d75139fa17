//! Functions to minimise, all on the unit box.
//!
//! | | dimensions | optimum |
//! | --- | --- | --- |
//! | [`Classic`] | Branin, Goldstein–Price (2), Hartmann (3 and 6), plain or rescaled as in Picheny et al. 2013 | known |
//! | [`Instance`] | a classic function moved, scaled, flipped and permuted as in Chen et al. 2017 | known |
//! | [`GaussianProcess`] | samples of any dimension by random Fourier features | unknown |
//! | [`Bbob`] | the 24 noiseless functions of BBOB, 2 to 40 | known |

mod bbob;
mod classic;
mod gaussian_process;
mod instance;

pub use bbob::{Bbob, MAX_DIM};
pub use classic::Classic;
pub use gaussian_process::{GaussianProcess, Kernel, Recipe};
pub use instance::{Instance, Placement};

/// A function on the unit box that can be evaluated, from any number of threads.
pub trait BlackBox: Send + Sync {
    /// A short name for tables.
    fn name(&self) -> String;

    /// How many coordinates.
    fn dim(&self) -> usize;

    /// The value at `u`, whose numbers are in [0, 1] (the formula is used outside too). NaN if `u` has the wrong length.
    fn value(&self, u: &[f64]) -> f64;

    /// The lowest value in the box, where it is known.
    fn optimum(&self) -> Option<f64>;
}
