//! Runs that start near the truth.

use candle_core::{Device, Tensor};
use dro_core::Point;
use dro_vision::euler;
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Map, Result, Sample,
    cost::{INVERSE_DEPTH, POSES},
    network::{InverseDepthRange, STRIDE, cell_middles},
};

/// How often, and how near to the truth, runs start in training.
///
/// A cost of wrong poses says nothing about depth. So a network whose heads know no poses yet cannot learn to optimise
/// depth; where poses start near the truth, it can. The heads learn all the same: the start values that the loss sees are
/// theirs. Where another solver finds the start
/// ([`StartValues::Search`](crate::weights::StartValues)) the heads are not trained, and validation starts like training;
/// otherwise it starts where the heads say.
///
/// In use a run that starts by search starts where the search is wrong, which no noise resembles. With `search` it does
/// in training too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuideConfig {
    /// Part of the samples whose poses start near the truth, 0 to 1; and, drawn by itself, whose depth does where `depth` is
    /// above 0.
    pub share: f64,
    /// Standard deviation of the rotation's error about each axis at most, degrees; each sample draws its own part of it.
    pub rotation_deg: f64,
    /// Likewise of the translation's error along each axis, in parts of its length.
    pub translation: f64,
    /// Likewise of the logarithm of depth: mostly smooth, a third of it each cell's own, twice of it in few rectangles.
    pub depth: f64,
    /// Whether samples start where the search without weights ends, all of them. Generated scenes: at poses with the noise above
    /// ([`PatchMatchSolver::depth`](crate::patchmatch::PatchMatchSolver::depth)). Recorded sequences: from the images alone, in
    /// units of the truth, as true poses may be less true than those found. `share` and `depth` apply in phases with no stages
    /// only, where nothing searches.
    pub search: bool,
    /// Whether generated scenes, too, start where the search ends that knows the images alone, as runs do in use.
    pub images: bool,
}

/// Part of the noise that is each cell's own.
const CELLS: f64 = 0.3;
/// Rectangles, up to a quarter as high and wide as the map, that are off as a whole.
const PATCHES: usize = 3;

impl GuideConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("share", self.share, 1.0),
            ("rotation_deg", self.rotation_deg, 90.0),
            ("translation", self.translation, 10.0),
            ("depth", self.depth, 3.0),
        ];
        for (name, value, most) in ranges {
            if !(0.0..=most).contains(&value) {
                return Err(Error::argument(format!("guide.{name}"), format!("0 to {most}"), value));
            }
        }
        if self.images && !self.search {
            return Err(Error::argument("guide.images", "false, or guide.search = true", true));
        }
        Ok(())
    }

    /// Where the poses of a sample start, unless the heads say.
    fn poses(&self, truth: &[Isometry3<f64>], rng: &mut ChaCha8Rng) -> Option<Vec<Isometry3<f64>>> {
        rng.random_bool(self.share).then(|| self.noisy(truth, rng))
    }

    /// Poses with noise.
    pub(super) fn noisy(&self, truth: &[Isometry3<f64>], rng: &mut ChaCha8Rng) -> Vec<Isometry3<f64>> {
        let part: f64 = rng.random_range(0.0..=1.0);
        let mut noise = |deviation: f64| {
            Vector3::from([(); 3].map(|()| part * deviation * rng.sample::<f64, _>(StandardNormal)))
        };
        let moved = |pose: &Isometry3<f64>| {
            let turn = UnitQuaternion::from_scaled_axis(noise(self.rotation_deg.to_radians()));
            let shift = noise(self.translation * pose.translation.vector.norm());
            Isometry3::from_parts((pose.translation.vector + shift).into(), turn * pose.rotation)
        };
        truth.iter().map(moved).collect()
    }

    /// Where the inverse depth of a sample starts, 1/m at 1/8 of the image, unless the heads say.
    fn inverse_depth(&self, depth_m: &Map, rng: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let mut known: Vec<f32> = depth_m.values().iter().copied().filter(|depth| *depth > 0.0).collect();
        if self.depth == 0.0 || known.is_empty() || !rng.random_bool(self.share) {
            return None;
        }
        let middle = known.len() / 2;
        let median = *known.select_nth_unstable_by(middle, f32::total_cmp).1;
        let deviation = rng.random_range(0.0..=self.depth);
        let mut normal = || deviation * rng.sample::<f64, _>(StandardNormal);
        // Smooth noise is linear between a few places of the map.
        let places: [[f64; 5]; 4] = std::array::from_fn(|_| std::array::from_fn(|_| normal()));
        let (rows, columns) = (depth_m.height() / STRIDE, depth_m.width() / STRIDE);
        let mut normal = || deviation * rng.sample::<f64, _>(StandardNormal);
        let mut noise: Vec<f64> = (0..rows * columns)
            .map(|i| {
                let v = 3.0 * (i / columns) as f64 / (rows.max(2) - 1) as f64;
                let u = 4.0 * (i % columns) as f64 / (columns.max(2) - 1) as f64;
                let (top, left) = ((v as usize).min(2), (u as usize).min(3));
                let (dy, dx) = (v - top as f64, u - left as f64);
                let across = |row: [f64; 5]| row[left] * (1.0 - dx) + row[left + 1] * dx;
                0.7 * (across(places[top]) * (1.0 - dy) + across(places[top + 1]) * dy) + CELLS * normal()
            })
            .collect();
        for _ in 0..PATCHES {
            let (y, x) = (rng.random_range(0..rows), rng.random_range(0..columns));
            let (down, across) =
                (rng.random_range(1..=rows.div_ceil(4)), rng.random_range(1..=columns.div_ceil(4)));
            let far = 2.0 * deviation * rng.sample::<f64, _>(StandardNormal);
            for row in noise.chunks_exact_mut(columns).skip(y).take(down) {
                row.iter_mut().skip(x).take(across).for_each(|noise| *noise += far);
            }
        }
        let cell = |(i, noise): (usize, f64)| {
            let (y, x) = (i / columns * STRIDE + STRIDE / 2, i % columns * STRIDE + STRIDE / 2);
            let depth = depth_m.values()[y * depth_m.width() + x];
            let depth = if depth > 0.0 { depth } else { median };
            (f64::from(depth).recip() * noise.exp()) as f32
        };
        Some(noise.into_iter().enumerate().map(cell).collect())
    }
}

