//! Errors of one image, and their means.

use serde::{Deserialize, Serialize};

use crate::eval::{DemonMetrics, DepthMetrics};

/// Errors of one found pose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PairErrors {
    /// Angle between the found and the true rotation, degrees.
    pub rotation_deg: Option<f64>,
    /// Angle between the found and the true direction of translation, degrees.
    pub translation_deg: Option<f64>,
    /// Distance between the translations after the best scale, centimetres.
    pub translation_cm: Option<f64>,
}

/// Errors of one target image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageErrors {
    /// Of its depth.
    pub depth: Option<DepthMetrics>,
    /// Of its depth in units of the baseline to the first neighbour.
    pub demon: Option<DemonMetrics>,
    /// Of the pose of each neighbour.
    pub pairs: Vec<PairErrors>,
}

/// Means over images (depth) and over pairs of a target and a neighbour (poses).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Images solved.
    pub images: usize,
    /// Pairs whose true pose is known.
    pub pairs: usize,
    /// Of the images with true depth.
    pub depth: Option<DepthMetrics>,
    /// Of the images with true depth and a true pose: in units of the baseline.
    pub demon: Option<DemonMetrics>,
    /// Rotation, degrees.
    pub rotation_deg: Option<f64>,
    /// Direction of translation, degrees.
    pub translation_deg: Option<f64>,
    /// Translation after the best scale, centimetres.
    pub translation_cm: Option<f64>,
}

impl Means {
    /// The means of these images.
    pub fn of<'a>(errors: impl IntoIterator<Item = &'a ImageErrors>) -> Self {
        let errors: Vec<_> = errors.into_iter().collect();
        let pairs = || errors.iter().flat_map(|image| &image.pairs);
        Self {
            images: errors.len(),
            pairs: pairs().filter(|pair| pair.rotation_deg.is_some()).count(),
            depth: DepthMetrics::mean(errors.iter().filter_map(|image| image.depth.as_ref())),
            demon: DemonMetrics::mean(errors.iter().filter_map(|image| image.demon.as_ref())),
            rotation_deg: mean(pairs().filter_map(|pair| pair.rotation_deg)),
            translation_deg: mean(pairs().filter_map(|pair| pair.translation_deg)),
            translation_cm: mean(pairs().filter_map(|pair| pair.translation_cm)),
        }
    }
}

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
