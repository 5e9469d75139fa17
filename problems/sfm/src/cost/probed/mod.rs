//! The cost at a point and at a few probes around it: what a learned rule needs to see which way is down.

mod census;
mod config;
mod features;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use dro_core::{BlockId, Cost, CostFunction, Point, Space};
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

use super::camera::Camera;
use crate::{
    Error, Result,
    network::{InverseDepthRange, STRIDE},
};
use census::CensusMaps;
pub use config::{Comparison, ProbeConfig};
use features::FeatureMaps;

/// What differences of costs are multiplied by, to be numbers about as large as other inputs of a network.
const GAIN: f32 = 8.0;

/// Cost of a place that a neighbour does not see: that of a match that may be right or wrong.
const UNSEEN: f32 = 0.5;

/// A cost whose maps hold its values at the point and at probes around it, for learned rules of compact networks.
///
/// One value of a cost has no direction: a rule that sees nothing else must remember what it tried, over many updates
/// (arXiv 2103.13201). Here every update tries a few candidates, as zeroth-order optimizers with populations do
/// (antithetic pairs: Spall 1992), and the map says what each cost. No derivative is taken, in training neither: maps are
/// constants for back-propagation, so the comparison may be one that has no derivative ([`Comparison::Census`]).
///
/// Costs are in [0, 1]; a place that a neighbour does not see costs 0.5. With c the cost at the point and a and b those of a
/// pair of probes, one step forward and one back, a pair's *slope* is `s = 8·(a − b)/2`, its *curvature*
/// `q = 8·((a + b)/2 − c)`, and its *vertex* `−s / (2·max(q, 0) + |s| + 0.01)`: where the parabola through the three is lowest, in
/// steps, damped to be between −1 and 1. Maps, at 1/8 of the image:
/// - `inverse_depth`: `[batch, 11, h, w]`: each cell's cost, mean over the neighbours that see it; slope and curvature for
///   each d of [`ProbeConfig::inverse_depth`] (forward: inverse depth times `1 + d`, back: over `1 + d`); their vertices; the share of
///   neighbours that see the cell.
/// - `poses`: `[batch · neighbours, 83, h, w]`: each cell's cost; slopes and curvatures of 16 pairs (six axes, and two in which a
///   turn undoes the shift of a translation, at two distances); whether the neighbour sees the cell; then, everywhere the same,
///   the means of the first 33 channels over the cells that are seen, and the vertices of those means.
///
/// The total is the mean cost c of all cells and neighbours. Values are computed on the CPU and brought to the features'
/// device.
#[derive(Debug, Clone)]
pub struct ProbedCost {
    space: Space,
    maps: Arc<Maps>,
    /// At 1/8, one per batch element.
    intrinsics: Vec<Matrix3<f64>>,
    range: InverseDepthRange,
    probes: ProbeConfig,
    dims: Dims,
    device: Device,
    dtype: DType,
}

/// Sizes at 1/8 of the image.
#[derive(Debug, Clone, Copy)]
struct Dims {
    count: usize,
    height: usize,
    width: usize,
}

impl Dims {
    fn plane(&self) -> usize {
        self.height * self.width
    }
}

/// What places are compared by.
#[derive(Debug)]
enum Maps {
    Features(FeatureMaps),
    Census(CensusMaps),
}

impl Maps {
    /// The cost of matching cell `cell` of target `b` with the place `at` (in cells) of neighbour `pair`; `None` if
    /// that is outside.
    fn cost(&self, b: usize, pair: usize, cell: (usize, usize), at: (f32, f32)) -> Option<f32> {
        match self {
            Self::Features(maps) => maps.cost(b, pair, cell, at),
            Self::Census(maps) => maps.cost(b, pair, cell, at),
        }
    }
}

impl ProbedCost {
    /// By [`ProbeConfig::comparison`] from features, `target` `[batch, c, h, w]`, or from images in [0, 1], `[batch, 3, 8·h, 8·w]`;
    /// `neighbours` likewise with `batch · neighbours` in front, batch-major. `intrinsics` `[batch, 3, 3]` at `h × w`. Gradients
    /// end here.
    ///
    /// # Errors
    /// If a probe is out of range or shapes do not fit.
    pub fn new(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
        probes: ProbeConfig,
    ) -> Result<Self> {
        probes.validate()?;
        let (batch, _, height, width) = target.dims4()?;
        let pairs = neighbours.dim(0)?;
        let (maps, height, width) = match probes.comparison {
            Comparison::Features => (Maps::Features(FeatureMaps::new(target, neighbours)?), height, width),
            Comparison::Census => {
                (Maps::Census(CensusMaps::new(target, neighbours)?), height / STRIDE, width / STRIDE)
            }
        };
        if batch * height * width == 0
            || pairs == 0
            || pairs % batch != 0
            || target.dims()[1..] != neighbours.dims()[1..]
        {
            let found = format!("{:?} and {:?}", target.dims(), neighbours.dims());
            return Err(Error::argument("neighbours", "as many of the target's size for each target", found));
        }
        let k = intrinsics.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        if k.dims() != [batch, 3, 3] {
            return Err(Error::argument("intrinsics", format!("[{batch}, 3, 3]"), format!("{:?}", k.dims())));
        }
        let k = k.flatten_all()?.to_vec1::<f64>()?;
        let dims = Dims { count: pairs / batch, height, width };
        Ok(Self {
            space: super::sfm_space(height, width, dims.count)?,
            maps: Arc::new(maps),
            intrinsics: k.chunks_exact(9).map(Matrix3::from_row_slice).collect(),
            range,
            probes,
            dims,
            device: target.device().clone(),
            dtype: target.dtype(),
        })
    }

