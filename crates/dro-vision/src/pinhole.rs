//! The pinhole camera: focal lengths and principal point, in pixels.

use nalgebra::{Matrix3, Point2, Point3};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Intrinsics of a pinhole camera, in pixels, with **pixel centres at integers**.
///
/// A point `p = (x, y, z)` in the camera's frame (x right, y down, z forward) is seen at
/// `u = fx·x/z + cx`, `v = fy·y/z + cy` (Hartley & Zisserman, *Multiple View Geometry*, eq. 6.4, no skew).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinhole {
    /// Horizontal focal length, pixels, > 0.
    pub fx: f64,
    /// Vertical focal length, pixels, > 0.
    pub fy: f64,
    /// Principal point, column, pixels.
    pub cx: f64,
    /// Principal point, row, pixels.
    pub cy: f64,
}

impl Pinhole {
    /// Checks that the focal lengths are positive and everything is finite.
    pub fn new(fx: f64, fy: f64, cx: f64, cy: f64) -> Result<Self> {
        for (name, value) in [("fx", fx), ("fy", fy)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Argument {
                    name,
                    expected: "a positive focal length in pixels".into(),
                    found: value.to_string(),
                });
            }
        }
        for (name, value) in [("cx", cx), ("cy", cy)] {
            if !value.is_finite() {
                return Err(Error::Argument {
                    name,
                    expected: "a finite principal point in pixels".into(),
                    found: value.to_string(),
                });
            }
        }
        Ok(Self { fx, fy, cx, cy })
    }

    /// Square pixels, centred principal point, and the given horizontal field of view (0 < degrees < 180).
    pub fn from_fov_deg(horizontal_fov_deg: f64, height: usize, width: usize) -> Result<Self> {
        if !(horizontal_fov_deg > 0.0 && horizontal_fov_deg < 180.0) {
            return Err(Error::Argument {
                name: "fov",
                expected: "an angle between 0 and 180 degrees".into(),
                found: horizontal_fov_deg.to_string(),
            });
        }
        let focal = width as f64 / 2.0 / (horizontal_fov_deg.to_radians() / 2.0).tan();
        Self::new(focal, focal, (width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0)
    }

    /// Intrinsics after the image is resized by the factors `scale_y`, `scale_x`.
    ///
    /// Pixel centres are at integers, so the image's corner is at −0.5 and
    /// `c' = (c + 0.5)·s − 0.5`, `f' = f·s`.
    pub fn scaled(&self, scale_y: f64, scale_x: f64) -> Result<Self> {
        Self::new(
            self.fx * scale_x,
            self.fy * scale_y,
            (self.cx + 0.5) * scale_x - 0.5,
            (self.cy + 0.5) * scale_y - 0.5,
        )
    }

    /// Intrinsics after an image of `from` (height, width) is resized to `to`.
    pub fn resized(&self, from: (usize, usize), to: (usize, usize)) -> Result<Self> {
        self.scaled(to.0 as f64 / from.0 as f64, to.1 as f64 / from.1 as f64)
    }

    /// Intrinsics after `top` rows and `left` columns are cut away.
    pub fn cropped(&self, top: f64, left: f64) -> Self {
        Self { cx: self.cx - left, cy: self.cy - top, ..*self }
    }

    /// The matrix K with `[u v 1]ᵀ ~ K p`.
    pub fn matrix(&self) -> Matrix3<f64> {
        Matrix3::new(self.fx, 0.0, self.cx, 0.0, self.fy, self.cy, 0.0, 0.0, 1.0)
    }

    /// Where a point in the camera's frame is seen; `None` on or behind the camera plane (z ≤ 0).
    pub fn project(&self, p_in_camera: &Point3<f64>) -> Option<Point2<f64>> {
        (p_in_camera.z > 0.0).then(|| {
            Point2::new(
                self.fx * p_in_camera.x / p_in_camera.z + self.cx,
                self.fy * p_in_camera.y / p_in_camera.z + self.cy,
            )
        })
    }

    /// The point at `depth` (the z coordinate, not the ray's length) behind pixel `(u, v)`.
    pub fn backproject(&self, pixel: &Point2<f64>, depth: f64) -> Point3<f64> {
        Point3::new((pixel.x - self.cx) / self.fx * depth, (pixel.y - self.cy) / self.fy * depth, depth)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cameras() -> impl Strategy<Value = Pinhole> {
        (50.0..2000.0, 50.0..2000.0, -100.0..1500.0, -100.0..1500.0).prop_map(|(fx, fy, cx, cy)| Pinhole {
            fx,
            fy,
            cx,
            cy,
        })
    }

    fn points() -> impl Strategy<Value = Point3<f64>> {
        (-3.0..3.0, -3.0..3.0, 0.1..50.0).prop_map(|(x, y, z)| Point3::new(x, y, z))
    }

    proptest! {
        #[test]
        fn projecting_then_resizing_is_resizing_then_projecting(
            camera in cameras(), p in points(), from in (1usize..900, 1usize..900), to in (1usize..900, 1usize..900),
        ) {
            let pixel = camera.project(&p).unwrap();
            let resized = camera.resized(from, to).unwrap().project(&p).unwrap();
            // Measured from the image's corner, which is at −0.5, everything scales.
            let (sx, sy) = (to.1 as f64 / from.1 as f64, to.0 as f64 / from.0 as f64);
            let expected = Point2::new((pixel.x + 0.5) * sx - 0.5, (pixel.y + 0.5) * sy - 0.5);
            prop_assert!((resized - expected).norm() < 1e-9 * (1.0 + expected.coords.norm()));
        }

        #[test]
        fn projecting_then_cropping_is_cropping_then_projecting(
            camera in cameras(), p in points(), top in 0.0..300.0, left in 0.0..300.0,
        ) {
            let pixel = camera.project(&p).unwrap();
            let cropped = camera.cropped(top, left).project(&p).unwrap();
            prop_assert!((cropped.x - (pixel.x - left)).abs() + (cropped.y - (pixel.y - top)).abs() < 1e-8);
        }

        #[test]
        fn backprojecting_inverts_projecting(camera in cameras(), p in points()) {
            let back = camera.backproject(&camera.project(&p).unwrap(), p.z);
            prop_assert!((back - p).norm() < 1e-10 * (1.0 + p.coords.norm()));
        }

        #[test]
        fn the_matrix_is_the_projection(camera in cameras(), p in points()) {
            let v = camera.matrix() * p.coords;
            prop_assert!((camera.project(&p).unwrap() - Point2::new(v.x / v.z, v.y / v.z)).norm() < 1e-8);
        }
    }

    #[test]
    fn halving_a_centred_camera_keeps_it_centred() {
        let camera = Pinhole::from_fov_deg(90.0, 480, 640).unwrap();
        assert!((camera.fx - 320.0).abs() < 1e-9 && camera.cx == 319.5 && camera.cy == 239.5);
        let half = camera.resized((480, 640), (240, 320)).unwrap();
        assert!((half.fx - 160.0).abs() < 1e-9 && half.cx == 159.5 && half.cy == 119.5);
    }

    #[test]
    fn what_is_no_camera_is_refused() {
        for (camera, name) in [
            (Pinhole::new(0.0, 1.0, 0.0, 0.0), "fx"),
            (Pinhole::new(1.0, f64::NAN, 0.0, 0.0), "fy"),
            (Pinhole::new(1.0, 1.0, f64::INFINITY, 0.0), "cx"),
            (Pinhole::from_fov_deg(180.0, 2, 2), "fov"),
            (Pinhole::new(1.0, 1.0, 0.0, 0.0).unwrap().resized((0, 4), (4, 4)), "fy"),
        ] {
            let message = camera.unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        let camera = Pinhole::new(1.0, 1.0, 0.0, 0.0).unwrap();
        assert!(camera.project(&Point3::new(1.0, 1.0, 0.0)).is_none());
        assert!(camera.project(&Point3::new(1.0, 1.0, -2.0)).is_none());
    }
}
