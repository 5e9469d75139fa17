//! Where the cameras are.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{GeneratedConfig, Scene, grid, material};
use crate::scene::world::pixel_ray;

/// One step of a smooth path: `target_from_next`, and how it bends.
pub(super) struct Motion {
    step: Isometry3<f64>,
    bend: Isometry3<f64>,
}

/// A step of the kind that a hand, a camera that circles, or a car makes.
pub(super) fn draw(rng: &mut ChaCha8Rng, config: &GeneratedConfig, median_depth_m: f64) -> Motion {
    let [least, most] = config.baseline;
    let length_m = median_depth_m * least * (most / least).powf(rng.random_range(0.0..=1.0));
    let small_turn = |rng: &mut ChaCha8Rng, part: f64| material::turn(rng, part * config.turn_rad);
    let sideways = |rng: &mut ChaCha8Rng| {
        let angle: f64 = rng.random_range(0.0..std::f64::consts::TAU);
        // Hands and heads move sideways more than up and down.
        Vector3::new(angle.cos(), 0.5 * angle.sin(), 0.4 * rng.random_range(-1.0..1.0)).normalize()
    };
    let step = match rng.random_range(0..10u32) {
        // A hand: any direction, any turn.
        0..=4 => {
            let direction = sideways(rng) * length_m;
            Isometry3::from_parts(Translation3::from(direction), small_turn(rng, 1.0))
        }
        // A circle around what is in the middle of the image.
        5 | 6 => {
            let direction = sideways(rng) * length_m;
            let middle = Vector3::new(0.0, 0.0, median_depth_m);
            let turn = UnitQuaternion::rotation_between(&middle, &(middle - direction));
            let turn = turn.unwrap_or_else(UnitQuaternion::identity);
            Isometry3::from_parts(Translation3::from(direction), turn * small_turn(rng, 0.2))
        }
        // A car: forward or backward, and a little to the side.
        7 | 8 => {
            let forward = if rng.random_bool(0.7) { 1.0 } else { -1.0 };
            let direction = Vector3::new(rng.random_range(-0.2..0.2), rng.random_range(-0.05..0.05), forward);
            Isometry3::from_parts(Translation3::from(direction.normalize() * length_m), small_turn(rng, 0.5))
        }
        // Two photographers.
        _ => {
            let any = Vector3::from([0; 3].map(|_| rng.random_range(-1.0..1.0)));
            let direction = any.try_normalize(1e-3).unwrap_or_else(Vector3::x) * length_m;
            Isometry3::from_parts(Translation3::from(direction), small_turn(rng, 1.0))
        }
    };
    let wobble = Vector3::from([0; 3].map(|_| rng.random_range(-0.25..0.25))) * length_m;
    Motion { step, bend: Isometry3::from_parts(Translation3::from(wobble), small_turn(rng, 0.15)) }
}

/// `world_from_camera` of the target, then of its neighbours: the frames around it on a smooth path, next, before, second
/// next, and so on. Steps are halved until every neighbour sees half of what the target sees, from outside of things.
pub(super) fn cameras(
    motion: &Motion,
    scene: &Scene,
    camera: &Pinhole,
    size: (usize, usize),
    neighbours: usize,
    median_depth_m: f64,
) -> Vec<Isometry3<f64>> {
    let target = scene.world_from_target;
    let mut cameras = vec![target];
    for index in 0..neighbours {
        let away = (index / 2 + 1) as f64 * if index % 2 == 0 { 1.0 } else { -1.0 };
        let mut part = away;
        let mut pose = target;
        for _ in 0..6 {
            pose = target * scaled(&motion.step, part) * scaled(&motion.bend, part * part);
            if sees_enough(scene, camera, size, &pose, 0.05 * median_depth_m) {
                break;
            }
            part *= 0.5;
        }
        cameras.push(pose);
    }
    cameras
}

/// A part of a motion: translation and angle times `part`.
fn scaled(motion: &Isometry3<f64>, part: f64) -> Isometry3<f64> {
    let turn = UnitQuaternion::from_scaled_axis(motion.rotation.scaled_axis() * part);
    Isometry3::from_parts(Translation3::from(motion.translation.vector * part), turn)
}

/// Whether a camera at `pose` sees at least half of the target's points, and is not within `clear_m` of a surface.
fn sees_enough(
    scene: &Scene,
    camera: &Pinhole,
    size: (usize, usize),
    pose: &Isometry3<f64>,
    clear_m: f64,
) -> bool {
    let (mut points, mut seen) = (0, 0);
    for (u, v) in grid(size) {
        let ray = pixel_ray(camera, &scene.world_from_target, u, v);
        let Some(depth_m) = scene.world.depth(&ray) else { continue };
        points += 1;
        let p: Point3<f64> = pose.inverse_transform_point(&(ray.origin + ray.direction * depth_m));
        let Some(at) = camera.project(&p) else { continue };
        let inside =
            (0.0..=size.1 as f64 - 1.0).contains(&at.x) && (0.0..=size.0 as f64 - 1.0).contains(&at.y);
        let ahead = scene.world.depth(&pixel_ray(camera, pose, at.x, at.y)).unwrap_or(0.0);
        if ahead < clear_m {
            return false;
        }
        // Not hidden by something nearer.
        if inside && ahead > 0.97 * p.z {
            seen += 1;
        }
    }
    2 * seen >= points
}
