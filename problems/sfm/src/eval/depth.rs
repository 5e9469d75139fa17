//! Errors of a depth map.
//!
//! The definitions are those of Eigen et al. (NIPS 2014) with the details that published DRO numbers depend on: only
//! pixels whose true depth lies strictly between the caps count; predictions are clamped to the caps; with median
//! scaling the prediction is first multiplied with the median of the ratios true / predicted.

use serde::{Deserialize, Serialize};

use crate::{Error, Map, Result};

/// Errors of one depth map, or their mean over several. `d` is the prediction, `d*` the truth, means are over the
/// pixels that count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DepthMetrics {
    /// mean |d − d*| / d*.
    pub abs_rel: f64,
    /// mean (d − d*)² / d*, metres.
    pub sq_rel: f64,
    /// √mean (d − d*)², metres.
    pub rmse: f64,
    /// √mean (ln d − ln d*)².
    pub rmse_log: f64,
    /// Share of pixels with max(d/d*, d*/d) < 1.25.
    pub a1: f64,
    /// The same below 1.25².
    pub a2: f64,
    /// The same below 1.25³.
    pub a3: f64,
    /// √(mean e² − (mean e)²), e = ln d* − ln d.
    pub silog: f64,
    /// mean |1/d − 1/d*|, 1/metres.
    pub l1_inv: f64,
}

/// Which pixels count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// All with ground truth.
    #[default]
    None,
    /// The part of a KITTI picture that Garg et al. (ECCV 2016) evaluate.
    Garg,
    /// The part of an NYU depth v2 picture that Eigen et al. (NIPS 2014) evaluate: rows 45 to 470 and columns 41 to 600 of
    /// 480x640, the same shares of other sizes.
    Nyu,
}

/// How [`depth_metrics`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthOptions {
    /// True depths at or below this do not count, metres, > 0.
    pub min_depth_m: f64,
    /// True depths at or above this do not count, metres.
    pub max_depth_m: f64,
    /// The part of the picture that counts.
    pub crop: Crop,
    /// Whether the prediction is scaled to the truth by the median of ratios.
    pub median_scaling: bool,
}

impl Default for DepthOptions {
    /// Indoors: 0.2 to 10 m, no crop, no scaling.
    fn default() -> Self {
        Self { min_depth_m: 0.2, max_depth_m: 10.0, crop: Crop::None, median_scaling: false }
    }
}

/// Compares a predicted depth map with the truth, both in metres; truth 0 is "unknown", prediction ≤ 0 counts as
/// 1e-6 (and so as the minimum depth). A prediction of another size is first resized to the truth's, bilinear with
/// aligned corners.
///
/// `None` if no pixel counts.
///
/// # Errors
/// If the caps are not `0 < min < max`, or the prediction is empty while the truth is not.
///
/// # Example
/// ```
/// use dro_sfm::{Map, eval::{DepthOptions, depth_metrics}};
/// let truth = Map::new(1, 3, vec![1.0, 2.0, 0.0])?;
/// let prediction = Map::new(1, 3, vec![1.1, 2.0, 7.0])?;
/// let metrics = depth_metrics(&prediction, &truth, &DepthOptions::default())?;
/// assert!(metrics.is_some_and(|metrics| (metrics.abs_rel - 0.05).abs() < 1e-6));
/// # Ok::<(), dro_sfm::Error>(())
/// ```
pub fn depth_metrics(
    predicted_m: &Map,
    truth_m: &Map,
    options: &DepthOptions,
) -> Result<Option<DepthMetrics>> {
    let (min, max) = (options.min_depth_m, options.max_depth_m);
    if !(min > 0.0 && min < max) {
        return Err(Error::argument("depth caps", "0 < min < max", format!("{min} and {max}")));
    }
    let pairs = counted(predicted_m, truth_m, options)?;
    let mut ratios: Vec<f64> = pairs.iter().map(|(d, truth)| truth / d).collect();
    let scale = if options.median_scaling { lower_median(&mut ratios) } else { Some(1.0) };
    let Some(scale) = scale.filter(|_| !pairs.is_empty()) else { return Ok(None) };

    let mut sum = DepthMetrics::default();
    let mut log_sum = 0.0;
    for &(d, truth) in &pairs {
        let d = (d * scale).clamp(min, max);
        let (difference, log_difference) = (truth - d, truth.ln() - d.ln());
        let ratio = (truth / d).max(d / truth);
        let below = |limit: f64| f64::from(u8::from(ratio < limit));
        sum.abs_rel += difference.abs() / truth;
        sum.sq_rel += difference.powi(2) / truth;
        sum.rmse += difference.powi(2);
        sum.rmse_log += log_difference.powi(2);
        sum.a1 += below(1.25);
        sum.a2 += below(1.25f64.powi(2));
        sum.a3 += below(1.25f64.powi(3));
        sum.l1_inv += (1.0 / d - 1.0 / truth).abs();
        log_sum += log_difference;
    }
    let count = pairs.len() as f64;
    let mean = sum.scaled(1.0 / count);
    Ok(Some(DepthMetrics {
        rmse: mean.rmse.sqrt(),
        rmse_log: mean.rmse_log.sqrt(),
        // Rounding may leave the variance of equal numbers slightly below 0.
        silog: (mean.rmse_log - (log_sum / count).powi(2)).max(0.0).sqrt(),
        ..mean
    }))
}

