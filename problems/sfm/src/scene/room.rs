//! The room: walls, furniture, pictures on the walls, one lamp.

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    shape::Shape,
    texture::{Colour, DIRT, Pattern, Texture},
    world::{Lamp, Thing, World},
};

/// Where walls, floor and ceiling are, metres; x right, y down, z forward, the camera near the origin.
const MIN_M: Vector3<f64> = Vector3::new(-2.3, -1.3, -1.4);
const MAX_M: Vector3<f64> = Vector3::new(2.3, 1.1, 4.2);
const LAMP: Point3<f64> = Point3::new(0.5, -1.0, 0.6);

/// A furnished room, the same for the same seed.
///
/// About 4.6 × 2.4 × 5.6 m; a camera within half a metre of the origin that looks forward (+z) sees boxes, a ball and
/// pictures at 1 to 4.5 m. Surfaces are matt, so a point has one colour from wherever it is seen.
#[derive(Debug, Clone)]
pub struct Room {
    pub(super) world: World,
}

impl Room {
    /// Furnishes a room.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut things = vec![walls(&mut rng)];
        things.extend(furniture(&mut rng));
        things.extend(pictures(&mut rng));
        let lamps = vec![Lamp { at: LAMP, strength: 0.95 }];
        Self { world: World::new(things, lamps, 0.45, 0.045) }
    }
}

fn texture(rng: &mut ChaCha8Rng, pattern: Pattern, main: Colour, second: Colour) -> Texture {
    // A little of its own in every colour.
    let mut vary = |colour: Colour| colour.map(|x| (x + rng.random_range(-0.06..0.06)).clamp(0.03, 0.97));
    let (main, second) = (vary(main), vary(second));
    Texture { pattern, main, second, dirt: DIRT, seed: rng.random() }
}

fn walls(rng: &mut ChaCha8Rng) -> Thing {
    let centre = (MIN_M + MAX_M) / 2.0;
    let shape = Shape::Cuboid { world_from_box: Isometry3::from(centre), half_m: (MAX_M - MIN_M) / 2.0 };
    let paper = Pattern::Wallpaper { stripe_m: 0.26 };
    let textures = vec![
        texture(rng, paper, [0.62, 0.7, 0.62], [0.25, 0.42, 0.4]), // left
        texture(rng, Pattern::Plaster, [0.85, 0.84, 0.8], [0.6, 0.6, 0.58]), // ceiling
        texture(rng, Pattern::Plaster, [0.6, 0.6, 0.7], [0.5, 0.5, 0.5]), // behind the camera
        texture(rng, paper, [0.78, 0.68, 0.52], [0.5, 0.26, 0.2]), // right
        texture(rng, Pattern::Wood { board_m: 0.16 }, [0.66, 0.44, 0.26], [0.36, 0.21, 0.11]), // floor
        texture(rng, Pattern::Brick, [0.68, 0.36, 0.27], [0.5, 0.24, 0.18]), // ahead
    ];
    Thing { shape, textures, shades: false }
}

/// Boxes on the floor, each somewhere in its own part of it, one on top of another, and a ball.
fn furniture(rng: &mut ChaCha8Rng) -> Vec<Thing> {
    let kinds = [
        (Pattern::Wood { board_m: 0.12 }, [0.72, 0.55, 0.33], [0.45, 0.3, 0.16]),
        (Pattern::Checker { square_m: 0.09 }, [0.88, 0.86, 0.8], [0.16, 0.24, 0.45]),
        (Pattern::Poster, [0.5; 3], [0.5; 3]),
        (Pattern::Marble, [0.75, 0.78, 0.74], [0.24, 0.34, 0.3]),
    ];
    // x and z of the middle, half sizes.
    let places = [
        (-1.35, 2.1, [0.36, 0.42, 0.34]),
        (1.3, 2.7, [0.42, 0.62, 0.4]),
        (0.1, 3.3, [0.55, 0.36, 0.35]),
        (-1.7, 3.6, [0.3, 0.85, 0.3]),
    ];
    let mut things = Vec::new();
    for ((pattern, main, second), (x, z, half)) in kinds.into_iter().zip(places) {
        let half_m = Vector3::from(half.map(|size| size * rng.random_range(0.85..1.15)));
        let (x, z) = (x + rng.random_range(-0.15..0.15), z + rng.random_range(-0.2..0.2));
        let turn = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), rng.random_range(-0.6..0.6));
        let middle = Vector3::new(x, MAX_M.y - half_m.y, z);
        let shape = Shape::Cuboid { world_from_box: Isometry3::from_parts(middle.into(), turn), half_m };
        things.push(Thing { shape, textures: vec![texture(rng, pattern, main, second)], shades: true });

        if things.len() == 3 {
            let small_m = Vector3::new(0.2, 0.17, 0.15);
            let on_top = Vector3::new(x - 0.18, middle.y - half_m.y - small_m.y, z);
            let turn = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), rng.random_range(-0.7..0.7));
            let shape =
                Shape::Cuboid { world_from_box: Isometry3::from_parts(on_top.into(), turn), half_m: small_m };
            let pattern = Pattern::Checker { square_m: 0.06 };
            things.push(Thing {
                shape,
                textures: vec![texture(rng, pattern, [0.8, 0.3, 0.2], [0.85, 0.75, 0.4])],
                shades: true,
            });
        }
    }
    let radius_m = rng.random_range(0.26..0.34);
    let centre = Point3::new(rng.random_range(0.2..0.5), MAX_M.y - radius_m, rng.random_range(1.8..2.1));
    let ball = texture(rng, Pattern::Checker { square_m: 0.13 }, [0.85, 0.35, 0.2], [0.9, 0.85, 0.75]);
    things.push(Thing { shape: Shape::Sphere { centre, radius_m }, textures: vec![ball], shades: true });
    things
}

/// Thin boxes on three walls.
fn pictures(rng: &mut ChaCha8Rng) -> Vec<Thing> {
    let places = [
        ([-0.9, -0.45, MAX_M.z - 0.02], [0.5, 0.36, 0.02]),
        ([0.95, -0.5, MAX_M.z - 0.02], [0.42, 0.42, 0.02]),
        ([MIN_M.x + 0.02, -0.4, 1.9], [0.02, 0.38, 0.6]),
        ([MAX_M.x - 0.02, -0.35, 1.6], [0.02, 0.45, 0.45]),
    ];
    let mut things = Vec::new();
    for (middle, half) in places {
        let slide = Vector3::new(0.0, rng.random_range(-0.1..0.1), 0.0);
        let shape = Shape::Cuboid {
            world_from_box: Isometry3::from(Vector3::from(middle) + slide),
            half_m: Vector3::from(half),
        };
        things.push(Thing {
            shape,
            textures: vec![texture(rng, Pattern::Poster, [0.5; 3], [0.5; 3])],
            shades: true,
        });
    }
    things
}
