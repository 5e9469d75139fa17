//! The pose of one neighbour from matched points alone, whatever the distance between the cameras.
//!
//! How many matches a pose explains has plateaus and many basins. So the count is first made soft, over many pixels, and then
//! harder (graduated non-convexity; Blake & Zisserman 1987), and at each step minimized by [`CmaEs`](super::CmaEs) from what is best so far.

use std::collections::HashSet;

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    cma::lowest,
    five_points,
    keypoints::{Corners, Keypoints},
    matching::{Matches, Rule},
    profile::{across, sphere},
    pyramid::Pictures,
    search::mixed,
    shape,
};
use crate::{Map, Result, cost::EpipolarCost};

/// Distance from the epipolar line that counts half, pixels: in the end, and what the matches weigh in later searches with.
pub(super) const EPIPOLAR_PX: f64 = 1.5;
/// What they weigh against the mean cost of pixels.
pub(super) const MATCHES_WEIGHT: f64 = 1.0;
/// How soft the search begins, as a part of what a rotation alone leaves.
const SOFT: f64 = 0.5;
/// Directions of translation tried.
const DIRECTIONS: usize = 24;
/// Points of an image.
const KEYPOINTS: usize = 2500;
/// Images wider than this are reduced to it, pixels.
const MOST_WIDE: usize = 960;
/// Best poses by directions that are searched on.
const FROM_DIRECTIONS: usize = 4;
/// Sets of five matches that are drawn.
const SAMPLES: usize = 400;
/// How many poses are searched on: as many as this number of matches would be judged with, within limits. Few matches are quickly judged,
/// and have many basins.
const JUDGED: usize = 6000;
const SEARCHED: (usize, usize) = (12, 64);
/// Rotations nearer than this to each other are alike, radians, and directions nearer than four times this.
const ALIKE: f64 = 0.02;
/// Where fewer upright descriptors agree, slanted ones are matched too.
const ENOUGH: usize = 100;
/// Matches that begin and end within this many pixels are of the same thing.
const SAME_PX: f32 = 3.0;
/// Where none of these match, they are turned by as many parts of a full turn.
const ROLLS: usize = 8;
/// Fewer matches are not searched, and fewer that agree are chance.
const FEWEST: usize = 20;
/// Nor is a smaller share of them believed.
const SHARE: f64 = 0.3;
/// Distance from the epipolar line of matches that are found once the pose is known, pixels: nothing else speaks for them.
const GUIDED_PX: f64 = 0.75;
/// The part of what is matched along lines that others must second: along those of a wrong pose, or one that is not precise, it is less.
const GUIDED_SHARE: f64 = 0.7;

/// A pose that matches agree on.
pub(super) struct Relative {
    /// Translation of length 1.
    pub(super) pose: Isometry3<f64>,
    /// The rotation that explains most without a translation.
    pub(super) still: UnitQuaternion<f64>,
    /// Those that agree.
    pub(super) matches: EpipolarCost,
    /// More, if they are believed, that were found along the lines of the pose: they tell depth. Of the pose they say nothing, as it chose them.
    along: Option<EpipolarCost>,
}

impl Relative {
    /// How far apart the best rotation leaves matched points, the median in pixels.
    pub(super) fn parallax_px(&self) -> f64 {
        self.matches.left_px(&self.still, 500)
    }

    /// The matches that tell depth.
    pub(super) fn telling(&self) -> &EpipolarCost {
        self.along.as_ref().unwrap_or(&self.matches)
    }
}

/// What matched points of the target and each neighbour agree on; images are grey, of the camera's size.
pub(super) fn matched(pictures: &Pictures, seed: u64) -> Result<Vec<Option<Relative>>> {
    let pictures = pictures.limited(MOST_WIDE)?;
    let target = Side::new(&Corners::new(&pictures.target, KEYPOINTS)?, 0.0);
    let found = |(n, neighbour): (usize, &Map)| {
        let corners = Corners::new(neighbour, KEYPOINTS)?;
        let found = found(&target, &corners, &pictures.camera, mixed(seed, n as u64))?;
        let Some((relative, there)) = found else { return Ok(None) };
        guided(relative, &target, &there, &pictures.camera, pictures.size().1).map(Some)
    };
    pictures.neighbours.par_iter().enumerate().map(found).collect()
}

/// Descriptors of one of the images.
struct Side {
    upright: Keypoints,
    /// As surfaces look that are turned away, upright ones among them.
    slanted: Keypoints,
}

