//! What every structure-from-motion solver takes and gives, learned or not.

use candle_core::Tensor;
use dro_vision::Pinhole;
use nalgebra::Isometry3;

use crate::{Map, Result};

/// A target image and the neighbours that see the same scene.
#[derive(Debug, Clone)]
pub struct Views {
    /// `[1, 3, height, width]`, RGB in [0, 1].
    pub target: Tensor,
    /// At least one, each of the target's size.
    pub neighbours: Vec<Tensor>,
    /// The camera of all of them, at this size, without distortion.
    pub camera: Pinhole,
}

/// Depth of the target and where the neighbours stand.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// Inverse depth in 1/m (or 1/unit where scale is not observable), at the target's size; 0 means "none".
    pub inv_depth: Map,
    /// One `neighbour_from_target` per neighbour, translation in the unit of depth.
    pub poses: Vec<Isometry3<f64>>,
    /// Total cost of the start values.
    pub cost_start: f64,
    /// Total cost of the answer.
    pub cost_end: f64,
    /// Updates done.
    pub updates: usize,
}

/// The state after one update, in the units of [`Estimate`], for curves and pictures.
#[derive(Debug, Clone)]
pub struct Update {
    /// Updates before this one.
    pub step: usize,
    /// The stage.
    pub stage: usize,
    /// Which block moved: `"inverse_depth"` or `"poses"`.
    pub block: String,
    /// Total cost of the values this update started from.
    pub cost: f64,
    /// Where that cost arose, averaged over channels and neighbours, at the solver's resolution.
    pub cost_map: Map,
    /// Inverse depth after the update, at the solver's resolution.
    pub inv_depth: Map,
    /// `neighbour_from_target` after the update.
    pub poses: Vec<Isometry3<f64>>,
}

/// Watches a solve. Making an [`Update`] costs time, so it is asked for first.
pub trait Watch {
    /// Whether [`update`](Self::update) wants to be called.
    fn wants_updates(&self) -> bool;

    /// Called after every update. An error ends the solve.
    fn update(&mut self, update: &Update) -> Result<()>;

    /// Asked between updates; `true` ends the solve with [`Error::Interrupted`](crate::Error::Interrupted).
    fn interrupted(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn wants_updates(&self) -> bool {
        false
    }

    fn update(&mut self, _update: &Update) -> Result<()> {
        Ok(())
    }
}

/// Finds depth and poses from views. Implemented by the DRO network and by the weights-free baseline.
pub trait Solver {
    /// Both sides of the views must be multiples of this.
    fn multiple_of(&self) -> usize {
        1
    }

    /// The largest depth worth telling apart, in the unit of the answer: it sets the steps of depth PNGs.
    fn max_depth(&self) -> f64 {
        65.0
    }

    /// Solves one set of views.
    fn solve(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate>;
}