/// What a batch starts from.
#[derive(Debug, Clone)]
pub struct Guide {
    /// `[batch, neighbours, 6]`.
    poses: Tensor,
    /// `[batch, 1, 1]`: 1 where they are used, 0 where the heads' are.
    poses_used: Tensor,
    /// `[batch, 1, h/8, w/8]`, unscaled.
    inverse_depth: Tensor,
    /// `[batch, 1, 1, 1]`, likewise.
    depth_used: Tensor,
    /// The inverse depth that the search found, 1/m, `[batch, 1, h, w]`, where all samples start by it.
    pub(super) searched: Option<Tensor>,
}

impl Guide {
    /// For samples, each with its own random numbers; `None` where none is guided. A sample's own start comes before
    /// what would be drawn.
    pub(super) fn draw<'a>(
        config: &GuideConfig,
        samples: impl Iterator<Item = (&'a Sample, ChaCha8Rng)>,
        range: InverseDepthRange,
        device: &Device,
    ) -> Result<Option<Self>> {
        let (mut poses, mut poses_used, mut depths, mut depth_used) = (vec![], vec![], vec![], vec![]);
        let (mut neighbours, mut size) = (0, (0, 0));
        let (scale, shift) = range.scale_and_shift();
        let mut searched = Vec::new();
        for (sample, mut rng) in samples {
            let flag = |used: bool| f32::from(u8::from(used));
            let own = sample.start.as_ref();
            searched.push(own.map(|own| own.inv_depth.to_tensor(device)).transpose()?);
            let starts = own.map(|own| own.poses.clone()).or_else(|| config.poses(&sample.poses, &mut rng));
            poses_used.push(flag(starts.is_some()));
            let starts = starts.unwrap_or_else(|| sample.poses.clone());
            neighbours = starts.len();
            poses.extend(starts.iter().flat_map(|pose| euler::parameters(pose).data.0[0]).map(|x| x as f32));
            size = (sample.size.0 / STRIDE, sample.size.1 / STRIDE);
            let start = own.map(|own| cell_middles(&own.inv_depth));
            let start = start.or_else(|| config.inverse_depth(&sample.depth, &mut rng));
            depth_used.push(flag(start.is_some()));
            let start = start.unwrap_or_else(|| vec![0.0; size.0 * size.1]);
            depths.extend(start.iter().map(|x| ((f64::from(*x) - shift) / scale).clamp(0.0, 1.0) as f32));
        }
        if poses_used.iter().chain(&depth_used).all(|used| *used == 0.0) {
            return Ok(None);
        }
        let batch = poses_used.len();
        let searched: Option<Vec<Tensor>> = searched.into_iter().collect();
        Ok(Some(Self {
            poses: Tensor::from_vec(poses, (batch, neighbours, 6), device)?,
            poses_used: Tensor::from_vec(poses_used, (batch, 1, 1), device)?,
            inverse_depth: Tensor::from_vec(depths, (batch, 1, size.0, size.1), device)?,
            depth_used: Tensor::from_vec(depth_used, (batch, 1, 1, 1), device)?,
            searched: searched.map(|maps| Tensor::cat(&maps, 0)).transpose()?,
        }))
    }

    /// The part of a batch.
    pub(super) fn part(&self, first: usize, count: usize) -> Result<Self> {
        let cut = |x: &Tensor| x.narrow(0, first, count)?.contiguous();
        Ok(Self {
            poses: cut(&self.poses)?,
            poses_used: cut(&self.poses_used)?,
            inverse_depth: cut(&self.inverse_depth)?,
            depth_used: cut(&self.depth_used)?,
            searched: self.searched.as_ref().map(cut).transpose()?,
        })
    }

    /// The start values with these in the places of the heads'.
    pub(super) fn applied(&self, start: &Point) -> Result<Point> {
        let mixed = |heads: &Tensor, own: &Tensor, used: &Tensor| -> Result<Tensor> {
            Ok((heads + (own - heads)?.broadcast_mul(used)?)?)
        };
        let poses = mixed(start.get(POSES), &self.poses, &self.poses_used)?;
        let inverse_depth = mixed(start.get(INVERSE_DEPTH), &self.inverse_depth, &self.depth_used)?;
        Ok(start.with(POSES, poses)?.with(INVERSE_DEPTH, inverse_depth)?)
    }
}
