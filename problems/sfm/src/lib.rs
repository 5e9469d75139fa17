//! DRO, the Deep Recurrent Optimizer for Structure-from-Motion (arXiv 2103.13201): depth and camera poses from images.
//!
//! | to | use |
//! | --- | --- |
//! | solve one set of views | a [`Solver`]: [`network::DroSolver`] (learned) or [`patchmatch::PatchMatchSolver`] |
//! | solve a sequence on disk, with all outputs | [`pipeline::run`] on a [`data::Sequence`] |
//! | load or import weights | [`weights::Weights::load_network`], [`weights::import_checkpoint`] |
//! | optimise on another cost | [`network::DroNet::optimize`] with any cost over [`cost::sfm_space`] |
//! | compare with ground truth | [`eval`]; whole data sets: [`benchmark::evaluate`] |
//! | see what each part of the optimizer is good for | [`ablation::ablate`] |
//! | train | [`training::start`] with a [`training::TrainingConfig`] |
//!
//! # Example
//! ```
//! use candle_core::{Device, Tensor};
//! use dro_sfm::{
//!     Solver, Unwatched, Views,
//!     network::{DroNet, DroSolver},
//!     weights::{ModelConfig, formula_weights},
//! };
//! use dro_vision::Pinhole;
//!
//! // Real weights come from `Weights::load_network("weights.safetensors")`; these are made by a formula and mean nothing.
//! let config = ModelConfig { hidden: 64, image_size: (32, 48), ..ModelConfig::default() };
//! let weights = formula_weights(&config)?;
//! let net = DroNet::new(&weights.config, weights.var_builder(&Device::Cpu))?;
//!
//! let image = |level: f32| Tensor::full(level, (1, 3, 32, 48), &Device::Cpu);
//! let camera = Pinhole::from_fov_deg(60.0, 32, 48)?;
//! let views = Views { target: image(0.4)?, neighbours: vec![image(0.5)?], camera };
//!
//! let estimate = DroSolver::new(net, Device::Cpu)?.solve(&views, &mut Unwatched)?;
//! assert_eq!((estimate.inv_depth.height(), estimate.inv_depth.width()), (32, 48));
//! assert_eq!((estimate.poses.len(), estimate.updates), (1, 24));
//! # Ok::<(), dro_sfm::Error>(())
//! ```

pub mod ablation;
pub mod augment;
pub mod benchmark;
pub mod cost;
pub mod data;
pub mod error;
pub mod eval;
pub mod export;
pub mod loss;
mod map;
pub mod network;
pub mod patchmatch;
pub mod pipeline;
mod sample;
pub mod scene;
pub mod sequence;
mod solver;
mod sorted;
pub mod training;
mod watch;
pub mod weights;

pub use error::{Error, Result};
pub use map::Map;
pub use sample::{Sample, SampleStart};
pub use solver::{Estimate, Solver, Unwatched, Update, Views, Watch};
