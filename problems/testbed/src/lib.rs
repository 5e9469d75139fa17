//! What optimizers are compared on, and how.
//!
//! * [`functions`]: black-box functions on the unit box with known optima (Branin and its kin, the 24 of BBOB), and random
//!   ones.
//! * [`toys`]: small real problems without derivatives, each with a picture.
//! * [`protocol`]: every [`Method`](dro_core::search::Method) on all of them, from the same seeds, with tables and charts. The
//!   command `dro bench testbed` is this.
//!
//! ```
//! use dro_core::search::Method;
//! use dro_testbed::{functions::{BlackBox, Bbob}, protocol::best_so_far};
//!
//! # fn main() -> dro_testbed::Result<()> {
//! let sphere = Bbob::new(1, 5, 1)?;
//! let curve = best_so_far(&sphere, Method::Random, 200, 42)?;
//! assert!(curve[199] < curve[0] && curve[199] >= sphere.value_of_optimum());
//! # Ok(()) }
//! ```

mod error;
pub mod functions;
pub mod protocol;
pub mod toys;
pub mod training;

pub use error::{Error, Result};