impl DepthMetrics {
    /// In the order in which tables print them: abs_rel, sq_rel, rmse, rmse_log, a1, a2, a3, silog, l1_inv.
    pub fn values(&self) -> [f64; 9] {
        let Self { abs_rel, sq_rel, rmse, rmse_log, a1, a2, a3, silog, l1_inv } = *self;
        [abs_rel, sq_rel, rmse, rmse_log, a1, a2, a3, silog, l1_inv]
    }

    /// The mean of several; `None` of none.
    pub fn mean<'a>(metrics: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let (mut sum, mut count) = ([0.0; 9], 0);
        for one in metrics {
            for (sum, value) in sum.iter_mut().zip(one.values()) {
                *sum += value;
            }
            count += 1;
        }
        (count > 0).then(|| Self::from_values(sum).scaled(1.0 / f64::from(count)))
    }

    fn from_values([abs_rel, sq_rel, rmse, rmse_log, a1, a2, a3, silog, l1_inv]: [f64; 9]) -> Self {
        Self { abs_rel, sq_rel, rmse, rmse_log, a1, a2, a3, silog, l1_inv }
    }

    fn scaled(&self, factor: f64) -> Self {
        Self::from_values(self.values().map(|value| value * factor))
    }
}

/// `(predicted, true)` of every pixel that counts.
fn counted(predicted: &Map, truth: &Map, options: &DepthOptions) -> Result<Vec<(f64, f64)>> {
    let (height, width) = (truth.height(), truth.width());
    if truth.values().is_empty() {
        return Ok(Vec::new());
    }
    let predicted = resized(predicted, height, width)?;
    // Garg et al.'s shares of the picture, rounded down as everyone does.
    let share = |fraction: f64, size: usize| (fraction * size as f64) as usize;
    let (rows, columns) = match options.crop {
        Crop::None => (0..height, 0..width),
        Crop::Nyu => ((45 * height / 480)..(471 * height / 480), (41 * width / 640)..(601 * width / 640)),
        Crop::Garg => (
            share(0.40810811, height)..share(0.99189189, height),
            share(0.03594771, width)..share(0.96405229, width),
        ),
    };
    let pixels = predicted.values().iter().zip(truth.values()).enumerate();
    Ok(pixels
        .filter(|(index, _)| rows.contains(&(index / width)) && columns.contains(&(index % width)))
        .map(|(_, (&d, &truth))| (if d > 1e-6 { f64::from(d) } else { 1e-6 }, f64::from(truth)))
        .filter(|(_, truth)| *truth > options.min_depth_m && *truth < options.max_depth_m)
        .collect())
}

/// Bilinear with aligned corners: the centres of the outermost pixels stay outermost.
pub(super) fn resized(map: &Map, height: usize, width: usize) -> Result<Map> {
    if (map.height(), map.width()) == (height, width) {
        return Ok(map.clone());
    }
    if map.values().is_empty() {
        return Err(Error::argument("predicted depth", "at least one pixel", "an empty map"));
    }
    let along = |index: usize, from: usize, to: usize| {
        let position = if to > 1 { index as f64 * (from - 1) as f64 / (to - 1) as f64 } else { 0.0 };
        let first = (position as usize).min(from - 1);
        (first, (first + 1).min(from - 1), (position - first as f64) as f32)
    };
    let at = |row, column| map.at(row, column).unwrap_or(0.0);
    let mut values = Vec::with_capacity(height * width);
    for row in 0..height {
        let (top, bottom, b) = along(row, map.height(), height);
        for column in 0..width {
            let (left, right, a) = along(column, map.width(), width);
            let upper = at(top, left) * (1.0 - a) + at(top, right) * a;
            let lower = at(bottom, left) * (1.0 - a) + at(bottom, right) * a;
            values.push(upper * (1.0 - b) + lower * b);
        }
    }
    Map::new(height, width, values)
}

