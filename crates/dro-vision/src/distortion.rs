//! Lens distortion by the model of Brown and Conrady.

use candle_core::{Device, Tensor};
use nalgebra::{Matrix2, Point2, Vector2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Pinhole, Result};

/// Radial and tangential distortion of normalised image points; the default is none.
///
/// A point seen at `(x, y) = (X/Z, Y/Z)` without distortion is seen at
///
/// `x_d = x·g + 2·p1·x·y + p2·(r² + 2x²)`, `y_d = y·g + p1·(r² + 2y²) + 2·p2·x·y`,
/// `g = 1 + k1·r² + k2·r⁴ + k3·r⁶`, `r² = x² + y²`
///
/// (Brown, *Decentering distortion of lenses*, 1966; the names are OpenCV's). Calibrations fit this inside
/// the image only: far outside, the polynomial can fold back, and there it has no inverse.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrownConrady {
    /// Radial, r².
    pub k1: f64,
    /// Radial, r⁴.
    pub k2: f64,
    /// Tangential, y.
    pub p1: f64,
    /// Tangential, x.
    pub p2: f64,
    /// Radial, r⁶.
    pub k3: f64,
}

/// The way from the centre to the point is walked in so many parts, each by Newton's method.
const PARTS: u32 = 8;
const NEWTON_STEPS: u32 = 20;
/// Normalised units; with a focal length of 1000 pixels, 1e-9 of a pixel.
const TOLERANCE: f64 = 1e-12;

