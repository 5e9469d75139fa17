//! Exact depth and poses of a generated room, cut into windows with units of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    Map,
    scene::{Rendering, Room, hand_held_path},
};

const SIZE: (usize, usize) = (48, 64);
const FRAMES: usize = 8;

struct Sequence {
    views: Vec<Rendering>,
    path: Vec<Isometry3<f64>>,
    camera: Pinhole,
    /// Window units: depths of window i are the true ones divided by this.
    units: Vec<f64>,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap();
        let (room, path) = (Room::new(seed), hand_held_path(FRAMES, seed));
        let views = path.iter().map(|pose| room.render(&camera, SIZE.0, SIZE.1, pose).unwrap()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let units = (0..FRAMES).map(|_| rng.random_range(0.2..5.0)).collect();
        Self { views, path, camera, units }
    }

    fn estimates(&self, offsets: &[i64]) -> Vec<FrameEstimate> {
        let estimate = |window: Window| {
            let unit = self.units[window.target];
            let pose = |neighbour: usize| {
                let mut pose = self.path[neighbour].inv_mul(&self.path[window.target]);
                pose.translation.vector /= unit;
                (neighbour, pose)
            };
            FrameEstimate {
                inv_depth: self.views[window.target].depth.mapped(|depth| unit as f32 / depth),
                camera: self.camera,
                neighbours: window.neighbours.into_iter().map(pose).collect(),
            }
        };
        windows(FRAMES, &Neighbours::Offsets(offsets.to_vec())).unwrap().into_iter().map(estimate).collect()
    }

    fn posed<'a>(&'a self, maps: &'a [Map], poses: &[Isometry3<f64>], scales: &[f64]) -> Vec<PosedFrame<'a>> {
        maps.iter()
            .zip(poses.iter().zip(scales))
            .map(|(inv_depth, (&world_from_camera, &scale))| PosedFrame {
                inv_depth,
                camera: self.camera,
                world_from_camera,
                scale,
            })
            .collect()
    }

    /// Largest position error, as a share of the mean baseline, and largest rotation error.
    fn errors(&self, chain: &Chain) -> (f64, f64) {
        let baseline = self.path.windows(2).map(|pair| pair[0].inv_mul(&pair[1]).translation.vector.norm());
        let baseline = baseline.sum::<f64>() / (FRAMES - 1) as f64;
        let mut worst = (0.0f64, 0.0f64);
        for (estimate, pose) in chain.world_from_camera.iter().zip(&self.path) {
            let truth = self.path[0].inv_mul(pose);
            let distance = (estimate.translation.vector * self.units[0] - truth.translation.vector).norm();
            worst =
                (worst.0.max(distance / baseline), worst.1.max(estimate.rotation.angle_to(&truth.rotation)));
        }
        worst
    }
}

#[test]
fn windows_of_any_unit_give_the_true_trajectory() {
    for (seed, offsets) in [(1, &[1, -1][..]), (2, &[1]), (3, &[-1]), (4, &[2, 1])] {
        let sequence = Sequence::new(seed);
        let chain = chain(&sequence.estimates(offsets), &ChainOptions::default()).unwrap();
        let (distance, angle_rad) = sequence.errors(&chain);
        assert!(
            distance < 1e-2 && angle_rad < 1e-7,
            "offsets {offsets:?}: {distance} of a baseline, {angle_rad}"
        );
        for (scale, unit) in chain.scales.iter().zip(&sequence.units) {
            assert!((scale * sequence.units[0] / unit - 1.0).abs() < 3e-3, "{scale} {unit}");
        }
        assert_eq!(chain.links.len(), FRAMES - 1);
        assert!(
            chain
                .links
                .iter()
                .all(|link| link.ratio.unwrap().spread < 0.02 && link.from.abs_diff(link.to) == 1)
        );
        assert_eq!(chain.links[1].both_directions, offsets.len() == 2 && offsets[1] == -1);
    }
}

#[test]
fn without_scale_estimation_the_units_show() {
    let sequence = Sequence::new(1);
    let options = ChainOptions { estimate_scale: false, ..ChainOptions::default() };
    let chain = chain(&sequence.estimates(&[1, -1]), &options).unwrap();
    assert!(sequence.errors(&chain).0 > 0.3);
    assert_eq!(chain.kept_scales().count(), FRAMES - 1);
}

