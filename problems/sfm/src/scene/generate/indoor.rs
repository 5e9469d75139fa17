//! Furnished rooms.

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Scene, material};
use crate::scene::{
    shape::{Ray, Shape},
    texture::Texture,
    world::{Lamp, Thing, World},
};

/// Which face of the walls is the floor.
const FLOOR: usize = 4;

/// A room of 2.5 to 7 m with boxes and tables on the floor, things on them, pictures on the walls, and a camera at 0.6 to 1.7 m
/// that looks anywhere. y points down, the floor is at 0. `painted` is how often walls and ceiling are of one paint.
pub(super) fn scene(rng: &mut ChaCha8Rng, painted: f64) -> Scene {
    let (half_x, half_z) = (rng.random_range(1.3..3.5), rng.random_range(1.3..3.5));
    let height_m = rng.random_range(2.2..3.2);
    let mut walls = material::enclosure(
        rng,
        Vector3::new(-half_x, -height_m, -half_z),
        Vector3::new(half_x, 0.0, half_z),
    );
    if painted > 0.0 && rng.random_bool(painted) {
        let paint = material::paint(rng);
        let but_floor = walls.textures.iter_mut().enumerate().filter(|(face, _)| *face != FLOOR);
        but_floor.for_each(|(_, texture)| *texture = paint);
    }
    let mut things = vec![walls];

    let eye = Point3::new(
        rng.random_range(-0.65..0.65) * half_x,
        -rng.random_range(0.6..1.7),
        rng.random_range(-0.65..0.65) * half_z,
    );
    let place = |rng: &mut ChaCha8Rng| (rng.random_range(-half_x..half_x), rng.random_range(-half_z..half_z));
    for _ in 0..rng.random_range(4..14u32) {
        let (x, z) = place(rng);
        let half_m: f64 = rng.random_range(0.15..0.55);
        let tall_m = rng.random_range(0.15..0.6);
        // The camera needs room to move.
        if (x - eye.x).hypot(z - eye.z) < 0.55 + 1.3 * half_m {
            continue;
        }
        let size_m = Vector3::new(half_m, tall_m, half_m * rng.random_range(0.5..1.3));
        let spin = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), rng.random_range(0.0..3.2));
        let pose = Isometry3::from_parts(Vector3::new(x, -tall_m, z).into(), spin);
        let textures = vec![material::random(rng, 2.0 * half_m)];
        things.push(Thing {
            shape: Shape::Cuboid { world_from_box: pose, half_m: size_m },
            textures,
            shades: true,
        });
        // Clutter on top.
        for _ in 0..rng.random_range(0..3u32) {
            let small_m = rng.random_range(0.04..0.16);
            let shift = [0; 2].map(|_| rng.random_range(-0.6..0.6) * half_m);
            let on_top = Point3::new(x + shift[0], -2.0 * tall_m - small_m, z + shift[1]);
            things.push(material::object(rng, on_top, small_m, 0.5));
        }
    }
    for _ in 0..rng.random_range(0..4u32) {
        let (x, z) = place(rng);
        let half_m = rng.random_range(0.3..0.8);
        if (x - eye.x).hypot(z - eye.z) > 0.4 + 1.2 * half_m {
            table(rng, Point3::new(x, 0.0, z), half_m, &mut things);
        }
    }
    for _ in 0..rng.random_range(0..6u32) {
        things.push(picture(rng, half_x, half_z, height_m));
    }

    let lamps = (0..rng.random_range(1..3u32))
        .map(|_| Lamp {
            at: Point3::new(
                rng.random_range(-0.7..0.7) * half_x,
                -0.9 * height_m,
                rng.random_range(-0.7..0.7) * half_z,
            ),
            strength: rng.random_range(0.4..1.1),
        })
        .collect();
    let world = World::new(things, lamps, rng.random_range(0.25..0.7), rng.random_range(0.0..0.06));
    // Seldom does anyone look at a bare wall.
    let looks = (0..rng.random_range(1..4u32)).map(|_| {
        let look = Isometry3::from_parts(eye.into(), orientation(rng));
        (variety(&world, &look), look)
    });
    let best = looks.max_by(|a, b| a.0.total_cmp(&b.0));
    Scene { world, world_from_target: best.map_or_else(|| Isometry3::from(eye.coords), |(_, look)| look) }
}