impl Side {
    /// Turned by `roll`, radians.
    fn new(corners: &Corners, roll: f32) -> Self {
        let turned = shape::rolled(roll);
        let shapes: Vec<_> = shape::slanted().into_iter().map(|slanted| turned * slanted).collect();
        let slanted = corners.described(&shapes);
        // The first of the shapes is upright.
        Self { upright: slanted.first(slanted.places.len() / shapes.len()), slanted }
    }

    /// What matches where a surface is turned away in one of the images: slanted descriptors of each against upright ones of the other.
    /// One match of those that are of the same thing, which is found at several sizes and in several shapes.
    fn slanted(&self, other: &Self, rule: Rule) -> Result<Matches> {
        let mut matches = self.slanted.matches(&other.upright, rule)?;
        matches.extend(self.upright.matches(&other.slanted, rule)?);
        let mut cells = HashSet::new();
        matches.retain(|ends| cells.insert(ends.map(|at| at.map(|x| (x / SAME_PX) as i32))));
        Ok(matches)
    }
}

/// The pose that most matches agree on, of upright descriptors, slanted ones where few do and turned ones where none are believed, and the
/// neighbour's descriptors by which it was found.
fn found(target: &Side, corners: &Corners, camera: &Pinhole, seed: u64) -> Result<Option<(Relative, Side)>> {
    let agreed = |matches: &Matches, roll| agreed(&EpipolarCost::new(matches, camera), roll, seed);
    let count = |found: &Option<Relative>| found.as_ref().map_or(0, |found| found.matches.len());
    let there = Side::new(corners, 0.0);
    let mut most = agreed(&target.upright.matches(&there.upright, Rule::ANYWHERE)?, 0.0);
    if count(&most) < ENOUGH {
        let slanted = agreed(&target.slanted(&there, Rule::ANYWHERE)?, 0.0);
        if count(&slanted) > count(&most) {
            most = slanted;
        }
    }
    if let Some(found) = most {
        return Ok(Some((found, there)));
    }
    let (matches, roll) = rolled(target, corners)?;
    let found = agreed(&matches, f64::from(roll));
    Ok(found.map(|found| (found, Side::new(corners, roll))))
}

/// With the matches that are found along its lines, of points that agree with each other, where they are more, and most of all that are found.
fn guided(
    relative: Relative,
    target: &Side,
    there: &Side,
    camera: &Pinhole,
    width: usize,
) -> Result<Relative> {
    let Relative { pose, matches, .. } = &relative;
    let along = target.slanted(there, Rule::along(pose, camera))?;
    let more = EpipolarCost::new(&along, camera).explained(pose, GUIDED_PX);
    let more = more.seconded(pose, f64::from(SAME_PX), width as f64);
    let believed = more.len() > matches.len() && more.len() as f64 >= GUIDED_SHARE * along.len() as f64;
    Ok(Relative { along: believed.then_some(more), ..relative })
}

/// What matches by the roll of the second camera, radians, by which most do.
fn rolled(target: &Side, corners: &Corners) -> Result<(Matches, f32)> {
    let mut most = (Matches::new(), 0.0);
    for roll in (1..ROLLS).map(|i| i as f32 * std::f32::consts::TAU / ROLLS as f32) {
        let there = corners.described(&[shape::rolled(roll)]);
        let matches = target.upright.matches(&there, Rule::ANYWHERE)?;
        if matches.len() > most.0.len() {
            most = (matches, roll);
        }
    }
    Ok(most)
}

/// The rotation that explains most matches without a translation, to within some pixels and from one that is near.
pub(super) fn best_rotation(
    matches: &EpipolarCost,
    near: &UnitQuaternion<f64>,
    reach_px: f64,
    seed: u64,
) -> UnitQuaternion<f64> {
    let turned = |v: &[f64]| UnitQuaternion::from_scaled_axis(Vector3::new(v[0], v[1], v[2])) * near;
    let (_, v) = lowest(3, 0.1, 300, seed, |v| matches.of_rotation(&turned(v), reach_px));
    turned(&v)
}

