//! What depth to expect where images say little: that of the surroundings where they say more.

use candle_core::{Device, Tensor};
use dro_vision::Pinhole;
use nalgebra::{Isometry3, Matrix3, Point3, Vector3};
use rayon::prelude::*;

use super::{pyramid::enlarged, relative::Relative};
use crate::{Map, Result, cost::MatchedPoint};

/// A place in the image, pixels, and the inverse depth there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) at: [f64; 2],
    pub(super) inverse: f64,
}

impl Known {
    /// In the image at `scale` times its size.
    pub(super) fn scaled(self, scale: f64) -> Self {
        Self { at: self.at.map(|at| (at + 0.5) * scale - 0.5), ..self }
    }
}

/// Known places that are asked.
const NEAREST: usize = 24;
/// Distance at which one counts half, as a part of the image's width; a slope is believed where they spread farther.
const REACH: f64 = 0.05;
/// Deviations from a common plane at which a place counts half, as a part of its inverse depth: first and then.
const ALIKE: [f64; 3] = [0.4, 0.2, 0.1];
/// What slopes must explain to be believed, as a part of all weight.
const RIDGE: f64 = 1.0;
/// How far beyond the nearest places' inverse depths a plane may lead, as a factor.
const BEYOND: f64 = 1.25;
/// Pixels between the places that are worked out; between them values are interpolated.
const GRID_PX: usize = 8;

/// The matched points of each neighbour, in its order, by its pose.
pub(super) fn matched(
    matches: &[Option<Relative>],
    poses: &[Isometry3<f64>],
    camera: &Pinhole,
) -> Vec<Known> {
    let pairs = matches.iter().zip(poses).filter_map(|(relative, pose)| Some((relative.as_ref()?, pose)));
    let points = pairs.flat_map(|(relative, pose)| relative.matches.points(pose));
    let known = |point: MatchedPoint| {
        let at = camera.project(&Point3::from(point.ray))?;
        Some(Known { at: [at.x, at.y], inverse: point.inverse })
    };
    points.filter_map(known).collect()
}

/// At every pixel the inverse depth of the plane through the nearest known places, which is linear in the image; robust, as some
/// are wrong and some belong to something else (moving least squares, Lancaster & Salkauskas 1981, reweighted). `None` where
/// nothing is known.
pub(super) fn inverse_depth(known: &[Known], (height, width): (usize, usize)) -> Result<Option<Map>> {
    if known.is_empty() {
        return Ok(None);
    }
    let (rows, columns) = (height.div_ceil(GRID_PX), width.div_ceil(GRID_PX));
    let reach_px = REACH * width as f64;
    let middle = |i: usize, count: usize, side: usize| (i as f64 + 0.5) / count as f64 * side as f64 - 0.5;
    let at = |i: usize| {
        let place = [middle(i % columns, columns, width), middle(i / columns, rows, height)];
        expected(known, place, reach_px) as f32
    };
    let grid: Vec<f32> = (0..rows * columns).into_par_iter().map(at).collect();
    let grid = Tensor::from_vec(grid, (1, 1, rows, columns), &Device::Cpu)?;
    Ok(Some(Map::from_tensor(&enlarged(&grid, (height, width))?)?))
}

fn expected(known: &[Known], [x, y]: [f64; 2], reach_px: f64) -> f64 {
    // Offsets over the reach, inverse depth, weight.
    let mut near: Vec<(Vector3<f64>, f64, f64)> = known
        .iter()
        .map(|k| {
            let (dx, dy) = ((k.at[0] - x) / reach_px, (k.at[1] - y) / reach_px);
            (Vector3::new(1.0, dx, dy), k.inverse, 1.0 / (1.0 + dx * dx + dy * dy))
        })
        .collect();
    if near.len() > NEAREST {
        near.select_nth_unstable_by(NEAREST, |a, b| b.2.total_cmp(&a.2));
        near.truncate(NEAREST);
    }
    near.sort_by(|a, b| a.1.total_cmp(&b.1));
    let whole: f64 = near.iter().map(|n| n.2).sum();
    let mut sum = 0.0;
    let median = near.iter().find(|n| {
        sum += n.2;
        sum >= 0.5 * whole
    });
    let (least, most) = (near.first().map_or(0.0, |n| n.1), near.last().map_or(0.0, |n| n.1));
    let mut plane = Vector3::new(median.map_or(most, |n| n.1), 0.0, 0.0);
    for alike in ALIKE {
        let mut left = Matrix3::zeros();
        let mut right = Vector3::zeros();
        for (place, inverse, weight) in &near {
            let off = (inverse - plane.dot(place)) / (alike * inverse);
            let weight = weight / (1.0 + off * off);
            left += weight * place * place.transpose();
            right += weight * inverse * place;
        }
        let slope = RIDGE * left[(0, 0)];
        left += Matrix3::from_diagonal(&Vector3::new(0.0, slope, slope));
        if let Some(found) = left.lu().solve(&right) {
            plane = found;
        }
    }
    if plane.x.is_finite() { plane.x.clamp(least / BEYOND, BEYOND * most) } else { most }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A plane's inverse depth is linear in the image: it is found between the known places, and a little beyond, though one in
    /// five is wrong.
    #[test]
    fn planes_are_continued() {
        let (height, width) = (96, 128);
        let plane = |x: f64, y: f64| 0.2 + 0.001 * x - 0.0005 * y;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let known: Vec<Known> = (0..150)
            .map(|i| {
                let at = [rng.random_range(30.0..100.0), rng.random_range(20.0..80.0)];
                let inverse = if i % 5 == 0 { rng.random_range(0.05..0.6) } else { plane(at[0], at[1]) };
                Known { at, inverse }
            })
            .collect();
        let found = inverse_depth(&known, (height, width)).unwrap().unwrap();
        for (y, x) in [(40, 64), (30, 40), (70, 90), (50, 104), (14, 60)] {
            let (found, truth) = (f64::from(found.at(y, x).unwrap()), plane(x as f64, y as f64));
            assert!((found / truth - 1.0).abs() < 0.05, "{x}, {y}: {found}, not {truth}");
        }
        assert!(found.values().iter().all(|x| *x > 0.0 && x.is_finite()));
    }

    #[test]
    fn little_is_known() {
        assert!(inverse_depth(&[], (16, 16)).unwrap().is_none());
        let one = inverse_depth(&[Known { at: [3.0, 4.0], inverse: 0.5 }], (17, 23)).unwrap().unwrap();
        assert!(one.values().iter().all(|x| (x - 0.5).abs() < 0.01), "{one:?}");
    }
}