/// Mostly level, but for a few degrees, and a little down; else as a camera is held over a desk, or carried.
fn orientation(rng: &mut ChaCha8Rng) -> UnitQuaternion<f64> {
    let (pitches, roll_rad) = if rng.random_bool(0.35) { (-1.0..0.5, 0.8) } else { (-0.35..0.15, 0.05) };
    let about = UnitQuaternion::from_axis_angle;
    let yaw = about(&Vector3::y_axis(), rng.random_range(-3.2..3.2));
    let pitch = about(&Vector3::x_axis(), rng.random_range(pitches));
    let roll = about(&Vector3::z_axis(), rng.random_range(-roll_rad..roll_rad));
    yaw * pitch * roll * material::turn(rng, 0.08)
}

/// How different depths are before a camera: the summed squares of their logarithms' deviations.
fn variety(world: &World, world_from_camera: &Isometry3<f64>) -> f64 {
    let steps = (0..49).map(|i| Vector3::new(f64::from(i % 7 - 3), f64::from(i / 7 - 3), 5.0));
    let depth_m = |step: Vector3<f64>| {
        let ray = Ray {
            origin: Point3::from(world_from_camera.translation.vector),
            direction: world_from_camera.rotation * step / step.z,
        };
        world.depth(&ray)
    };
    let logs: Vec<f64> = steps.filter_map(depth_m).map(f64::ln).collect();
    let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
    logs.iter().map(|log| (log - mean).powi(2)).sum()
}

/// A board on four legs, and what stands and lies on it: screens, books, boxes, cups.
fn table(rng: &mut ChaCha8Rng, foot: Point3<f64>, half_m: f64, things: &mut Vec<Thing>) {
    let spin = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), rng.random_range(0.0..3.2));
    let at = Isometry3::from_parts(foot.coords.into(), spin);
    let (deep_m, top_m) = (half_m * rng.random_range(0.4..0.8), -rng.random_range(0.6..0.85));
    let cuboid = |centre: Vector3<f64>, half_m: Vector3<f64>, texture: Texture| Thing {
        shape: Shape::Cuboid { world_from_box: at * Isometry3::from(centre), half_m },
        textures: vec![texture],
        shades: true,
    };
    let wood = material::random(rng, 2.0 * half_m);
    let thick_m = 0.02;
    things.push(cuboid(Vector3::y() * (top_m + thick_m), Vector3::new(half_m, thick_m, deep_m), wood));
    let leg_m = -0.5 * top_m;
    for (right, back) in [(-0.92, -0.92), (-0.92, 0.92), (0.92, -0.92), (0.92, 0.92)] {
        let centre = Vector3::new(right * half_m, -leg_m, back * deep_m);
        things.push(cuboid(centre, Vector3::new(0.025, leg_m - thick_m, 0.025), wood));
    }
    for _ in 0..rng.random_range(2..9u32) {
        let half = match rng.random_range(0..4u32) {
            // A screen, a book or a sheet, and anything.
            0 => Vector3::new(rng.random_range(0.15..0.3), rng.random_range(0.1..0.2), 0.02),
            1 => Vector3::new(rng.random_range(0.08..0.15), 0.01, rng.random_range(0.1..0.2)),
            _ => Vector3::from([0; 3].map(|_| rng.random_range(0.03..0.12))),
        };
        let [right, back] = [0; 2].map(|_| rng.random_range(-0.85..0.85));
        let centre = Vector3::new(right * half_m, top_m - half.y, back * deep_m);
        let texture = material::random(rng, 2.0 * half.x);
        things.push(cuboid(centre, half, texture));
    }
}

/// A thin box on one of the four walls.
fn picture(rng: &mut ChaCha8Rng, half_x: f64, half_z: f64, height_m: f64) -> Thing {
    let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let (wide_m, tall_m) = (rng.random_range(0.2..0.8), rng.random_range(0.15..0.5));
    let y = -height_m * rng.random_range(0.35..0.75);
    let (centre, half_m) = if rng.random_bool(0.5) {
        let z = rng.random_range(-0.7..0.7) * half_z;
        (Vector3::new(side * half_x, y, z), Vector3::new(0.02, tall_m, wide_m))
    } else {
        let x = rng.random_range(-0.7..0.7) * half_x;
        (Vector3::new(x, y, side * half_z), Vector3::new(wide_m, tall_m, 0.02))
    };
    let shape = Shape::Cuboid { world_from_box: Isometry3::from(centre), half_m };
    Thing { shape, textures: vec![material::random(rng, 2.0 * wide_m)], shades: true }
}
