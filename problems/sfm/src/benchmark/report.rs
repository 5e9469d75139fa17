//! `summary.json` of an evaluation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{errors::Means, set::Skipped};
use crate::eval::TrajectoryError;

/// One evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The program's name.
    pub program: String,
    /// The program's version.
    pub version: String,
    /// All settings, as given and by default.
    pub settings: serde_json::Value,
    /// One entry per data set, in order.
    pub sets: Vec<SetReport>,
    /// How many frames, pairs and sets were left out.
    pub skipped_count: usize,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// Wall-clock time, seconds.
    pub total_seconds: f64,
    /// Largest resident memory so far, MiB, where the system says it.
    pub peak_memory_mb: Option<f64>,
    /// Whether the user stopped it; what was finished is in it.
    pub interrupted: bool,
    /// Anything else worth saying, one sentence each.
    pub notes: Vec<String>,
}

/// One data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetReport {
    /// The last part of its path.
    pub name: String,
    /// Where it lies.
    #[serde(serialize_with = "crate::export::summary::as_shown")]
    pub root: PathBuf,
    /// The layout it was recognised as.
    pub layout: String,
    /// (height, width) of the (first) images as the solver saw them.
    pub size: Option<(usize, usize)>,
    /// Means over the whole set.
    pub means: Means,
    /// Of a DeMoN set: means of its parts that have pairs.
    pub subsets: Vec<(String, Means)>,
    /// Images whose depth is fused over frames.
    pub depth_fused: usize,
    /// Wall-clock time of one solve on average, seconds.
    pub seconds_per_image: Option<f64>,
    /// Absolute trajectory error after Sim(3) alignment.
    pub ate: Option<TrajectoryError>,
    /// Relative pose error from frame to frame, with the scale of the alignment.
    pub rpe: Option<TrajectoryError>,
    /// Frames and pairs left out.
    pub skipped: usize,
}