/// `None` where matches are few or do not agree; the cameras roll by about `roll`, radians.
fn agreed(matches: &EpipolarCost, roll: f64, seed: u64) -> Option<Relative> {
    if matches.len() < FEWEST {
        return None;
    }
    let rolled = UnitQuaternion::from_scaled_axis(Vector3::z() * roll);
    let rotation = best_rotation(matches, &rolled, 30.0, mixed(seed, 0));

    let starts: Vec<Isometry3<f64>> =
        sphere(DIRECTIONS).map(|t| Isometry3::from_parts(Translation3::from(t), rotation)).collect();
    // As soft as what the rotation leaves is large: softer, and all directions seem alike.
    let soft_px = (SOFT * matches.left_px(&rotation, 500)).clamp(EPIPOLAR_PX, 12.0);
    let harder_px = (soft_px * EPIPOLAR_PX).sqrt();
    let mut found = refined(matches, &starts, (soft_px, 0.3), 400, mixed(seed, 1));
    found.truncate(FROM_DIRECTIONS);
    let most = (JUDGED / matches.len()).clamp(SEARCHED.0, SEARCHED.1);
    found.extend(sampled(matches, harder_px, most - FROM_DIRECTIONS, mixed(seed, 2)));
    for (kept, reach_px, step, evaluations) in
        [(most, harder_px, 0.1, 400), (most / 3, EPIPOLAR_PX, 0.03, 1200)]
    {
        found = distinct(found, kept);
        let starts: Vec<_> = found.iter().map(|(_, pose)| *pose).collect();
        found = refined(matches, &starts, (reach_px, step), evaluations, mixed(seed, kept as u64));
    }
    let (_, pose) = found.into_iter().next()?;
    let agreeing = matches.explained(&pose, EPIPOLAR_PX);
    let enough = agreeing.len() >= FEWEST && agreeing.len() as f64 >= SHARE * matches.len() as f64;
    enough.then_some(Relative { pose, still: rotation, matches: agreeing, along: None })
}

/// At most `most` of them, the first of those that are much alike.
fn distinct(all: Vec<(f64, Isometry3<f64>)>, most: usize) -> Vec<(f64, Isometry3<f64>)> {
    let mut kept = Vec::<(f64, Isometry3<f64>)>::with_capacity(most);
    for (cost, pose) in all {
        let alike = |(_, other): &(f64, Isometry3<f64>)| {
            pose.rotation.angle_to(&other.rotation) < ALIKE
                && pose.translation.vector.angle(&other.translation.vector) < 4.0 * ALIKE
        };
        if kept.len() < most && !kept.iter().any(alike) {
            kept.push((cost, pose));
        }
    }
    kept
}

/// Poses by five points each of matches drawn at random (RANSAC; Fischler & Bolles 1981), the best first, of those that are much alike
/// only one. They reach basins that are narrow, such as those of driving ahead, and both of those where nearly all points are on a plane.
fn sampled(matches: &EpipolarCost, reach_px: f64, most: usize, seed: u64) -> Vec<(f64, Isometry3<f64>)> {
    let drawn = |i: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(mixed(seed, i as u64));
        let picked = rand::seq::index::sample(&mut rng, matches.len(), 5);
        let poses = five_points::poses(&[0, 1, 2, 3, 4].map(|i| matches.rays()[picked.index(i)]));
        let judged = poses.into_iter().map(|pose| (matches.at(&pose, reach_px), pose));
        judged.collect::<Vec<_>>()
    };
    let mut drawn: Vec<_> = (0..SAMPLES).into_par_iter().flat_map_iter(drawn).collect();
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    distinct(drawn, most)
}

