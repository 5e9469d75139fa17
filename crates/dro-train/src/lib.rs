//! Meta-training: learning the parameters θ of an optimizer by running it on tasks.
//!
//! * [`Unroll`] is what is trained: a rule that runs on sampled tasks, a truncated piece at a time.
//! * An [`Estimator`] turns roll-outs into a meta-gradient: [`Es`], [`Pes`] or [`Bptt`].
//! * A [`TensorUnroll`] makes an `Unroll` of any [`LearnedOptimizer`](dro_core::LearnedOptimizer) and a [`TaskFamily`].
//! * A [`Trainer`] steps θ with it; a [`Session`] does so in a folder, with checkpoints, a log and a curve.
//!
//! ```
//! use dro_train::*;
//!
//! /// A rule with one parameter, the stride: it steps left or right, and turns round where the cost has risen. The cost,
//! /// |x − target| in steps of 0.01, has no gradient.
//! struct Stride;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct State { target: f64, x: f64, heading: f64, last: f64 }
//!
//! impl Unroll for Stride {
//!     type State = State;
//!     fn parameters(&self) -> usize { 1 }
//!     fn initial(&self, _seed: u64) -> Vec<f32> { vec![0.01] }
//!     fn horizon(&self, _task: u64) -> usize { 20 }
//!     fn begin(&self, _theta: &[f32], task: u64, _horizon: usize) -> Result<State> {
//!         let target = 1.0 + (task % 1000) as f64 / 1000.0;
//!         Ok(State { target, x: 0.0, heading: 1.0, last: f64::INFINITY })
//!     }
//!     fn advance(&self, theta: &[f32], state: &mut State, steps: usize) -> Result<f64> {
//!         let mut loss = 0.0;
//!         for _ in 0..steps {
//!             state.x += state.heading * f64::from(theta[0]);
//!             let cost = ((state.x - state.target).abs() * 100.0).floor() / 100.0;
//!             if cost > state.last { state.heading = -state.heading }
//!             state.last = cost;
//!             loss += cost / 20.0;
//!         }
//!         Ok(loss)
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let estimator = EstimatorConfig::Es(Es { pairs: 8, sigma: 0.05, ..Es::default() });
//! let schedule = RateSchedule { rate: 0.02, ..RateSchedule::default() };
//! let settings = Settings { steps: 60, schedule, ..Settings::default() };
//! let mut trainer = Trainer::new(Stride, estimator.build()?, settings)?;
//! let before = trainer.validate()?;
//! for _ in 0..60 {
//!     trainer.step()?;
//! }
//! let best = trainer.best().expect("there was a validation");
//! assert!(best.score < 0.4 * before, "{} from {before}", best.score);
//! # Ok(()) }
//! ```

mod checkpoint;
mod descent;
mod error;
mod estimator;
mod loss;
mod random;
mod schedule;
mod session;
mod settings;
mod tensor;
mod trainer;
mod unroll;
mod weights;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use checkpoint::{Checkpoint, NEWEST, PREVIOUS, remove_checkpoints};
pub use descent::{AdamW, Descent, OptimizerConfig, Sgd, clip, norm};
pub use error::{Error, Result};
pub use estimator::{
    Bptt, Es, Estimate, Estimator, EstimatorConfig, Moment, PersistentEs, Pes, Shaping, TruncatedBptt,
};
pub use loss::{MetaLoss, Meter};
pub use random::{Tasks, held_out};
pub use schedule::{Curriculum, RateKind, RatePiece, RateSchedule};
pub use session::{Ended, Metric, Session, curve};
pub use settings::{Settings, Validation};
pub use tensor::{GpSamples, TaskFamily, TensorLoss, TensorState, TensorTask, TensorUnroll};
pub use trainer::{Best, Report, Trainer};
pub use unroll::{Unroll, Validated};
pub use weights::{load_weights, save_weights};