#[test]
fn outliers_do_not_move_the_scale() {
    let sequence = Sequence::new(5);
    let mut frames = sequence.estimates(&[1, -1]);
    for frame in &mut frames {
        let values: Vec<f32> = frame.inv_depth.values().to_vec();
        let broken = |(i, x): (usize, f32)| match i % 10 {
            0 => 7.0 * x,
            1 => 0.0,
            2 => f32::NAN,
            3 => 0.2 * x,
            _ => x,
        };
        frame.inv_depth =
            Map::new(SIZE.0, SIZE.1, values.into_iter().enumerate().map(broken).collect()).unwrap();
    }
    let (distance, _) = sequence.errors(&chain(&frames, &ChainOptions::default()).unwrap());
    assert!(distance < 0.02, "{distance}");
}

#[test]
fn two_directions_that_disagree_are_averaged() {
    let sequence = Sequence::new(6);
    let mut frames = sequence.estimates(&[1, -1]);
    let turn = |angle: f64| Isometry3::new(Vector3::zeros(), Vector3::new(0.0, angle, 0.0));
    // The same error in both directions: the mean of forward and inverted backward has almost none; one direction alone
    // would be 0.07 off after seven frames.
    for frame in &mut frames {
        for (_, pose) in &mut frame.neighbours {
            pose.rotation = turn(0.01).rotation * pose.rotation;
        }
    }
    let chain = chain(&frames, &ChainOptions::default()).unwrap();
    assert!(sequence.errors(&chain).1 < 1e-3, "{}", sequence.errors(&chain).1);
}

#[test]
fn a_window_without_depth_keeps_the_scale_and_says_so() {
    let sequence = Sequence::new(1);
    let mut frames = sequence.estimates(&[1, -1]);
    frames[3].inv_depth = frames[3].inv_depth.mapped(|_| 0.0);
    let chain = chain(&frames, &ChainOptions::default()).unwrap();
    assert_eq!(chain.kept_scales().collect::<Vec<_>>(), [3, 4]);
    assert_eq!(chain.scales[3], chain.scales[2]);
    assert!(chain.world_from_camera.iter().all(|pose| pose.translation.vector.norm().is_finite()));
}

#[test]
fn frames_that_nothing_connects_are_named() {
    let sequence = Sequence::new(1);
    let error = chain(&sequence.estimates(&[2, -2]), &ChainOptions::default()).unwrap_err().to_string();
    assert!(error.contains("[1, 3, 5, 7]"), "{error}");
    assert!(chain(&[], &ChainOptions::default()).is_err());
}

#[test]
fn fusion_keeps_what_agrees_and_drops_what_does_not() {
    let sequence = Sequence::new(2);
    let estimates = sequence.estimates(&[1, -1]);
    let chain = chain(&estimates, &ChainOptions::default()).unwrap();
    // One block of every second picture is 10 % too near.
    let corrupt = |row: usize, column: usize| (10..30).contains(&row) && (20..45).contains(&column);
    let maps: Vec<Map> = estimates
        .iter()
        .enumerate()
        .map(|(index, frame)| {
            let values = frame.inv_depth.values().iter().enumerate();
            let factor = |i: usize| if index % 2 == 1 && corrupt(i / SIZE.1, i % SIZE.1) { 1.1 } else { 1.0 };
            Map::new(SIZE.0, SIZE.1, values.map(|(i, x)| x * factor(i)).collect()).unwrap()
        })
        .collect();
    let frames = sequence.posed(&maps, &chain.world_from_camera, &chain.scales);
    let pictures: Vec<_> = sequence.views.iter().map(|view| view.rgb.clone()).collect();
    // Only direct neighbours are asked, so that a corrupt block never meets another.
    let options = FuseOptions { reach: 1, ..FuseOptions::default() };
    let points = fuse(&frames, &pictures, &options).unwrap();

    // A point is right if it lies on a surface: where any camera that sees it has its depth.
    let on_surface = |point: &crate::export::points::ColouredPoint| {
        let p = nalgebra::Point3::from(point.position.map(|x| f64::from(x) * sequence.units[0]));
        sequence.path.iter().zip(&sequence.views).any(|(pose, view)| {
            let p_in_camera = pose.inverse_transform_point(&(sequence.path[0] * p));
            let at = sequence.camera.project(&p_in_camera);
            let seen = at.and_then(|at| ratio::sampled(&view.depth.inverted(), &at));
            seen.is_some_and(|inverse| (p_in_camera.z * inverse - 1.0).abs() < 0.02)
        })
    };
    let wrong = points.iter().step_by(37).filter(|point| !on_surface(point)).count();
    assert!(wrong * 100 < points.len() / 37, "{wrong} of {}", points.len() / 37);
    let (all, broken) = (FRAMES * SIZE.0 * SIZE.1, 4 * 20 * 25);
    assert!(points.len() < all - broken && points.len() > all * 7 / 10, "{} of {all}", points.len());

    let few = fuse(&frames, &pictures, &FuseOptions { max_points: 500, ..options }).unwrap();
    assert_eq!(few.len(), 500);
    assert_eq!(few, fuse(&frames, &pictures, &FuseOptions { max_points: 500, ..options }).unwrap());
}