/// Each start refined, best first; `step` is the first step of directions in radians, half of it that of rotations.
fn refined(
    matches: &EpipolarCost,
    starts: &[Isometry3<f64>],
    (reach_px, step): (f64, f64),
    evaluations: usize,
    seed: u64,
) -> Vec<(f64, Isometry3<f64>)> {
    let search = |(i, start): (usize, &Isometry3<f64>)| {
        let t = start.translation.vector;
        let (e1, e2) = across(&t);
        let moved = |v: &[f64]| {
            let turn = UnitQuaternion::from_scaled_axis(Vector3::new(v[0], v[1], v[2]) * 0.5);
            let t = (t + e1 * v[3] + e2 * v[4]).normalize();
            Isometry3::from_parts(Translation3::from(t), turn * start.rotation)
        };
        let (cost, v) =
            lowest(5, step, evaluations, mixed(seed, i as u64), |v| matches.at(&moved(v), reach_px));
        (cost, moved(&v))
    };
    let mut found = starts.par_iter().enumerate().map(search).collect::<Vec<_>>();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::Rng;

    use super::*;

    fn camera() -> Pinhole {
        Pinhole::from_fov_deg(60.0, 480, 640).unwrap()
    }

    fn pose(t: [f64; 3], w: [f64; 3]) -> Isometry3<f64> {
        let t = Translation3::from(Vector3::from(t).normalize());
        Isometry3::from_parts(t, UnitQuaternion::from_scaled_axis(Vector3::from(w)))
    }

    /// `count` points of a room seen by both cameras to half a pixel, and `wrong` pairs of places that have nothing to do with
    /// each other.
    fn matches(
        pose: &Isometry3<f64>,
        count: usize,
        wrong: usize,
        rng: &mut ChaCha8Rng,
    ) -> Vec<[[f32; 2]; 2]> {
        let camera = camera();
        let mut found = Vec::new();
        while found.len() < count {
            let pixel = nalgebra::Point2::new(rng.random_range(0.0..640.0), rng.random_range(0.0..480.0));
            let point = pose * camera.backproject(&pixel, rng.random_range(2.0..9.0));
            let Some(seen) = camera.project(&point) else { continue };
            if (0.0..640.0).contains(&seen.x) && (0.0..480.0).contains(&seen.y) {
                let seen = [seen.x + rng.random_range(-0.5..0.5), seen.y + rng.random_range(-0.5..0.5)];
                found.push([[pixel.x as f32, pixel.y as f32], seen.map(|x| x as f32)]);
            }
        }
        let mut place = || [rng.random_range(0.0..640.0), rng.random_range(0.0..480.0)];
        found.extend((0..wrong).map(|_| [place(), place()]));
        found
    }

    #[test]
    fn poses_are_found_among_wrong_matches() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // Sideways, forward, turned by 20 degrees, and rolled by 110 where a right angle is known of.
        let poses = [
            pose([1.0, 0.1, 0.0], [0.0, 0.02, 0.0]),
            pose([0.1, 0.0, -1.0], [0.01, 0.0, 0.05]),
            pose([-0.7, 0.3, 0.4], [0.05, 0.34, -0.03]),
            pose([0.5, 0.6, 0.2], [0.05, -0.1, 1.92]),
        ];
        for (seed, truth) in poses.into_iter().enumerate() {
            let matches = matches(&truth, 150, 100, &mut rng);
            let roll = if seed == 3 { std::f64::consts::FRAC_PI_2 } else { 0.0 };
            let found = agreed(&EpipolarCost::new(&matches, &camera()), roll, seed as u64).unwrap();
            let turned = found.pose.rotation.angle_to(&truth.rotation).to_degrees();
            let off = found.pose.translation.vector.angle(&truth.translation.vector).to_degrees();
            assert!(turned < 0.3 && off < 1.5, "{seed}: {turned} and {off} degrees");
            assert!((140..200).contains(&found.matches.len()), "{}", found.matches.len());
        }
    }

    /// A wall that moves to the left is matched along level lines; along slanted ones chance finds some matches, and most of them alone.
    #[test]
    fn matches_along_wrong_lines_are_not_believed() {
        let size = (120, 160);
        let side = |left: f32| {
            let value = |i: usize| {
                let (x, y) = ((i % size.1) as f32 + left, (i / size.1) as f32);
                let wave = |k: u32| {
                    let k = k as f32;
                    (x * (0.11 + 0.03 * k) + 1.7 * k * k + 2.0 * (y * (0.07 + 0.02 * k)).sin()).sin()
                        * (y * (0.13 + 0.021 * k) + 0.9 * k + (0.05 * k * x).cos()).cos()
                };
                0.5 + 0.1 * (1..6).map(wave).sum::<f32>()
            };
            let picture = Map::new(size.0, size.1, (0..size.0 * size.1).map(value).collect()).unwrap();
            Side::new(&Corners::new(&picture, 800).unwrap(), 0.0)
        };
        let (here, there) = (side(0.0), side(6.5));
        let camera = Pinhole::from_fov_deg(60.0, size.0, size.1).unwrap();
        let few = here.upright.matches(&there.upright, Rule::ANYWHERE).unwrap()[..3].to_vec();
        let found = |t| {
            let matches = EpipolarCost::new(&few, &camera);
            let (pose, still) = (pose(t, [0.0; 3]), UnitQuaternion::identity());
            let relative = Relative { pose, still, matches, along: None };
            guided(relative, &here, &there, &camera, size.1).unwrap().telling().len()
        };
        let (right, wrong) = (found([-1.0, 0.0, 0.0]), found([-0.4, 1.0, 0.0]));
        assert!(right > 100 && wrong == 3, "{right} and {wrong}");
    }

    #[test]
    fn chance_is_not_believed() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let truth = pose([1.0, 0.0, 0.0], [0.0; 3]);
        for (right, wrong) in [(0, 200), (12, 0), (15, 200)] {
            let matches = matches(&truth, right, wrong, &mut rng);
            assert!(agreed(&EpipolarCost::new(&matches, &camera()), 0.0, 0).is_none(), "{right}, {wrong}");
        }
    }
}
