//! Starts where the search without weights ends.

use candle_core::{Device, Tensor};
use nalgebra::Isometry3;

use super::{GuideConfig, source::stream};
use crate::{
    Result, Sample, SampleStart, Solver, Views,
    patchmatch::{PatchMatchConfig, PatchMatchSolver},
    watch::Unshown,
};

/// Where a run of the search would end that found poses as wrong as the guide says: these poses, and the depth that the
/// search finds at them. It follows from the sample and its number. `None` if no depth is known, or nothing
/// moves.
///
/// # Errors
/// If the sample does not fit together.
pub(super) fn at_noisy_poses(
    sample: &Sample,
    guide: &GuideConfig,
    number: u64,
) -> Result<Option<SampleStart>> {
    let poses = guide.noisy(&sample.poses, &mut stream([number, 0], 3));
    let Some(range) = range(sample) else { return Ok(None) };
    let config = PatchMatchConfig { seed: number, ..PatchMatchConfig::default() };
    let inv_depth = PatchMatchSolver::new(config)?.depth(&views(sample)?, &poses, range)?;
    Ok(Some(SampleStart { inv_depth, poses }))
}

/// Where the search ends that knows the images alone, in units of the truth: by the median of true over found depth, or by the
/// longest translation where no depth is known. `None` where that says nothing.
///
/// # Errors
/// If the sample does not fit together.
pub(super) fn from_images(sample: &Sample, number: u64) -> Result<Option<SampleStart>> {
    let config = PatchMatchConfig { seed: number, ..PatchMatchConfig::default() };
    let found = PatchMatchSolver::new(config)?.solve(&views(sample)?, &mut Unshown(&|| false))?;
    let pairs = sample.depth.values().iter().zip(found.inv_depth.values());
    let mut ratios: Vec<f32> = pairs.filter(|(depth, _)| **depth > 0.0).map(|(d, x)| d * x).collect();
    ratios.sort_by(f32::total_cmp);
    let unit = match ratios.get(ratios.len() / 2) {
        Some(median) => f64::from(*median),
        None => longest_m(&sample.poses) / longest_m(&found.poses),
    };
    if !(unit > 0.0 && unit.is_finite()) {
        return Ok(None);
    }
    let inv_depth = found.inv_depth.mapped(|x| (f64::from(x) / unit) as f32);
    let mut poses = found.poses;
    poses.iter_mut().for_each(|pose| pose.translation.vector *= unit);
    Ok(Some(SampleStart { inv_depth, poses }))
}

/// Least and greatest inverse depth of the search, as it would choose them if it knew the truth.
fn range(sample: &Sample) -> Option<(f64, f64)> {
    let middle = 1.0 / sample.median_depth_m()?;
    let longest_m = longest_m(&sample.poses);
    let widest = sample.size.1 as f64 / (sample.camera.fx * longest_m);
    let range = (0.4 * middle, (10.0 * middle).min(widest).max(1.5 * middle));
    (longest_m > 0.0).then_some(range)
}

fn longest_m(poses: &[Isometry3<f64>]) -> f64 {
    poses.iter().map(|pose| pose.translation.vector.norm()).fold(0.0, f64::max)
}

fn views(sample: &Sample) -> Result<Views> {
    let (height, width) = sample.size;
    let image = |values: &Vec<f32>| Tensor::from_slice(values, (1, 3, height, width), &Device::Cpu);
    let mut images = sample.images.iter().map(image).collect::<candle_core::Result<Vec<_>>>()?.into_iter();
    let target = images.next().ok_or_else(|| crate::Error::argument("sample", "a target", "none"))?;
    Ok(Views { target, neighbours: images.collect(), camera: sample.camera })
}