#[test]
fn fusion_of_nothing_is_nothing_and_bad_input_is_named() {
    assert_eq!(fuse(&[], &[], &FuseOptions::default()).unwrap(), []);
    let map = Map::new(1, 2, vec![1.0; 2]).unwrap();
    let frame = PosedFrame {
        inv_depth: &map,
        camera: Pinhole::from_fov_deg(60.0, 1, 2).unwrap(),
        world_from_camera: Isometry3::identity(),
        scale: 1.0,
    };
    let of_size = |width| fuse(&[frame], &[image::RgbImage::new(width, 1)], &FuseOptions::default());
    let error = of_size(1).unwrap_err().to_string();
    assert!(error.starts_with("picture 0"), "{error}");
    assert_eq!(of_size(2).unwrap(), []);
    assert!(fuse(&[frame], &[], &FuseOptions::default()).unwrap_err().to_string().contains("pictures"));
    let odd = PosedFrame { scale: f64::NAN, ..frame };
    assert!(fuse(&[odd], &[image::RgbImage::new(2, 1)], &FuseOptions::default()).is_err());
    assert!(fuse_depth(&[frame, odd], 0, &DepthFusionOptions::default()).is_err());
}

#[test]
fn depth_fused_over_frames_is_better_than_that_of_each() {
    let sequence = Sequence::new(2);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let estimates = sequence.estimates(&[1, -1]);
    // Patches are wrong by up to a tenth; one is three times too near, and in one nothing is known.
    let patches = |_| (0..48).map(|_| rng.random_range(0.9..1.1f32)).collect::<Vec<f32>>();
    let factors: Vec<Vec<f32>> = (0..FRAMES).map(patches).collect();
    const NEAR: usize = 13;
    const UNKNOWN: usize = 29;
    let patch = |i: usize| (i / SIZE.1 / 8) * 8 + i % SIZE.1 / 8;
    let maps: Vec<Map> = estimates
        .iter()
        .zip(&factors)
        .enumerate()
        .map(|(frame, (estimate, factors))| {
            let factor = |i: usize| match (frame, patch(i)) {
                (3, NEAR) => 3.0,
                (3, UNKNOWN) => 0.0,
                (_, patch) => factors[patch],
            };
            let values = estimate.inv_depth.values().iter().enumerate();
            Map::new(SIZE.0, SIZE.1, values.map(|(i, x)| x * factor(i)).collect()).unwrap()
        })
        .collect();
    let frames = sequence.posed(&maps, &sequence.path, &sequence.units);
    let error = |frame: usize, map: &Map, of: &dyn Fn(usize) -> bool| {
        let truth = sequence.views[frame].depth.values();
        let pairs = map.values().iter().zip(truth).enumerate().filter(|(i, _)| of(*i));
        let errors =
            pairs.map(|(_, (x, depth))| f64::from((x * depth / sequence.units[frame] as f32 - 1.0).abs()));
        let errors: Vec<f64> = errors.collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    let options = DepthFusionOptions::default();
    let fused: Vec<Map> = (0..FRAMES).map(|i| fuse_depth(&frames, i, &options).unwrap()).collect();
    let sum = |maps: &[Map]| maps.iter().enumerate().map(|(i, map)| error(i, map, &|_| true)).sum::<f64>();
    assert!(sum(&fused) < 0.7 * sum(&maps), "{} {}", sum(&fused), sum(&maps));
    for patched in [NEAR, UNKNOWN] {
        let left = error(3, &fused[3], &|i| patch(i) == patched);
        assert!(left < 0.1, "{patched}: {left}");
    }

    let alone = DepthFusionOptions { reach: 0, ..options };
    assert_eq!(fuse_depth(&frames, 3, &alone).unwrap().values(), maps[3].values());
    assert!(fuse_depth(&frames, FRAMES, &options).is_err());
}

#[test]
fn what_one_window_took_for_the_background_comes_back_from_the_others() {
    let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap();
    let positions = [-1.2, -0.9, -0.6, -0.3, 0.0, 0.3];
    let (target, wall, plate) = (4, 4.0, 2.0);
    // A plate before a wall; its right end is at x = 0.
    let depth = |position: f64, column: usize| {
        let slope = (column as f64 - camera.cx) / camera.fx;
        if position + plate * slope < 0.0 { plate } else { wall }
    };
    let map = |position: f64| {
        let values = (0..SIZE.0 * SIZE.1).map(|i| depth(position, i % SIZE.1).recip() as f32);
        Map::new(SIZE.0, SIZE.1, values.collect()).unwrap()
    };
    let mut maps: Vec<Map> = positions.iter().map(|&position| map(position)).collect();
    let truth = maps[target].clone();
    // The target's own window took the plate for the wall.
    maps[target] = truth.mapped(|_| wall.recip() as f32);
    let frames: Vec<PosedFrame<'_>> = maps
        .iter()
        .zip(positions)
        .map(|(inv_depth, x)| PosedFrame {
            inv_depth,
            camera,
            world_from_camera: Isometry3::translation(x, 0.0, 0.0),
            scale: 1.0,
        })
        .collect();
    let fused = fuse_depth(&frames, target, &DepthFusionOptions::default()).unwrap();
    let right =
        fused.values().iter().zip(truth.values()).filter(|(a, b)| (**a / **b - 1.0).abs() < 0.01).count();
    assert!(right * 100 >= 97 * truth.values().len(), "{right} of {}", truth.values().len());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    /// Whatever depth maps and poses hold, fused depth is known or 0; and it does not depend on the units of the others.
    #[test]
    fn fused_depth_is_known_or_0_whatever_the_units(
        values in proptest::collection::vec(
            proptest::prop_oneof![
                6 => 0.1f32..2.0,
                1 => proptest::strategy::Just(0.0f32),
                1 => proptest::strategy::Just(f32::NAN),
                1 => proptest::strategy::Just(f32::INFINITY),
                1 => proptest::strategy::Just(-1.0f32),
                1 => proptest::strategy::Just(1e-30f32),
            ],
            3 * 6 * 8,
        ),
        moves in proptest::collection::vec((-0.5f64..0.5, -0.5f64..0.5, -0.3f64..0.3), 3),
        unit in 0.1f64..10.0,
    ) {
        let camera = Pinhole::from_fov_deg(65.0, 6, 8).unwrap();
        let maps: Vec<Map> = values.chunks(48).map(|chunk| Map::new(6, 8, chunk.to_vec()).unwrap()).collect();
        let posed = |maps: &'_ [Map], scales: [f64; 3]| -> Vec<Map> {
            let frames: Vec<PosedFrame<'_>> = maps
                .iter()
                .zip(&moves)
                .zip(scales)
                .map(|((inv_depth, &(x, z, turn)), scale)| PosedFrame {
                    inv_depth,
                    camera,
                    world_from_camera: Isometry3::new(Vector3::new(x, 0.0, z), Vector3::new(0.0, turn, 0.0)),
                    scale,
                })
                .collect();
            (0..3).map(|i| fuse_depth(&frames, i, &DepthFusionOptions::default()).unwrap()).collect()
        };
        let fused = posed(&maps, [1.0; 3]);
        for map in &fused {
            proptest::prop_assert!(map.values().iter().all(|x| *x >= 0.0 && x.is_finite()));
        }
        // The same depths in another unit, by a power of two so that nothing is rounded.
        let factor = unit.log2().round().exp2();
        let others: Vec<Map> =
            maps.iter().enumerate().map(|(i, map)| map.mapped(|x| if i == 0 { x } else { x * factor as f32 })).collect();
        let again = posed(&others, [1.0, factor, factor]);
        proptest::prop_assert_eq!(fused[0].values(), again[0].values());
    }
}
