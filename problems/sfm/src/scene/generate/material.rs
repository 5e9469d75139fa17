//! Random surfaces.

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::scene::{
    shape::Shape,
    texture::{Colour, Pattern, Texture},
    world::Thing,
};

/// Any material, on a thing of about this size. Nearly a fifth have little or nothing to match.
pub(super) fn random(rng: &mut ChaCha8Rng, size_m: f64) -> Texture {
    // Patterns are as large as the thing asks for, or a part of it.
    let part = size_m * 2f64.powf(rng.random_range(-4.0..-1.0));
    let pattern = match rng.random_range(0..16u32) {
        0..=4 => Pattern::Noise { blot_m: size_m * 2f64.powf(rng.random_range(-3.0..0.5)) },
        5 => Pattern::Wood { board_m: part },
        6 => Pattern::Brick,
        7 => Pattern::Checker { square_m: part },
        8 => Pattern::Wallpaper { stripe_m: 2.0 * part },
        9 => Pattern::Marble,
        10 | 11 => Pattern::Poster,
        12 => Pattern::Text { line_m: part },
        13 => Pattern::Repeated { square_m: part },
        14 => Pattern::Plaster,
        _ => Pattern::Plain,
    };
    let dirt = if rng.random_bool(0.2) { rng.random_range(0.0..0.15) } else { rng.random_range(0.2..0.9) };
    let main = colour(rng);
    let second = if rng.random_bool(0.3) {
        main.map(|x| (x * rng.random_range(0.4..1.6)).min(1.0))
    } else {
        colour(rng)
    };
    Texture { pattern, main, second, dirt, seed: rng.random() }
}

/// Paint: one light colour, nearly even.
pub(super) fn paint(rng: &mut ChaCha8Rng) -> Texture {
    let tone = rng.random_range(0.45..0.95);
    let main = [0; 3].map(|_| (tone + rng.random_range(-0.08..0.08f64)).min(0.98));
    let second = main.map(|x| x * rng.random_range(0.9..1.0));
    let pattern = if rng.random_bool(0.5) { Pattern::Plain } else { Pattern::Plaster };
    Texture { pattern, main, second, dirt: rng.random_range(0.0..0.08), seed: rng.random() }
}

/// Greyish more often than bright, as things are.
fn colour(rng: &mut ChaCha8Rng) -> Colour {
    let (grey, colourful): (f64, f64) = (rng.random_range(0.12..0.95), rng.random_range(0.0f64..1.0).powi(2));
    [0; 3].map(|_| (grey + colourful * rng.random_range(-0.5..0.5)).clamp(0.03, 0.98))
}

/// A turn of any kind, up to the given angle; any at all from π on.
pub(super) fn turn(rng: &mut ChaCha8Rng, most_rad: f64) -> UnitQuaternion<f64> {
    let axis = Vector3::from([0; 3].map(|_| rng.random_range(-1.0..1.0)));
    match nalgebra::Unit::try_new(axis, 1e-3) {
        Some(axis) => UnitQuaternion::from_axis_angle(&axis, rng.random_range(0.0..=most_rad)),
        None => UnitQuaternion::identity(),
    }
}

/// A box or an ellipsoid around `centre` of about the given half size.
pub(super) fn object(rng: &mut ChaCha8Rng, centre: Point3<f64>, half_m: f64, turned_rad: f64) -> Thing {
    let sizes_m = Vector3::from([0; 3].map(|_| half_m * rng.random_range(0.45..1.4)));
    let pose = Isometry3::from_parts(centre.into(), turn(rng, turned_rad));
    let (shape, faces) = match rng.random_range(0..10u32) {
        0..=6 => (Shape::Cuboid { world_from_box: pose, half_m: sizes_m }, rng.random_range(1..=6usize)),
        7 => (Shape::Sphere { centre, radius_m: half_m }, 1),
        _ => (Shape::Ellipsoid { world_from_ball: pose, half_m: sizes_m }, 1),
    };
    let textures = (0..faces).map(|_| random(rng, 2.0 * half_m)).collect();
    Thing { shape, textures, shades: true }
}

/// Six walls around the scene, each of its own material.
pub(super) fn enclosure(rng: &mut ChaCha8Rng, min_m: Vector3<f64>, max_m: Vector3<f64>) -> Thing {
    let (centre, half_m) = ((min_m + max_m) / 2.0, (max_m - min_m) / 2.0);
    let textures = (0..6).map(|_| random(rng, half_m.min())).collect();
    let shape = Shape::Cuboid { world_from_box: Isometry3::from(centre), half_m };
    Thing { shape, textures, shades: false }
}
