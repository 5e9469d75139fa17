//! A line of sight of one camera in the image of another.

use nalgebra::{Isometry3, Point2, Vector3};

use super::free_space::Frame;

/// Where another camera sees the places on one line of sight: `a + x b`, homogeneous, at inverse depth x (its epipolar line).
pub(super) struct Sight {
    a: Vector3<f64>,
    b: Vector3<f64>,
    /// The last column and row.
    last: [f64; 2],
}

impl Sight {
    /// That of a pixel, as a camera at `pose` sees it.
    pub(super) fn new(frame: &Frame, place: [f64; 2], pose: &Isometry3<f64>) -> Self {
        let k = frame.camera.matrix();
        let ray = frame.camera.backproject(&Point2::from(place), 1.0).coords;
        Self {
            a: k * (pose.rotation * ray),
            b: k * pose.translation.vector,
            last: [frame.size.1 as f64 - 1.0, frame.size.0 as f64 - 1.0],
        }
    }

    /// The place at an inverse depth; `None` outside of the image.
    pub(super) fn at(&self, inverse: f64) -> Option<[f64; 2]> {
        let seen = self.a + inverse * self.b;
        let at = [seen.x / seen.z, seen.y / seen.z];
        let inside = |i: usize| at[i] >= 0.0 && at[i] <= self.last[i];
        (seen.z > 0.0 && inside(0) && inside(1)).then_some(at)
    }

    /// How fast the place moves aside in the image as the inverse depth grows, pixels per inverse depth: |dq/dx|; 0 behind the camera.
    pub(super) fn aside_px(&self, inverse: f64) -> f64 {
        let (seen, b) = (self.a + inverse * self.b, &self.b);
        let aside_px = (b.x - seen.x / seen.z * b.z).hypot(b.y - seen.y / seen.z * b.z) / seen.z;
        if seen.z > 0.0 && aside_px.is_finite() { aside_px } else { 0.0 }
    }

    /// The least greater inverse depth at which it leaves the image; this one if it is outside here; `None` if it never does.
    pub(super) fn exit(&self, inverse: f64) -> Option<f64> {
        if self.at(inverse).is_none() {
            return Some(inverse);
        }
        let (a, b, [right, bottom]) = (&self.a, &self.b, self.last);
        let borders = [
            -a.x / b.x,
            -a.y / b.y,
            (right * a.z - a.x) / (b.x - right * b.z),
            (bottom * a.z - a.y) / (b.y - bottom * b.z),
        ];
        borders.into_iter().filter(|x| x.is_finite() && *x > inverse).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dro_vision::Pinhole;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It is inside up to where it leaves the image, and outside just beyond.
        #[test]
        fn inside_up_to_the_exit(
            place in [0.0..79.0f64, 0.0..59.0f64],
            (t, r) in (prop::array::uniform3(-1.0..1.0f64), prop::array::uniform3(-0.2..0.2f64)),
            inverse in 0.01..0.5f64,
        ) {
            let frame = Frame { camera: Pinhole::from_fov_deg(60.0, 60, 80).unwrap(), size: (60, 80) };
            let sight = Sight::new(&frame, place, &Isometry3::new(t.into(), r.into()));
            if sight.at(inverse).is_none() {
                prop_assert_eq!(sight.exit(inverse), Some(inverse));
                return Ok(());
            }
            match sight.exit(inverse) {
                None => {
                    for x in [1.0, 10.0, 1e3, 1e6] {
                        prop_assert!(sight.at(inverse + x).is_some());
                    }
                }
                Some(exit) => {
                    for part in [0.1, 0.5, 0.9, 0.999] {
                        prop_assert!(sight.at(inverse + part * (exit - inverse)).is_some());
                    }
                    prop_assert!(sight.at(exit + 1e-6 * (1.0 + exit)).is_none());
                }
            }
        }
    }
}
