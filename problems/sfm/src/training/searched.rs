//! Starts where the search without weights ends.

use candle_core::{Device, Tensor};

use super::{GuideConfig, source::stream};
use crate::{
    Result, Sample, SampleStart, Solver, Views,
    patchmatch::{PatchMatchConfig, PatchMatchSolver, longest, nearest},
    sorted::Sorted,
    watch::Unshown,
};

/// Where a run of the search would end that found poses as wrong as the guide says: these poses, and the depth that the
/// search finds at them. It follows from the sample and its number. `None` if no depth is known, or nothing moves.
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
    let ratios = pairs.filter(|(depth, _)| **depth > 0.0).map(|(d, x)| d * x);
    let unit = match Sorted::new(ratios).median() {
        Some(median) => median,
        None => longest(&sample.poses) / longest(&found.poses),
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
    let (middle, longest_m) = (1.0 / sample.median_depth_m()?, longest(&sample.poses));
    // Its unit is the longest baseline.
    let most = nearest(middle * longest_m, &sample.camera, sample.size.1) / longest_m;
    (longest_m > 0.0).then_some((0.4 * middle, most))
}

fn views(sample: &Sample) -> Result<Views> {
    let (height, width) = sample.size;
    let image = |values: &Vec<f32>| Tensor::from_slice(values, (1, 3, height, width), &Device::Cpu);
    let mut images = sample.images.iter().map(image).collect::<candle_core::Result<Vec<_>>>()?.into_iter();
    let target = images.next().ok_or_else(|| crate::Error::argument("sample", "a target", "none"))?;
    Ok(Views { target, neighbours: images.collect(), camera: sample.camera })
}
