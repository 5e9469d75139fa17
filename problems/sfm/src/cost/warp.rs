//! Where target pixels are seen by a neighbour, and what it sees there.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Matrix3};

/// `q = A (u, v, 1)ᵀ + x b`.
pub(super) struct Warp {
    a: Matrix3<f32>,
    b: [f32; 3],
}

impl Warp {
    pub(super) fn new(camera: &Pinhole, pose: &Isometry3<f64>) -> Self {
        let k = camera.matrix();
        let (f, c) = ([camera.fx.recip(), camera.fy.recip()], [camera.cx, camera.cy]);
        let k_inverse = Matrix3::new(f[0], 0.0, -c[0] * f[0], 0.0, f[1], -c[1] * f[1], 0.0, 0.0, 1.0);
        let a = k * pose.rotation.to_rotation_matrix().matrix() * k_inverse;
        let b = k * pose.translation.vector;
        Self { a: a.cast::<f32>(), b: [b.x as f32, b.y as f32, b.z as f32] }
    }

    /// Bilinear samples of `image` for row `y` of the target; `seen` is 1 where the sample lies inside and in front.
    pub(super) fn sample_row(
        &self,
        image: &[f32],
        (height, width): (usize, usize),
        y: usize,
        inv_depth: &[f32],
        out: &mut [i16],
        seen: &mut [f32],
    ) {
        let (a, b, v) = (&self.a, &self.b, y as f32);
        let start = [a[(0, 1)] * v + a[(0, 2)], a[(1, 1)] * v + a[(1, 2)], a[(2, 1)] * v + a[(2, 2)]];
        let slope = [a[(0, 0)], a[(1, 0)], a[(2, 0)]];
        let (right, bottom) = ((width - 1) as f32, (height - 1) as f32);
        for (column, ((&x, out), seen)) in inv_depth.iter().zip(out).zip(seen).enumerate() {
            let u = column as f32;
            let z = start[2] + slope[2] * u + b[2] * x;
            let inverse = z.max(1e-6).recip();
            let s = (start[0] + slope[0] * u + b[0] * x) * inverse;
            let t = (start[1] + slope[1] * u + b[1] * x) * inverse;
            *seen = f32::from(u8::from(z > 1e-6 && s >= 0.0 && t >= 0.0 && s <= right && t <= bottom));
            // `max` first: NaN becomes 0.
            let (s, t) = (s.max(0.0).min(right), t.max(0.0).min(bottom));
            let (i, j) = ((t as usize).min(height - 2), (s as usize).min(width - 2));
            let (ft, fs) = (t - i as f32, s - j as f32);
            let at = i * width + j;
            let (upper, lower) = (&image[at..at + 2], &image[at + width..at + width + 2]);
            let above = upper[0] + fs * (upper[1] - upper[0]);
            let below = lower[0] + fs * (lower[1] - lower[0]);
            *out = (above + ft * (below - above)) as i16;
        }
    }
}