impl BrownConrady {
    /// Whether every coefficient is 0.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Where the lens shows an ideal normalised point.
    pub fn distort(&self, ideal: &Point2<f64>) -> Point2<f64> {
        let Point2 { coords: p } = *ideal;
        let r2 = p.norm_squared();
        let radial = 1.0 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3));
        let (xx, xy, yy) = (p.x * p.x, p.x * p.y, p.y * p.y);
        Point2::new(
            p.x * radial + 2.0 * self.p1 * xy + self.p2 * (r2 + 2.0 * xx),
            p.y * radial + self.p1 * (r2 + 2.0 * yy) + 2.0 * self.p2 * xy,
        )
    }

    /// The ideal normalised point that the lens shows at `distorted`, to 1e-12.
    ///
    /// Newton's method, along the way from the centre outwards, so that of several solutions the one that is
    /// connected with the centre is found.
    ///
    /// # Errors
    /// [`Error::Undistort`] when that way meets a place where the model folds back (its Jacobian is not
    /// positive), that is, when no lens would show anything at this point, and for points that are not finite.
    pub fn undistort(&self, distorted: &Point2<f64>) -> Result<Point2<f64>> {
        let failed = || Error::Undistort { x: distorted.x, y: distorted.y };
        let mut ideal = Point2::origin();
        for part in 1..=PARTS {
            let goal = distorted * (f64::from(part) / f64::from(PARTS));
            ideal = self.newton(ideal, &goal).ok_or_else(failed)?;
        }
        Ok(ideal)
    }

    fn newton(&self, start: Point2<f64>, goal: &Point2<f64>) -> Option<Point2<f64>> {
        let mut ideal = start;
        for _ in 0..NEWTON_STEPS {
            let jacobian = self.jacobian(&ideal);
            let determinant = jacobian.determinant();
            if determinant <= 0.0 || determinant.is_nan() {
                return None;
            }
            let missing: Vector2<f64> = goal - self.distort(&ideal);
            if missing.norm() < TOLERANCE {
                return Some(ideal);
            }
            ideal += jacobian.try_inverse()? * missing;
        }
        None
    }

    /// `∂distort/∂ideal`.
    fn jacobian(&self, ideal: &Point2<f64>) -> Matrix2<f64> {
        let (x, y, r2) = (ideal.x, ideal.y, ideal.coords.norm_squared());
        let radial = 1.0 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3));
        let slope = 2.0 * (self.k1 + r2 * (2.0 * self.k2 + r2 * 3.0 * self.k3));
        let mixed = x * y * slope + 2.0 * (self.p1 * x + self.p2 * y);
        Matrix2::new(
            radial + x * x * slope + 2.0 * self.p1 * y + 6.0 * self.p2 * x,
            mixed,
            mixed,
            radial + y * y * slope + 6.0 * self.p1 * y + 2.0 * self.p2 * x,
        )
    }

    /// For every pixel of the undistorted image, where to sample the distorted one.
    ///
    /// `camera` is the camera of both. The result is `[1, height, width, 2]`, f32, `(x, y)` pixels, on the CPU,
    /// for [`dro_kernels::grid_sample`], which gives 0 where the distorted image does not reach.
    pub fn undistortion_coords(&self, camera: &Pinhole, height: usize, width: usize) -> Result<Tensor> {
        self.coords(camera, height, width, |coordinate| coordinate)
    }

    /// [`undistortion_coords`](Self::undistortion_coords), rounded to pixels.
    ///
    /// For depth maps: a mean over an edge is a depth that nothing has, and 0 ("none") must not be mixed in.
    pub fn undistortion_coords_nearest(
        &self,
        camera: &Pinhole,
        height: usize,
        width: usize,
    ) -> Result<Tensor> {
        self.coords(camera, height, width, f64::round)
    }

    fn coords(
        &self,
        camera: &Pinhole,
        height: usize,
        width: usize,
        finish: fn(f64) -> f64,
    ) -> Result<Tensor> {
        let Pinhole { fx, fy, cx, cy } = *camera;
        let at = |pixel: usize| {
            let (x, y) = ((pixel % width) as f64, (pixel / width) as f64);
            let seen = self.distort(&Point2::new((x - cx) / fx, (y - cy) / fy));
            [finish(fx * seen.x + cx) as f32, finish(fy * seen.y + cy) as f32]
        };
        let values: Vec<f32> = (0..height * width).into_par_iter().flat_map_iter(at).collect();
        Ok(Tensor::from_vec(values, (1, height, width, 2), &Device::Cpu)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use candle_core::IndexOp;
    use dro_kernels::grid_sample;

    /// Of the TUM RGB-D data set's `freiburg1`.
    const LENS: BrownConrady =
        BrownConrady { k1: 0.262383, k2: -0.953104, p1: -0.005358, p2: 0.002628, k3: 1.163314 };
    const CAMERA: Pinhole = Pinhole { fx: 517.306, fy: 516.469, cx: 318.643, cy: 255.314 };

    fn normalised(x: f64, y: f64) -> Point2<f64> {
        Point2::new((x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy)
    }

    #[test]
    fn undistort_inverts_distort_in_the_whole_image() {
        for y in (0..480).step_by(13) {
            for x in (0..640).step_by(13) {
                let p = normalised(x as f64, y as f64);
                let there = LENS.undistort(&LENS.distort(&p)).unwrap();
                let back = LENS.distort(&LENS.undistort(&p).unwrap());
                assert!((there - p).norm() < 1e-11 && (back - p).norm() < 1e-11, "{p}");
            }
        }
        // It does something: the corner moves by several pixels.
        let corner = normalised(0.0, 0.0);
        assert!((LENS.distort(&corner) - corner).norm() * CAMERA.fx > 5.0);
    }

    #[test]
    fn jacobian_is_the_derivative() {
        let (p, h) = (Point2::new(0.3, -0.4), 1e-6);
        let jacobian = LENS.jacobian(&p);
        for axis in 0..2 {
            let mut step = Vector2::zeros();
            step[axis] = h;
            let difference = (LENS.distort(&(p + step)) - LENS.distort(&(p - step))) / (2.0 * h);
            assert!((difference - jacobian.column(axis)).norm() < 1e-9);
        }
    }

    #[test]
    fn points_that_no_lens_shows_are_refused() {
        // x·(1 − r²) is largest at r = 1/√3.
        let barrel = BrownConrady { k1: -1.0, ..Default::default() };
        let edge = 2.0 / 3.0 / f64::sqrt(3.0);
        assert!(barrel.undistort(&Point2::new(0.99 * edge, 0.0)).is_ok_and(|p| p.x < 1.0 / f64::sqrt(3.0)));
        for (x, y) in [(1.01 * edge, 0.0), (0.0, -3.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            let error = barrel.undistort(&Point2::new(x, y)).unwrap_err();
            assert!(error.to_string().contains("folds back"), "{error}");
        }
    }

    #[test]
    fn none_changes_nothing() {
        assert!(BrownConrady::default().is_none() && !LENS.is_none());
        let coords = BrownConrady::default().undistortion_coords(&CAMERA, 4, 6).unwrap();
        assert_eq!(coords.dims(), [1, 4, 6, 2]);
        let at: Vec<f32> = coords.i((0, 3, 5)).unwrap().to_vec1().unwrap();
        assert!((at[0] - 5.0).abs() < 1e-4 && (at[1] - 3.0).abs() < 1e-4);
        let p = Point2::new(0.7, -0.2);
        assert_eq!(BrownConrady::default().distort(&p), p);
    }

    #[test]
    fn a_distorted_image_is_straightened() {
        // Each pixel of the distorted image shows the ideal column that it sees.
        let (h, w) = (480, 640);
        let columns: Vec<f32> = (0..h * w)
            .map(|i| {
                let ideal = LENS.undistort(&normalised((i % w) as f64, (i / w) as f64)).unwrap();
                (ideal.x * CAMERA.fx + CAMERA.cx) as f32
            })
            .collect();
        let image = Tensor::from_vec(columns, (1, 1, h, w), &Device::Cpu).unwrap();
        let coords = LENS.undistortion_coords(&CAMERA, h, w).unwrap();
        let straight: Vec<Vec<f32>> =
            grid_sample(&image, &coords).unwrap().i((0, 0)).unwrap().to_vec2().unwrap();
        let nearest = LENS.undistortion_coords_nearest(&CAMERA, h, w).unwrap();
        let rough: Vec<Vec<f32>> =
            grid_sample(&image, &nearest).unwrap().i((0, 0)).unwrap().to_vec2().unwrap();
        for y in (40..440).step_by(20) {
            for x in (40..600).step_by(20) {
                assert!((straight[y][x] - x as f32).abs() < 0.01, "{x} {y}: {}", straight[y][x]);
                assert!((rough[y][x] - x as f32).abs() < 0.6, "{x} {y}: {}", rough[y][x]);
            }
        }
    }
}
