//! The 24 noiseless functions of BBOB, as COCO computes them.
//!
//! Source: N. Hansen, S. Finck, R. Ros, A. Auger, *Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
//! Functions Definitions*, INRIA RR-6829 (2009, updated 2010). The equations are there; file by file:
//!
//! | file | functions |
//! | --- | --- |
//! | `separable` | f1 sphere, f2 ellipsoid, f3 Rastrigin, f4 Büche–Rastrigin, f5 linear slope |
//! | `conditioned` | f6 attractive sector, f7 step ellipsoid, f8, f9 Rosenbrock, f10 ellipsoid, f11 discus, f12 bent cigar, f13 sharp ridge, f14 sum of powers |
//! | `structured` | f15 Rastrigin, f16 Weierstrass, f17, f18 Schaffers F7, f19 Griewank–Rosenbrock |
//! | `weak` | f20 Schwefel, f23 Katsuura, f24 Lunacek bi-Rastrigin |
//! | `gallagher` | f21, f22 peaks |
//!
//! The report leaves constants and the order of random numbers open; COCO's values decide, and the tests compare with
//! values that COCO printed (`compare/bbob_vectors.py`).

mod conditioned;
mod gallagher;
mod matrix;
mod random;
mod separable;
mod structured;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod weak;

use std::{fmt, sync::Arc};

use super::BlackBox;
use crate::{Error, Result};
use matrix::Matrix;

/// The largest dimension: evaluations work on vectors of this length on the stack.
pub const MAX_DIM: usize = 40;

type Vector = [f64; MAX_DIM];
type Formula = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// One of the 24 functions in one dimension, one instance.
///
/// As a [`BlackBox`] it lives in the unit box: `x = 10 u − 5`.
///
/// ```
/// use dro_testbed::functions::{BlackBox, Bbob};
///
/// # fn main() -> dro_testbed::Result<()> {
/// let rastrigin = Bbob::new(15, 5, 1)?;
/// let best: Vec<f64> = rastrigin.minimiser().iter().map(|x| (x + 5.0) / 10.0).collect();
/// assert!((rastrigin.value(&best) - rastrigin.value_of_optimum()).abs() < 1e-9);
/// assert!(rastrigin.value(&[0.5; 5]) > rastrigin.value_of_optimum());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Bbob {
    function: u8,
    dim: usize,
    instance: u32,
    optimum: f64,
    minimiser: Vec<f64>,
    formula: Formula,
}

impl Bbob {
    /// Function 1 to 24, dimension 2 to [`MAX_DIM`], instance 1 to 100 000.
    ///
    /// # Errors
    /// If one of them is out of range.
    pub fn new(function: u8, dim: usize, instance: u32) -> Result<Self> {
        Error::check("BBOB dimension", dim, 2, MAX_DIM)?;
        Error::check("BBOB instance", instance, 1, 100_000)?;
        // Functions 4 and 18 are told to have the instances of 3 and 17.
        let like = match function {
            4 => 3,
            18 => 17,
            other => other,
        };
        let seed = i64::from(like) + 10_000 * i64::from(instance);
        let setup = Setup { dim, seed };
        let (minimiser, formula) = match function {
            1 => separable::sphere(&setup),
            2 => separable::ellipsoid(&setup),
            3 => separable::rastrigin(&setup),
            4 => separable::bueche_rastrigin(&setup),
            5 => separable::linear_slope(&setup),
            6 => conditioned::attractive_sector(&setup),
            7 => conditioned::step_ellipsoid(&setup),
            8 => conditioned::rosenbrock(&setup),
            9 => conditioned::rosenbrock_rotated(&setup),
            10 => conditioned::ellipsoid(&setup),
            11 => conditioned::discus(&setup),
            12 => conditioned::bent_cigar(&setup),
            13 => conditioned::sharp_ridge(&setup),
            14 => conditioned::sum_of_powers(&setup),
            15 => structured::rastrigin(&setup),
            16 => structured::weierstrass(&setup),
            17 => structured::schaffers(&setup, 10.0),
            18 => structured::schaffers(&setup, 1000.0),
            19 => structured::griewank_rosenbrock(&setup),
            20 => weak::schwefel(&setup),
            21 => gallagher::peaks(&setup, &gallagher::MANY),
            22 => gallagher::peaks(&setup, &gallagher::FEW),
            23 => weak::katsuura(&setup),
            24 => weak::lunacek(&setup),
            other => return Err(Error::argument("BBOB function", "1 to 24", other)),
        };
        let minimiser = minimiser.iter().take(dim).copied().collect();
        Ok(Self { function, dim, instance, optimum: random::optimum_value(seed), minimiser, formula })
    }

    /// The value at `x` in BBOB's own coordinates, where the box is [−5, 5]^D; outside of it values are defined too.
    /// NaN if `x` has the wrong length.
    pub fn value_at(&self, x: &[f64]) -> f64 {
        if x.len() == self.dim { (self.formula)(x) + self.optimum } else { f64::NAN }
    }

    /// Where the lowest value is, in BBOB's own coordinates.
    pub fn minimiser(&self) -> &[f64] {
        &self.minimiser
    }

    /// The lowest value, `f_opt`.
    pub fn value_of_optimum(&self) -> f64 {
        self.optimum
    }

    /// Which function, 1 to 24.
    pub fn function(&self) -> u8 {
        self.function
    }

    /// Which instance.
    pub fn instance(&self) -> u32 {
        self.instance
    }
}

impl BlackBox for Bbob {
    fn name(&self) -> String {
        format!("f{}", self.function)
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn value(&self, u: &[f64]) -> f64 {
        let mut x = [0.0; MAX_DIM];
        x.iter_mut().zip(u).for_each(|(x, u)| *x = 10.0 * u - 5.0);
        // Longer than any vector here, or of another length: `value_at` says NaN.
        self.value_at(x.get(..u.len()).unwrap_or(&[]))
    }

    fn optimum(&self) -> Option<f64> {
        Some(self.optimum)
    }
}

impl fmt::Debug for Bbob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BBOB f{} in {} dimensions, instance {}", self.function, self.dim, self.instance)
    }
}

/// What every function is drawn from.
struct Setup {
    dim: usize,
    seed: i64,
}

impl Setup {
    /// The optimum's place that most functions have.
    fn place(&self) -> Vector {
        random::optimum_place(self.dim, self.seed)
    }

    /// The report's rotation R.
    fn r(&self) -> Matrix {
        random::rotation(self.dim, self.seed + 1_000_000)
    }

    /// The report's rotation Q.
    fn q(&self) -> Matrix {
        random::rotation(self.dim, self.seed)
    }

    /// `Λ^α` as its diagonal.
    fn conditioning(&self, alpha: f64) -> Vec<f64> {
        matrix::ladder(alpha.sqrt(), self.dim)
    }

    /// `R Λ^α Q`.
    fn r_conditioned_q(&self, alpha: f64) -> Matrix {
        self.r().product(&self.conditioning(alpha), &self.q())
    }
}
