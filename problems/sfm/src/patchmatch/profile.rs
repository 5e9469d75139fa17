//! Poses judged by what they cost after every pixel took its best depth.
//!
//! `E(poses) = Σₚ minₓ Σₙ Cₙ(p, where pose n sees p at inverse depth x)`: depth is projected out (variable projection;
//! Golub & Pereyra 1973), so that the search is over five numbers for one neighbour and six more for each other.

use nalgebra::{Isometry3, Translation3, Unit, UnitQuaternion, Vector3};
use rayon::prelude::*;

use super::{
    cma::lowest,
    relative::{EPIPOLAR_PX, MATCHES_WEIGHT},
    volume::Volume,
};
use crate::cost::EpipolarCost;

/// Inverse depths tried for every pixel, at least.
const PLANES: usize = 32;
/// Pixels between two of them, at most.
const PLANE_PX: f64 = 1.5;
/// What a depth quite unlike its surroundings' costs, as a share of what chance costs.
const PRICE: f32 = 0.3;
/// Displacements that differ by this many pixels are quite unlike.
const REACH_PX: f32 = 2.0;

/// One or several neighbours' volumes of one target, and the inverse depths to try.
pub(super) struct Profile<'a> {
    pub(super) volumes: Vec<&'a Volume>,
    pub(super) inv_depths: Vec<f32>,
    pub(super) focal_px: f64,
    /// Matched points of each neighbour, where there are any; they count in searches only.
    pub(super) matches: Vec<Option<&'a EpipolarCost>>,
}

impl<'a> Profile<'a> {
    /// Inverse depths are even from 0 to `upper`.
    pub(super) fn new(volumes: Vec<&'a Volume>, upper: f64, focal_px: f64) -> Self {
        let planes = ((upper * focal_px / PLANE_PX).ceil() as usize).clamp(PLANES, 4 * PLANES);
        let at = |i: usize| (upper * i as f64 / (planes - 1) as f64) as f32;
        Self { volumes, inv_depths: (0..planes).map(at).collect(), focal_px, matches: Vec::new() }
    }

    /// With what matched points cost in searches.
    pub(super) fn with_matches(self, matches: Vec<Option<&'a EpipolarCost>>) -> Self {
        Self { matches, ..self }
    }

    /// What searches minimize.
    fn searched(&self, poses: &[Isometry3<f64>]) -> f64 {
        let of = |(pose, matches): (&Isometry3<f64>, &Option<&EpipolarCost>)| {
            matches.map_or(0.0, |matches| matches.at(pose, EPIPOLAR_PX))
        };
        let sum: f64 = poses.iter().zip(&self.matches).map(of).sum();
        self.total(poses) + MATCHES_WEIGHT * sum / poses.len().max(1) as f64
    }

    /// Calls `f` with each pixel's costs at every inverse depth.
    fn each(&self, poses: &[Isometry3<f64>], mut f: impl FnMut(usize, &[f32])) {
        let warps: Vec<_> = self.volumes.iter().zip(poses).map(|(v, p)| v.linear(p)).collect();
        let mut costs = vec![0f32; self.inv_depths.len()];
        for pixel in 0..self.volumes.first().map_or(0, |v| v.len()) {
            costs.fill(0.0);
            for (volume, warp) in self.volumes.iter().zip(&warps) {
                volume.add(warp, pixel, &self.inv_depths, &mut costs);
            }
            f(pixel, &costs);
        }
    }

