//! Training the network.
//!
//! | file | what it does |
//! | --- | --- |
//! | `config` | everything that can be set, as in a TOML file |
//! | `phase` | parts of a training: size, iterations, batch |
//! | `source` | where samples come from |
//! | `prefetch` | the samples of the next step, made while this one is computed |
//! | `searched` | starts where the search without weights ends |
//! | `folder` | samples of a recorded sequence |
//! | `batch` | samples as tensors |
//! | `guide` | poses that start near the truth |
//! | `objective` | supervised and self-supervised losses, mixed |
//! | `start` | the first weights: random, or read |
//! | `trained` | the network with flat parameters, as [`dro_train::Unroll`] |
//! | `estimator` | the gradient of one batch, as [`dro_train::Estimator`] |
//! | `statistics` | batch-norm statistics of weights |
//! | `validation` | how good weights are, with pictures |
//! | `session` | a training in a folder |
//!
//! # Batch norms
//! With `batch_norm = "batch"` training uses the statistics of each batch, as published. No running mean is kept along
//! the way: whenever weights are measured or written, their statistics are the mean over some training batches ("precise
//! batch norm", Wu & Johnson 2021, arXiv 2105.07576), so that they belong to exactly these weights, averaged ones too, and
//! a resumed training has nothing to restore. With `"frozen"` the statistics of the weights to start from stay as they
//! are: for fine-tuning with small batches.

mod batch;
mod config;
mod estimator;
mod folder;
mod guide;
mod objective;
mod phase;
mod prefetch;
mod searched;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod searched_tests;
mod session;
mod source;
mod start;
mod statistics;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod trained;
mod validation;

pub use batch::Batch;
pub use config::{Data, Measure, TrainingConfig, ValidationConfig};
pub use estimator::BatchGradient;
pub use folder::FolderConfig;
pub use guide::{Guide, GuideConfig};
pub use objective::{LossGradient, Objective, ObjectiveConfig};
pub use phase::{BatchNorm, Phase};
pub use session::{TrainingSession, resume, start};
pub use source::{Samples, Source};
pub use start::StartConfig;
pub use trained::TrainedNet;

/// Carries an error of this crate through `dro-train`.
fn outside(error: crate::Error) -> dro_train::Error {
    dro_train::Error::outside(error)
}