    /// What each cell costs in the total, which is the mean of these, `[batch, 1, h, w]`, from the cost of `inverse_depth`. While poses
    /// stay, a cell's depends on its own depth alone.
    ///
    /// # Errors
    /// If `cost` has no map of inverse depth.
    pub fn cells(cost: &Cost) -> dro_core::Result<Tensor> {
        let map = cost.map_for("inverse_depth")?;
        let (own, seen) = (map.narrow(1, 0, 1)?, map.narrow(1, ProbeConfig::DEPTH_CHANNELS - 1, 1)?);
        Ok((((own - f64::from(UNSEEN))? * seen)? + f64::from(UNSEEN))?)
    }

    fn values(&self, x: &Tensor) -> Result<Vec<f32>> {
        Ok(x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    /// Each neighbour's cost of a cell, by how the cell's inverse depth is seen from there.
    fn cell(
        &self,
        b: usize,
        pair: usize,
        (y, x): (usize, usize),
        camera: &Camera,
        inverse: f32,
    ) -> Option<f32> {
        let ray = camera.turned * Vector3::new(x as f32, y as f32, 1.0);
        let seen = ray + camera.moved * inverse;
        if !(seen.z > 1e-3) {
            return None;
        }
        self.maps.cost(b, pair, (y, x), (seen.x / seen.z, seen.y / seen.z))
    }

    /// The map of inverse depth, and the totals.
    fn depth_map(&self, inverse: &[f32], poses: &[[f64; 6]]) -> (Vec<f32>, Vec<f32>) {
        let (factors, channels) = (self.probes.factors(), ProbeConfig::DEPTH_CHANNELS);
        let Dims { count, height, width } = self.dims;
        let cameras: Vec<Camera> = poses
            .iter()
            .enumerate()
            .map(|(i, pose)| Camera::new(&self.intrinsics[i / count], pose))
            .collect();
        // Row by row, channels inside, put in order below; and each row's sum of all neighbours' costs.
        let (rows, sums): (Vec<Vec<f32>>, Vec<f32>) = (0..self.intrinsics.len() * height)
            .into_par_iter()
            .map(|row| {
                let (b, y) = (row / height, row % height);
                let mut out = vec![0f32; channels * width];
                let mut total = 0f32;
                for x in 0..width {
                    let own = inverse[row * width + x].max(1e-6);
                    for (channel, factor) in factors.iter().enumerate() {
                        let (mut sum, mut seen) = (0f32, 0usize);
                        for (pair, camera) in (b * count..).zip(&cameras[b * count..][..count]) {
                            if let Some(cost) = self.cell(b, pair, (y, x), camera, own * factor) {
                                sum += cost;
                                seen += 1;
                            }
                        }
                        out[channel * width + x] = if seen > 0 { sum / seen as f32 } else { UNSEEN };
                        if channel == 0 {
                            out[(channels - 1) * width + x] = seen as f32 / count as f32;
                            total += sum + UNSEEN * (count - seen) as f32;
                        }
                    }
                }
                differences(&mut out[..factors.len() * width], width);
                let (pairs, vertices) = out.split_at_mut(factors.len() * width);
                for (pair, vertices) in
                    pairs[width..].chunks_exact(2 * width).zip(vertices.chunks_exact_mut(width))
                {
                    for (x, vertex) in vertices.iter_mut().enumerate() {
                        *vertex = vertex_of(pair[x], pair[width + x]);
                    }
                }
                (out, total)
            })
            .unzip();
        let cells = (self.dims.plane() * count) as f32;
        let totals = sums.chunks_exact(height).map(|sums| sums.iter().sum::<f32>() / cells).collect();
        (self.ordered(&rows, channels), totals)
    }

    /// The map of poses, and the totals.
    fn pose_map(&self, inverse: &[f32], poses: &[[f64; 6]]) -> (Vec<f32>, Vec<f32>) {
        let Dims { count, height, width } = self.dims;
        let plane = self.dims.plane();
        let own = ProbeConfig::POSES + 1;
        let cameras: Vec<Vec<Camera>> = poses
            .iter()
            .enumerate()
            .map(|(pair, pose)| {
                let middle = median(&inverse[pair / count * plane..][..plane]);
                let around = self.probes.moves(f64::from(middle));
                let moved = |step: [f64; 6]| std::array::from_fn(|i| pose[i] + step[i]);
                around
                    .into_iter()
                    .map(|step| Camera::new(&self.intrinsics[pair / count], &moved(step)))
                    .collect()
            })
            .collect();
        let rows: Vec<Vec<f32>> = (0..poses.len() * height)
            .into_par_iter()
            .map(|row| {
                let (pair, y) = (row / height, row % height);
                let b = pair / count;
                let mut out = vec![0f32; own * width];
                for x in 0..width {
                    let inverse = inverse[(b * height + y) * width + x].max(1e-6);
                    let here = self.cell(b, pair, (y, x), &cameras[pair][0], inverse);
                    out[x] = here.unwrap_or(UNSEEN);
                    out[(own - 1) * width + x] = f32::from(u8::from(here.is_some()));
                    for (channel, camera) in cameras[pair].iter().enumerate().skip(1) {
                        // Where a probe leaves the picture nothing is learned: as if it cost the same.
                        let cost = self.cell(b, pair, (y, x), camera, inverse);
                        out[channel * width + x] = cost.unwrap_or(out[x]);
                    }
                }
                differences(&mut out[..(own - 1) * width], width);
                out
            })
            .collect();
        let local = self.ordered(&rows, own);
        let costs: Vec<f32> =
            local.chunks_exact(own * plane).map(|maps| maps[..plane].iter().sum()).collect();
        let cells = (plane * count) as f32;
        let totals = costs.chunks_exact(count).map(|costs| costs.iter().sum::<f32>() / cells).collect();
        let mut out = Vec::with_capacity(poses.len() * ProbeConfig::POSE_CHANNELS * plane);
        for maps in local.chunks_exact(own * plane) {
            out.extend_from_slice(maps);
            let seen = &maps[(own - 1) * plane..];
            let weight = seen.iter().sum::<f32>().max(1.0);
            let mean = |map: &[f32]| map.iter().zip(seen).map(|(x, seen)| x * seen).sum::<f32>() / weight;
            let mut means: Vec<f32> = maps.chunks_exact(plane).take(own - 1).map(mean).collect();
            for pair in 0..ProbeConfig::POSE_PAIRS {
                means.push(vertex_of(means[1 + 2 * pair], means[2 + 2 * pair]));
            }
            for mean in means {
                out.extend(std::iter::repeat_n(mean, plane));
            }
        }
        (out, totals)
    }

    /// Rows of all channels → maps `[n, channels, height, width]`.
    fn ordered(&self, rows: &[Vec<f32>], channels: usize) -> Vec<f32> {
        let Dims { height, width, .. } = self.dims;
        let mut out = vec![0f32; rows.len() * channels * width];
        for (row, values) in rows.iter().enumerate() {
            let (n, y) = (row / height, row % height);
            for (channel, values) in values.chunks_exact(width).enumerate() {
                out[((n * channels + channel) * height + y) * width..][..width].copy_from_slice(values);
            }
        }
        out
    }

    fn evaluate_at(&self, at: &Point, block: BlockId) -> Result<Cost> {
        let inverse = self.values(&self.range.scale(at.get(super::INVERSE_DEPTH))?)?;
        let poses: Vec<[f64; 6]> = self
            .values(at.get(super::POSES))?
            .chunks_exact(6)
            .map(|pose| std::array::from_fn(|i| f64::from(pose[i])))
            .collect();
        let (cells, pairs) =
            (self.intrinsics.len() * self.dims.plane(), self.intrinsics.len() * self.dims.count);
        if (inverse.len(), poses.len()) != (cells, pairs) {
            let found = format!("{} and {}", inverse.len(), poses.len());
            return Err(Error::argument("point", format!("{cells} inverse depths and {pairs} poses"), found));
        }
        let ((map, totals), n, channels) = if block == super::INVERSE_DEPTH {
            (self.depth_map(&inverse, &poses), self.intrinsics.len(), ProbeConfig::DEPTH_CHANNELS)
        } else {
            (self.pose_map(&inverse, &poses), poses.len(), ProbeConfig::POSE_CHANNELS)
        };
        let map = Tensor::from_vec(map, (n, channels, self.dims.height, self.dims.width), &Device::Cpu)?;
        Ok(Cost {
            total: Tensor::new(totals, &self.device)?,
            map: Some(map.to_dtype(self.dtype)?.to_device(&self.device)?),
        })
    }
}

/// Rows of costs (at the point, then of pairs) → the cost, then each pair's slope and curvature.
fn differences(rows: &mut [f32], width: usize) {
    let (here, around) = rows.split_at_mut(width);
    for pair in around.chunks_exact_mut(2 * width) {
        let (up, down) = pair.split_at_mut(width);
        for ((up, down), here) in up.iter_mut().zip(down).zip(&*here) {
            let (a, b) = (*up, *down);
            (*up, *down) = (GAIN * 0.5 * (a - b), GAIN * (0.5 * (a + b) - here));
        }
    }
}

/// Where the parabola of a pair is lowest, in steps, damped.
fn vertex_of(slope: f32, curvature: f32) -> f32 {
    -slope / (2.0 * curvature.max(0.0) + slope.abs() + 0.01)
}

impl CostFunction for ProbedCost {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        self.evaluate_at(at, block).map_err(dro_core::Error::outside)
    }
}

fn median(values: &[f32]) -> f32 {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
}