    /// The cost as a share of what it would be if nothing matched better than by chance.
    ///
    /// A pixel pays for a depth unlike its surroundings': else the poses win that let every pixel choose among the
    /// most places.
    pub(super) fn total(&self, poses: &[Isometry3<f64>]) -> f64 {
        let k = self.inv_depths.len();
        let mut all = Vec::with_capacity(k * self.volumes.first().map_or(0, |v| v.len()));
        self.each(poses, |_, costs| all.extend_from_slice(costs));
        let around = if k > 1 { self.surroundings(&all) } else { vec![0.0; all.len()] };
        let scale = self.focal_px as f32 / REACH_PX;
        let mut sum = 0.0;
        for (pixel, (costs, x0)) in all.chunks(k).zip(around).enumerate() {
            let price = PRICE * self.volumes.iter().map(|v| v.unseen(pixel)).sum::<f32>();
            let cost = costs
                .iter()
                .zip(&self.inv_depths)
                .fold(f32::INFINITY, |best, (c, x)| best.min(c + price * (scale * (x - x0).abs()).min(1.0)));
            sum += f64::from(cost);
        }
        sum / self.volumes.iter().map(|v| v.ceiling()).sum::<f64>().max(1e-9)
    }

    /// Around each pixel the mean of the cheapest inverse depths, those counting more that gain more.
    fn surroundings(&self, all: &[f32]) -> Vec<f32> {
        let k = self.inv_depths.len();
        let own: Vec<(f32, f32)> = all
            .chunks(k)
            .map(|costs| {
                let mut best = (f32::INFINITY, 0.0);
                let mut sum = 0.0;
                for (&c, &x) in costs.iter().zip(&self.inv_depths) {
                    sum += c;
                    if c < best.0 {
                        best = (c, x);
                    }
                }
                let gain = sum / k as f32 - best.0 + 1e-3;
                (best.1 * gain, gain)
            })
            .collect();
        let columns = self.volumes.first().map_or(1, |v| v.columns).max(1);
        let rows = own.len() / columns;
        let mut out = Vec::with_capacity(own.len());
        for y in 0..rows {
            for x in 0..columns {
                let (mut sum, mut weight) = (0.0, 0.0);
                for row in y.saturating_sub(2)..(y + 3).min(rows) {
                    for (s, w) in
                        &own[row * columns + x.saturating_sub(2)..row * columns + (x + 3).min(columns)]
                    {
                        sum += s;
                        weight += w;
                    }
                }
                out.push(sum / weight);
            }
        }
        out
    }

    /// Every pixel's best inverse depth, and how much it gains over the mean of the others.
    pub(super) fn depths(&self, poses: &[Isometry3<f64>]) -> Vec<(f32, f32)> {
        let mut found = Vec::new();
        self.each(poses, |_, costs| {
            let best = (0..costs.len()).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
            let mean = costs.iter().sum::<f32>() / costs.len() as f32;
            found.push((self.inv_depths[best], mean - costs[best]));
        });
        found
    }

    /// The weighted mean of [`depths`](Self::depths).
    fn mean_depth(&self, poses: &[Isometry3<f64>]) -> f64 {
        let (sum, weight) = self
            .depths(poses)
            .into_iter()
            .fold((0.0, 1e-9), |(s, w), (x, g)| (s + f64::from(x * g), w + f64::from(g)));
        sum / weight
    }

    /// The best poses that `evaluations` of CMA-ES find around `start`; the first baseline keeps its length 1.
    /// `spread` is the first step of directions in radians and of rotations in pixels.
    pub(super) fn search(
        &self,
        start: &[Isometry3<f64>],
        (mean, spread): (f64, (f64, f64)),
        evaluations: usize,
        seed: u64,
    ) -> (f64, Vec<Isometry3<f64>>) {
        let dim = 6 * start.len() - 1;
        let decode = |v: &[f64]| self.moved(start, mean, spread, v);
        let (total, v) = lowest(dim, 1.0, evaluations, seed, |v| self.searched(&decode(v)));
        (total, decode(&v))
    }

