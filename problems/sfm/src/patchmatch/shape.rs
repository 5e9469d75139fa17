//! The shapes in which surroundings of a corner are described: a square, a turned one, or what a square looks like from aside.

use std::f32::consts::{PI, SQRT_2};

use nalgebra::{Matrix2, Rotation2};

/// From a descriptor's own coordinates to the picture's; of determinant 1.
pub(super) type Shape = Matrix2<f32>;

/// How much shorter than upright ones slanted surroundings are along one direction, as ASIFT has it at its first two steps
/// (Morel & Yu, SIAM J. Imaging Sciences 2009).
const TILTS: [f32; 2] = [SQRT_2, 2.0];
/// Directions in half a turn.
const DIRECTIONS: usize = 4;

pub(super) fn upright() -> Shape {
    Shape::identity()
}

/// Turned by `angle`, in radians from right to down.
pub(super) fn rolled(angle: f32) -> Shape {
    Rotation2::new(angle).into_inner()
}

/// Upright, and as a surface looks where it is turned away, by two angles about four axes.
pub(super) fn slanted() -> Vec<Shape> {
    let along = (0..DIRECTIONS).map(|i| rolled(i as f32 * PI / DIRECTIONS as f32));
    let slanted = along.flat_map(|axes| TILTS.map(|tilt| axes * squeezed(tilt) * axes.transpose()));
    std::iter::once(upright()).chain(slanted).collect()
}

/// Longer along the first coordinate than along the second by `tilt`.
fn squeezed(tilt: f32) -> Shape {
    Shape::new(tilt.sqrt(), 0.0, 0.0, tilt.sqrt().recip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slanted_shapes_differ_and_keep_areas() {
        let shapes = slanted();
        assert_eq!(shapes.len(), 1 + TILTS.len() * DIRECTIONS);
        for (i, shape) in shapes.iter().enumerate() {
            assert!((shape.determinant() - 1.0).abs() < 1e-5 && (shape - shape.transpose()).norm() < 1e-6);
            let tilt = shape.singular_values()[0] / shape.singular_values()[1];
            let expected = if i == 0 { 1.0 } else { TILTS[(i - 1) % 2] };
            assert!((tilt - expected).abs() < 1e-4, "{i}: {tilt}");
            assert!(shapes[..i].iter().all(|other| (shape - other).norm() > 0.1), "{i}");
        }
    }
}