/// The lower of the two middle values where their number is even, as PyTorch's median is.
fn lower_median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use candle_core::Tensor;
    use proptest::prelude::*;
    use safetensors::SafeTensors;

    use super::*;

    const GOLDEN: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/golden/train_style.safetensors");

    #[test]
    fn the_published_program_finds_the_same_errors() {
        let bytes = std::fs::read(GOLDEN).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let stored = header.metadata().as_ref().unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
        let maps = |name: &str| -> Vec<Map> {
            let all: &Tensor = &tensors[name];
            (0..all.dim(0).unwrap()).map(|i| Map::from_tensor(&all.get(i).unwrap()).unwrap()).collect()
        };
        let (inverse, truths) = (maps("eval_inv_depth"), maps("gt_depth"));
        assert_eq!(truths.len(), 2);
        for (crop, crop_name) in [(Crop::None, "none"), (Crop::Garg, "garg")] {
            for median_scaling in [false, true] {
                let options = DepthOptions { crop, median_scaling, ..DepthOptions::default() };
                let each: Vec<DepthMetrics> = inverse
                    .iter()
                    .zip(&truths)
                    .map(|(inverse, truth)| {
                        depth_metrics(&inverse.inverted(), truth, &options).unwrap().unwrap()
                    })
                    .collect();
                let ours = DepthMetrics::mean(&each).unwrap().values();
                let key = format!("metrics_crop_{crop_name}_gtscale_{}", u8::from(median_scaling));
                let theirs: Vec<f64> = serde_json::from_str(&stored[&key]).unwrap();
                for (name, (ours, theirs)) in NAMES.iter().zip(ours.iter().zip(&theirs)) {
                    assert!((ours - theirs).abs() < 2e-5 * theirs.abs(), "{key} {name}: {ours} vs {theirs}");
                }
            }
        }
    }

    const NAMES: [&str; 9] = ["abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3", "silog", "l1_inv"];

    #[test]
    fn nothing_to_compare_is_none_and_bad_caps_are_named() {
        let options = DepthOptions::default();
        let [unknown, ones] = [0.0, 1.0].map(|x| Map::new(2, 2, vec![x; 4]).unwrap());
        assert_eq!(depth_metrics(&ones, &unknown, &options).unwrap(), None);
        let empty = Map::new(0, 0, vec![]).unwrap();
        assert_eq!(depth_metrics(&ones, &empty, &options).unwrap(), None);
        assert!(depth_metrics(&empty, &ones, &options).is_err());
        let caps = DepthOptions { min_depth_m: 0.0, ..options };
        assert!(depth_metrics(&ones, &ones, &caps).unwrap_err().to_string().contains("0 < min < max"));
        assert!(DepthMetrics::mean(&[]).is_none());
    }

    /// Where the truth is 1 inside the crop and 2 outside, a prediction of 1 is right.
    #[test]
    fn the_nyu_crop_is_eigens() {
        let mut values = vec![2.0; 480 * 640];
        (45..471).for_each(|row| values[row * 640 + 41..row * 640 + 601].fill(1.0));
        let truth = Map::new(480, 640, values).unwrap();
        let ones = Map::new(480, 640, vec![1.0; 480 * 640]).unwrap();
        let options = DepthOptions { crop: Crop::Nyu, ..DepthOptions::default() };
        assert_eq!(depth_metrics(&ones, &truth, &options).unwrap().unwrap().abs_rel, 0.0);
        let all = DepthOptions { crop: Crop::None, ..options };
        let outside = 1.0 - (426.0 * 560.0) / (480.0 * 640.0);
        let found = depth_metrics(&ones, &truth, &all).unwrap().unwrap().abs_rel;
        assert!((found - 0.5 * outside).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_coarse_prediction_is_resized_with_aligned_corners() {
        let coarse = Map::new(2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let fine = resized(&coarse, 3, 3).unwrap();
        assert_eq!(fine.values(), [1.0, 1.5, 2.0, 2.0, 2.5, 3.0, 3.0, 3.5, 4.0]);
        assert_eq!(resized(&coarse, 1, 1).unwrap().values(), [1.0]);
    }

    proptest! {
        #[test]
        fn median_scaling_undoes_a_scale_and_metrics_are_finite(
            truth in prop::collection::vec(0.3f32..9.0, 12),
            scale in 0.1f32..10.0,
            broken in prop::sample::select(vec![0.0, -1.0, f32::NAN, f32::INFINITY]),
        ) {
            let truth = Map::new(3, 4, truth).unwrap();
            let options = DepthOptions { median_scaling: true, ..DepthOptions::default() };
            let metrics = depth_metrics(&truth.mapped(|d| d * scale), &truth, &options).unwrap().unwrap();
            prop_assert!(metrics.abs_rel < 1e-5 && metrics.a1 == 1.0, "{:?}", metrics);
            let holes = truth.mapped(|d| if d < 3.0 { broken } else { d });
            let metrics = depth_metrics(&holes, &truth, &DepthOptions::default()).unwrap().unwrap();
            prop_assert!(metrics.values().iter().all(|x| x.is_finite()), "{:?}", metrics);
        }
    }
}
