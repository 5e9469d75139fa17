//! Two rows of blocks along a road.

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Scene, material};
use crate::scene::{
    shape::Shape,
    world::{Lamp, Thing, World},
};

/// A road of 3 to 6 m between blocks, with things on it; the camera looks along it from 0.8 to 1.6 m above. The scale is
/// that of a corridor, so that it lies within the depths of a room.
pub(super) fn scene(rng: &mut ChaCha8Rng) -> Scene {
    let half_m: f64 = rng.random_range(1.5..3.0);
    let far_m = rng.random_range(9.0..16.0);
    let mut things =
        vec![material::enclosure(rng, Vector3::new(-12.0, -9.0, -5.0), Vector3::new(12.0, 0.0, far_m))];
    for side in [-1.0, 1.0] {
        let mut z = -4.0;
        while z < far_m {
            let (long_m, deep_m) = (rng.random_range(0.6..2.5), rng.random_range(0.5..2.0));
            let tall_m = rng.random_range(0.4..2.8);
            let x = side * (half_m + deep_m + rng.random_range(0.0..0.6));
            let shape = Shape::Cuboid {
                world_from_box: Isometry3::translation(x, -tall_m, z + long_m),
                half_m: Vector3::new(deep_m, tall_m, long_m),
            };
            let textures = (0..2).map(|_| material::random(rng, 2.0 * long_m)).collect();
            things.push(Thing { shape, textures, shades: true });
            z += 2.0 * long_m + rng.random_range(0.0..1.0);
        }
    }
    for _ in 0..rng.random_range(1..7u32) {
        let size_m = rng.random_range(0.15..0.5);
        let at = Point3::new(rng.random_range(-0.9..0.9) * half_m, -size_m, rng.random_range(2.5..far_m));
        things.push(material::object(rng, at, size_m, 0.1));
    }
    let sun = Lamp {
        at: Point3::new(rng.random_range(-40.0..40.0), -60.0, rng.random_range(-40.0..40.0)),
        strength: rng.random_range(0.3..0.8),
    };
    let eye = Vector3::new(rng.random_range(-0.3..0.3) * half_m, -rng.random_range(0.8..1.6), 0.0);
    let yaw = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), rng.random_range(-0.35..0.35));
    Scene {
        world: World::new(things, vec![sun], rng.random_range(0.3..0.6), 0.0),
        world_from_target: Isometry3::from_parts(eye.into(), yaw * material::turn(rng, 0.05)),
    }
}
