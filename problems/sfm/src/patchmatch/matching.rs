//! Which descriptors of two images are of the same thing.

use std::collections::{BTreeSet, HashMap};

use candle_core::{Device, Tensor};
use dro_core::vectorized;
use dro_vision::Pinhole;
use nalgebra::{Isometry3, Matrix3, Vector3};
use rayon::prelude::*;

use super::keypoints::{Keypoints, LENGTH};
use crate::Result;

/// Places in two images, pixels.
pub(super) type Matches = Vec<[[f32; 2]; 2]>;

/// Corners nearer to each other than this are one, pixels: the same corner at two sizes is no rival to itself.
const SAME_PX: f32 = 6.0;
/// Descriptors that are compared with all others at a time.
const COMPARED: usize = 1024;
/// Distance from the line by a pose of places that may match, pixels.
const BESIDE_PX: f32 = 1.0;

/// What may match.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// From a place `(x, y, 1)` to the line that it is on in the other image; anywhere without.
    lines: Option<Matrix3<f64>>,
    /// A match must be nearer than the next best that may match by this (Lowe, IJCV 2004), and nearer than that.
    ratio: f32,
    nearest: f32,
}

impl Rule {
    /// All rivals of an image: what is clearly better than they are is a match, however different it is.
    pub(super) const ANYWHERE: Self = Self { lines: None, ratio: 0.8, nearest: f32::INFINITY };

    /// Along the lines by a pose (guided matching; Hartley & Zisserman, section 11.6). Rivals are few there, so that being better than they
    /// are says less, and how much alike things are more.
    pub(super) fn along(pose: &Isometry3<f64>, camera: &Pinhole) -> Self {
        let back = camera.matrix().try_inverse();
        let essential = pose.translation.vector.cross_matrix() * pose.rotation.to_rotation_matrix();
        Self { lines: back.map(|back| back.transpose() * essential * back), ratio: 0.9, nearest: 0.6 }
    }

    /// For places of the other image.
    fn back(self) -> Self {
        Self { lines: self.lines.map(|lines| lines.transpose()), ..self }
    }

    /// The best of some rivals, by place and by how much alike they are, where it is clearly better than the next best.
    fn best(&self, places: &[[f32; 2]], rivals: impl Iterator<Item = (usize, f32)> + Clone) -> Option<usize> {
        let (best, most) = rivals.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let [x, y] = places[best];
        let apart = |(j, _): &(usize, f32)| {
            let [u, v] = places[*j];
            (u - x).powi(2) + (v - y).powi(2) > SAME_PX * SAME_PX
        };
        let second = rivals.filter(apart).fold(-1f32, |most, (_, alike)| most.max(alike));
        // Of unit vectors: |a − b|² = 2 − 2 a·b.
        let distance = |alike: f32| (2.0 - 2.0 * alike).max(0.0).sqrt();
        (distance(most) < self.nearest.min(self.ratio * distance(second))).then_some(best)
    }
}

impl Keypoints {
    /// Places here and in `other` that are each other's best, and clearly better than the next best.
    pub(super) fn matches(&self, other: &Self, rule: Rule) -> Result<Matches> {
        let there = self.best_in(other, (0..self.places.len()).collect(), rule)?;
        // Few are left, so that the way back is short.
        let ends: BTreeSet<usize> = there.iter().map(|(_, j)| *j).collect();
        let back = other.best_in(self, ends.into_iter().collect(), rule.back())?;
        let back: HashMap<usize, usize> = back.into_iter().collect();
        let mutual = there.into_iter().filter(|(i, j)| back.get(j) == Some(i));
        Ok(mutual.map(|(i, j)| [self.places[i], other.places[j]]).collect())
    }

    /// Of each of some descriptors here the best in `other` that may match it, where it is clearly better than the next best.
    fn best_in(&self, other: &Self, some: Vec<usize>, rule: Rule) -> Result<Vec<(usize, usize)>> {
        match &rule.lines {
            Some(lines) => Ok(self.best_along(other, some, rule, lines)),
            None => self.best_anywhere(other, some, rule),
        }
    }

