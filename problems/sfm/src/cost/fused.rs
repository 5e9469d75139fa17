//! The feature-metric cost in one pass over pixels: projection, sampling, difference and mean, without gradients.

use candle_core::{Device, Result, Tensor};
use dro_core::{Cost, cells::CpuValues};
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

use super::camera::Camera;
use crate::network::InverseDepthRange;

/// Features with the channels of a pixel side by side, so that a sample is four runs of memory.
#[derive(Debug)]
pub(super) struct FusedCost {
    /// `[batch, h·w, c]`.
    target: Vec<f32>,
    /// `[batch · count, h·w, c]`.
    neighbours: Vec<f32>,
    /// One per batch element.
    intrinsics: Vec<Matrix3<f64>>,
    range: InverseDepthRange,
    dims: Dims,
}

#[derive(Debug, Clone, Copy)]
struct Dims {
    count: usize,
    channels: usize,
    height: usize,
    width: usize,
}

/// Whose map is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maps {
    /// The mean over neighbours.
    Mean,
    /// Each neighbour's own.
    Each,
}

/// Pixels that are worked on together: their samples stay in the first cache until they are written channel by channel.
const TILE: usize = 16;
/// As in [`dro_vision::project_depth`].
const MIN_Z: f32 = 1e-5;

impl FusedCost {
    /// Arguments as of [`FeatureMetricCost::new`](super::FeatureMetricCost::new).
    pub(super) fn new(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
    ) -> Result<Self> {
        let (batch, channels, height, width) = target.dims4()?;
        let count = neighbours.dim(0)? / batch.max(1);
        let side_by_side = |x: &Tensor| x.flatten_from(2)?.transpose(1, 2)?.flatten_all()?.to_vec1::<f32>();
        let k = intrinsics.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(Self {
            target: side_by_side(target)?,
            neighbours: side_by_side(neighbours)?,
            intrinsics: k.chunks_exact(9).map(Matrix3::from_row_slice).collect(),
            range,
            dims: Dims { count, channels, height, width },
        })
    }

    /// * `inverse_depth`: `[batch, 1, h, w]`, unscaled
    /// * `poses`: `[batch, count, 6]`
    pub(super) fn evaluate(&self, inverse_depth: &Tensor, poses: &Tensor, maps: Maps) -> Result<Cost> {
        let Dims { count, channels, height, width } = self.dims;
        let batch = self.intrinsics.len();
        let inverse = self.range.scale(inverse_depth)?.contiguous()?;
        let inverse = CpuValues::of(&inverse)?;
        let cameras = self.cameras(&poses.flatten_all()?.to_vec1()?);

        let each = if maps == Maps::Mean { 1 } else { count };
        let mut out = vec![0f32; batch * each * channels * height * width];
        // For every row of every batch element, the piece of each channel of its maps.
        let mut rows: Vec<Vec<&mut [f32]>> = (0..batch * height).map(|_| Vec::new()).collect();
        for (plane, values) in out.chunks_exact_mut((height * width).max(1)).enumerate() {
            let first = plane / (each * channels) * height;
            for (y, row) in values.chunks_exact_mut(width).enumerate() {
                rows[first + y].push(row);
            }
        }
        let job = |(index, mut out): (usize, Vec<&mut [f32]>)| {
            let (b, y) = (index / height, index % height);
            let inverse = &inverse.as_slice()[index * width..][..width];
            self.row(b, y, inverse, &cameras[b * count..][..count], maps, &mut out)
        };
        let sums: Vec<f64> = rows.into_par_iter().enumerate().map(job).collect();

        let numbers = (each * channels * height * width) as f64;
        let totals: Vec<f32> =
            sums.chunks_exact(height).map(|sums| (sums.iter().sum::<f64>() / numbers) as f32).collect();
        let map = Tensor::from_vec(out, (batch * each, channels, height, width), &Device::Cpu)?;
        Ok(Cost { total: Tensor::new(totals, &Device::Cpu)?, map: Some(map) })
    }

    /// One per pair.
    fn cameras(&self, poses: &[f32]) -> Vec<Camera> {
        let camera = |(i, pose): (usize, &[f32])| {
            let pose = std::array::from_fn(|k| pose.get(k).map_or(0.0, |&v| f64::from(v)));
            Camera::new(&self.intrinsics[i / self.dims.count], &pose)
        };
        poses.chunks_exact(6).enumerate().map(camera).collect()
    }