    fn moved(
        &self,
        start: &[Isometry3<f64>],
        mean: f64,
        (direction, pixels): (f64, f64),
        v: &[f64],
    ) -> Vec<Isometry3<f64>> {
        let at = |i: usize| v.get(i).copied().unwrap_or(0.0);
        let moved = start.iter().enumerate().map(|(n, pose)| {
            let before = pose.translation.vector;
            // Five numbers for the first, six for each other.
            let first = (6 * n).saturating_sub(usize::from(n > 0));
            let turn = Vector3::new(at(first), at(first + 1), at(first + 2)) * (pixels / self.focal_px);
            let (e1, e2) = across(&before);
            let length = before.norm();
            let mut t = before + length * direction * (at(first + 3) * e1 + at(first + 4) * e2);
            t *= length / t.norm().max(1e-12);
            if n > 0 {
                t *= (direction * at(first + 5)).exp();
            }
            // Sideways steps come with the rotation that keeps points of mean depth where they are seen.
            let change = t - before;
            let turn = turn + Vector3::new(change.y, -change.x, 0.0) * mean;
            Isometry3::from_parts(
                Translation3::from(t),
                UnitQuaternion::from_scaled_axis(turn) * pose.rotation,
            )
        });
        moved.collect()
    }

    /// The best rotation about `base` of a camera that stands still.
    pub(super) fn rotation(
        &self,
        base: UnitQuaternion<f64>,
        pixels: f64,
        evaluations: usize,
        seed: u64,
    ) -> (f64, UnitQuaternion<f64>) {
        let decode = |v: &[f64]| {
            let v = Vector3::new(v[0], v[1], v[2]) * (pixels / self.focal_px);
            UnitQuaternion::from_scaled_axis(v) * base
        };
        let still =
            Profile { volumes: self.volumes.clone(), inv_depths: vec![0.0], matches: Vec::new(), ..*self };
        let (total, v) = lowest(3, 1.0, evaluations, seed, |v| {
            still.total(&[Isometry3::from_parts(Translation3::identity(), decode(v))])
        });
        (total, decode(&v))
    }

    /// The best poses of one neighbour from many directions, best first.
    pub(super) fn directions(
        &self,
        rotation: UnitQuaternion<f64>,
        evaluations: usize,
        kept: usize,
        seed: u64,
    ) -> Vec<(f64, Isometry3<f64>)> {
        let upper = f64::from(self.inv_depths.last().copied().unwrap_or(1.0));
        let mean = 0.3 * upper;
        let starts: Vec<_> = sphere(18).collect();
        let found = starts.into_par_iter().enumerate().map(|(i, t)| {
            let turn = UnitQuaternion::from_scaled_axis(Vector3::new(t.y, -t.x, 0.0) * mean);
            let start = Isometry3::from_parts(Translation3::from(t), turn * rotation);
            let seed = super::search::mixed(seed, i as u64);
            let (total, poses) = self.search(&[start], (mean, (0.3, 1.5)), evaluations, seed);
            (total, poses[0])
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(kept);
        found
    }

    /// Each of `starts` refined, best first.
    pub(super) fn refined(
        &self,
        starts: Vec<Vec<Isometry3<f64>>>,
        spread: (f64, f64),
        evaluations: usize,
        seed: u64,
    ) -> Vec<(f64, Vec<Isometry3<f64>>)> {
        let found = starts.into_par_iter().enumerate().map(|(i, start)| {
            let mean = self.mean_depth(&start);
            self.search(&start, (mean, spread), evaluations, super::search::mixed(seed, i as u64))
        });
        let mut found: Vec<_> = found.collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }
}

/// Two directions across a vector and each other.
pub(super) fn across(v: &Vector3<f64>) -> (Vector3<f64>, Vector3<f64>) {
    let axis = Unit::try_new(*v, 1e-12).unwrap_or(Vector3::z_axis());
    let other = if axis.z.abs() < 0.9 { Vector3::z() } else { Vector3::x() };
    let e1 = axis.cross(&other).normalize();
    (e1, axis.cross(&e1))
}

/// `n` directions spread evenly over the sphere (the Fibonacci lattice; González 2010).
pub(super) fn sphere(n: usize) -> impl Iterator<Item = Vector3<f64>> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..n).map(move |i| {
        let z = 1.0 - (2.0 * i as f64 + 1.0) / n as f64;
        let (r, angle) = ((1.0 - z * z).sqrt(), golden * i as f64);
        Vector3::new(r * angle.cos(), r * angle.sin(), z)
    })
}
