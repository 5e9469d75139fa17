//! Objects that hang in space, in the manner of the Scenes11 set of DeMoN (Ummenhofer et al. 2017, arXiv 1612.02401).

use nalgebra::{Isometry3, Point3, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Scene, material};
use crate::scene::world::{Lamp, World};

/// 5 to 20 boxes and ellipsoids at 1 to 6 m in front of the camera, before walls at 3 to 9 m.
pub(super) fn scene(rng: &mut ChaCha8Rng) -> Scene {
    let far_m = rng.random_range(3.0..9.0);
    let around_m: f64 = rng.random_range(2.5..6.0);
    let mut things = vec![material::enclosure(
        rng,
        Vector3::new(-around_m, -around_m, -3.0),
        Vector3::new(around_m, around_m, far_m),
    )];
    for _ in 0..rng.random_range(5..21u32) {
        let z = rng.random_range(1.0..far_m.min(6.0));
        let [x, y] = [0; 2].map(|_| rng.random_range(-0.75..0.75) * z);
        let half_m = rng.random_range(0.08..0.3) * z.sqrt();
        things.push(material::object(rng, Point3::new(x, y, z), half_m, 3.2));
    }
    let lamp = Lamp {
        at: Point3::new(
            rng.random_range(-2.0..2.0),
            rng.random_range(-2.4..1.0),
            rng.random_range(-2.0..1.5),
        ),
        strength: rng.random_range(0.3..0.9),
    };
    Scene {
        world: World::new(things, vec![lamp], rng.random_range(0.35..0.7), rng.random_range(0.0..0.03)),
        world_from_target: Isometry3::from_parts(Vector3::zeros().into(), material::turn(rng, 0.15)),
    }
}