    /// Row `y` of the maps of batch element `b`, into `out`: a piece per map and channel. Gives its sum.
    fn row(
        &self,
        b: usize,
        y: usize,
        inverse: &[f32],
        cameras: &[Camera],
        maps: Maps,
        out: &mut [&mut [f32]],
    ) -> f64 {
        let Dims { count, channels, height, width } = self.dims;
        let (plane, nothing) = (height * width * channels, vec![0f32; channels]);
        let target = &self.target[b * plane + y * width * channels..][..width * channels];
        let mut tile = vec![0f32; TILE * channels];
        let mut sum = 0.0;
        for start in (0..width).step_by(TILE) {
            let pixels = TILE.min(width - start);
            tile.fill(0.0);
            for (i, Camera { turned, moved }) in cameras.iter().enumerate() {
                let neighbour = &self.neighbours[(b * count + i) * plane..][..plane];
                for (p, sample) in tile.chunks_exact_mut(channels).take(pixels).enumerate() {
                    let x = start + p;
                    let point = turned * Vector3::new(x as f32, y as f32, 1.0) * depth(inverse[x]) + moved;
                    let z = point.z.max(MIN_Z);
                    let (corners, weights) =
                        corners(neighbour, &nothing, (point.x / z, point.y / z), (height, width));
                    add_squares(&target[x * channels..][..channels], corners, weights, sample);
                }
                let last = i + 1 == count;
                if maps == Maps::Each || last {
                    let scale = if maps == Maps::Mean { 1.0 / count as f32 } else { 1.0 };
                    let first = if maps == Maps::Mean { 0 } else { i * channels };
                    for (c, out) in out[first..first + channels].iter_mut().enumerate() {
                        let values = tile[c..].iter().step_by(channels);
                        out[start..start + pixels]
                            .iter_mut()
                            .zip(values)
                            .for_each(|(out, v)| *out = v * scale);
                    }
                    sum += f64::from(scale) * sum_of(&tile[..pixels * channels]);
                    tile.fill(0.0);
                }
            }
        }
        sum
    }
}

/// As [`dro_vision::depth_from_inverse`].
fn depth(inverse: f32) -> f32 {
    if inverse > 0.0 { 1.0 / inverse.max(1e-6) } else { 0.0 }
}

/// The four pixels around `(x, y)` and their bilinear weights; `nothing` where one is outside, as in
/// [`dro_kernels::grid_sample`].
fn corners<'a>(
    image: &'a [f32],
    nothing: &'a [f32],
    (x, y): (f32, f32),
    (height, width): (usize, usize),
) -> ([&'a [f32]; 4], [f32; 4]) {
    // NaN fails the comparisons.
    if !(x >= -1.0 && x < width as f32 && y >= -1.0 && y < height as f32) {
        return ([nothing; 4], [0.0; 4]);
    }
    let (left, top) = (x.floor(), y.floor());
    let (a, b) = (x - left, y - top);
    // From −1, so that the first comparison below can be made in unsigned numbers.
    let (column, row) = ((left + 1.0) as usize, (top + 1.0) as usize);
    let channels = nothing.len();
    let at = |row: usize, column: usize| {
        if (1..=height).contains(&row) && (1..=width).contains(&column) {
            &image[((row - 1) * width + column - 1) * channels..][..channels]
        } else {
            nothing
        }
    };
    (
        [at(row, column), at(row, column + 1), at(row + 1, column), at(row + 1, column + 1)],
        [(1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b],
    )
}

/// `out += (target − Σ weight · corner)²`, channel by channel.
fn add_squares(target: &[f32], corners: [&[f32]; 4], weights: [f32; 4], out: &mut [f32]) {
    let [p, q, r, s] = corners;
    let samples = p.iter().zip(q).zip(r.iter().zip(s));
    for ((out, &target), ((&p, &q), (&r, &s))) in out.iter_mut().zip(target).zip(samples) {
        let difference = target - (p * weights[0] + q * weights[1] + r * weights[2] + s * weights[3]);
        *out += difference * difference;
    }
}

/// In eight sums, which the compiler keeps in one register.
fn sum_of(values: &[f32]) -> f64 {
    let chunks = values.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().sum();
    let mut sums = [0f32; 8];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    f64::from(sums.iter().sum::<f32>() + rest)
}