    /// All are compared with all: a matrix product.
    fn best_anywhere(&self, other: &Self, some: Vec<usize>, rule: Rule) -> Result<Vec<(usize, usize)>> {
        let count = other.places.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let others = Tensor::from_slice(&other.descriptors, (count, LENGTH), &Device::Cpu)?.t()?;
        let mut found = Vec::new();
        for some in some.chunks(COMPARED) {
            let own = some.iter().flat_map(|i| self.descriptor(*i));
            let own = Tensor::from_vec(own.copied().collect(), (some.len(), LENGTH), &Device::Cpu)?;
            let alike = own.matmul(&others)?.flatten_all()?.to_vec1::<f32>()?;
            let best = |(&i, alike): (&usize, &[f32])| {
                Some((i, rule.best(&other.places, alike.iter().copied().enumerate())?))
            };
            found.par_extend(some.par_iter().zip(alike.par_chunks_exact(count)).filter_map(best));
        }
        Ok(found)
    }

    /// Few are near a line.
    fn best_along(
        &self,
        other: &Self,
        some: Vec<usize>,
        rule: Rule,
        lines: &Matrix3<f64>,
    ) -> Vec<(usize, usize)> {
        let [across, down] = [0, 1].map(|i| other.places.iter().map(|place| place[i]).collect::<Vec<f32>>());
        let best = |(off, rivals): &mut (Vec<f32>, Vec<(usize, f32)>), i: usize| {
            let [x, y] = self.places[i].map(f64::from);
            let line = lines * Vector3::new(x, y, 1.0);
            let line = (line / line.xy().norm().max(1e-12)).map(|v| v as f32);
            let own = self.descriptor(i);
            vectorized(
                #[inline(always)]
                || {
                    off.clear();
                    off.extend(
                        across.iter().zip(&down).map(|(x, y)| (line.x * x + line.y * y + line.z).abs()),
                    );
                    let near = off.iter().enumerate().filter(|(_, off)| **off < BESIDE_PX);
                    rivals.clear();
                    rivals.extend(near.map(|(j, _)| (j, product(own, other.descriptor(j)))));
                },
            );
            Some((i, rule.best(&other.places, rivals.iter().copied())?))
        };
        some.into_par_iter().map_init(Default::default, best).flatten().collect()
    }
}

/// Of two descriptors.
#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        super::{keypoints::Corners, shape},
        *,
    };
    use crate::Map;

    const SIZE: (usize, usize) = (120, 160);

    /// A wall whose pattern is the same again every `period` rows, moved to the left.
    fn described(period: f32, left: f32) -> Keypoints {
        let value = |i: usize| {
            let (x, y) = ((i % SIZE.1) as f32 + left, (i / SIZE.1) as f32 * std::f32::consts::TAU / period);
            let wave = |k: u32| {
                let k = k as f32;
                (x * (0.11 + 0.03 * k) + 1.7 * k * k + 2.0 * y.sin()).sin()
                    * (y * k + 0.9 * k + (0.05 * k * x).cos()).cos()
            };
            0.5 + 0.1 * (1..6).map(wave).sum::<f32>()
        };
        let picture = Map::new(SIZE.0, SIZE.1, (0..SIZE.0 * SIZE.1).map(value).collect()).unwrap();
        Corners::new(&picture, 400).unwrap().described(&[shape::upright()])
    }

    /// By a camera that moved to the right all lines are level: what is above and below on the wall is no rival.
    #[test]
    fn what_repeats_is_matched_along_lines() {
        let (here, there) = (described(40.0, 0.0), described(40.0, 6.5));
        let right = |rule| {
            let matches = here.matches(&there, rule).unwrap();
            let right = matches.iter().filter(|[[x, y], [u, v]]| (x - u - 6.5).hypot(y - v) < 1.5);
            (right.count(), matches.len())
        };
        let camera = Pinhole::from_fov_deg(60.0, SIZE.0, SIZE.1).unwrap();
        let moved = Isometry3::translation(-0.3, 0.0, 0.0);
        let (anywhere, along) = (right(Rule::ANYWHERE), right(Rule::along(&moved, &camera)));
        assert!(along.0 > 60 && along.0 * 10 >= along.1 * 9, "{along:?}");
        assert!(anywhere.0 * 4 < along.0, "{anywhere:?} and {along:?}");
    }

    /// What would be somewhere else by the pose.
    #[test]
    fn nothing_is_matched_away_from_lines() {
        let (here, there) = (described(150.0, 0.0), described(150.0, 6.5));
        let camera = Pinhole::from_fov_deg(60.0, SIZE.0, SIZE.1).unwrap();
        let count = |pose| here.matches(&there, Rule::along(&pose, &camera)).unwrap().len();
        let (level, upright) =
            (Isometry3::translation(-0.3, 0.0, 0.0), Isometry3::translation(0.0, 0.3, 0.0));
        assert!(
            count(level) > 60 && count(upright) * 8 < count(level),
            "{} and {}",
            count(level),
            count(upright)
        );
    }
}
