//! Where target pixels are seen by a neighbour, and what it sees there.

use dro_core::vectorized;
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
        size: (usize, usize),
        y: usize,
        inv_depth: &[f32],
        out: &mut [i16],
        seen: &mut [f32],
    ) {
        vectorized(
            #[inline(always)]
            || {
                let parts =
                    inv_depth.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)).zip(seen.chunks_mut(AT_ONCE));
                let (mut places, mut corners) = (Places::default(), [[0.0; AT_ONCE]; 4]);
                for (part, ((inv_depth, out), seen)) in parts.enumerate() {
                    self.places(size, (part * AT_ONCE, y), inv_depth, &mut places, seen);
                    places.sample(image, size.1, &mut corners, out);
                }
            },
        );
    }

    /// Where the pixels from one column and row on are seen.
    #[inline(always)]
    fn places(
        &self,
        (height, width): (usize, usize),
        (x, y): (usize, usize),
        inv_depth: &[f32],
        places: &mut Places,
        seen: &mut [f32],
    ) {
        let (a, b, v) = (&self.a, &self.b, y as f32);
        let start = [0, 1, 2].map(|r| a[(r, 1)] * v + a[(r, 2)]);
        let slope = [0, 1, 2].map(|r| a[(r, 0)]);
        let (right, bottom) = ((width - 1) as f32, (height - 1) as f32);
        let Places { at, across, down } = places;
        let out = at.iter_mut().zip(across).zip(down);
        for (u, ((&x_inv, seen), ((at, across), down))) in
            (x as i32..).zip(inv_depth.iter().zip(seen).zip(out))
        {
            let u = u as f32;
            let z = start[2] + slope[2] * u + b[2] * x_inv;
            // Comparisons are one instruction each where `max` and `min` are three; NaN becomes the least.
            let within = |x: f32, least: f32, most: f32| {
                let x = if x > least { x } else { least };
                if x < most { x } else { most }
            };
            let inverse = within(z, 1e-6, f32::INFINITY).recip();
            let s = (start[0] + slope[0] * u + b[0] * x_inv) * inverse;
            let t = (start[1] + slope[1] * u + b[1] * x_inv) * inverse;
            *seen = f32::from(u8::from((z > 1e-6) & (s >= 0.0) & (t >= 0.0) & (s <= right) & (t <= bottom)));
            let (s, t) = (within(s, 0.0, right), within(t, 0.0, bottom));
            let (i, j) = (whole(t).min(height as i32 - 2), whole(s).min(width as i32 - 2));
            *at = i * width as i32 + j;
            (*across, *down) = (s - j as f32, t - i as f32);
        }
    }
}

/// Pixels whose places are computed before any is looked at: what is computed is then done in vectors.
const AT_ONCE: usize = 256;

/// Places between four pixels: the first of them, and the way from there.
struct Places {
    at: [i32; AT_ONCE],
    across: [f32; AT_ONCE],
    down: [f32; AT_ONCE],
}

impl Default for Places {
    fn default() -> Self {
        Self { at: [0; AT_ONCE], across: [0.0; AT_ONCE], down: [0.0; AT_ONCE] }
    }
}

impl Places {
    #[inline(always)]
    fn sample(&self, image: &[f32], width: usize, corners: &mut [[f32; AT_ONCE]; 4], out: &mut [i16]) {
        let [upper, upper_right, lower, lower_right] = corners;
        for (i, &at) in self.at.iter().enumerate().take(out.len()) {
            let from = &image[at as usize..][..width + 2];
            (upper[i], upper_right[i]) = (from[0], from[1]);
            (lower[i], lower_right[i]) = (from[width], from[width + 1]);
        }
        for (i, out) in out.iter_mut().enumerate().take(AT_ONCE) {
            let above = upper[i] + self.across[i] * (upper_right[i] - upper[i]);
            let below = lower[i] + self.across[i] * (lower_right[i] - lower[i]);
            *out = whole(above + self.down[i] * (below - above)) as i16;
        }
    }
}

/// A number from 0 to 2²³ without its fraction: in vector instructions, which conversions that reckon with all numbers are not.
#[inline(always)]
pub(crate) fn whole(x: f32) -> i32 {
    const ONES: f32 = 8_388_608.0;
    (x.floor() + ONES).to_bits().wrapping_sub(ONES.to_bits()) as i32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// One pixel after the other, by the formula; rows longer than what is computed at once, and depths that are no numbers.
        #[test]
        fn rows_are_sampled_as_pixels_are(
            (t, r) in (prop::array::uniform3(-1.0..1.0f64), prop::array::uniform3(-0.3..0.3f64)),
            (width, y) in (8..600usize, 0..9usize),
            inverse in prop::collection::vec(prop_oneof![9 => 0.0..3.0f32, 1 => any::<f32>()], 600),
        ) {
            let height = 9;
            let camera = Pinhole::from_fov_deg(60.0, height, width).unwrap();
            let warp = Warp::new(&camera, &Isometry3::new(t.into(), r.into()));
            let image: Vec<f32> = (0..height * width).map(|i| (i * 7919 % 16384) as f32).collect();
            let (mut out, mut seen) = (vec![0i16; width], vec![0f32; width]);
            warp.sample_row(&image, (height, width), y, &inverse[..width], &mut out, &mut seen);
            for (x, inverse) in inverse[..width].iter().enumerate() {
                let q = [0, 1, 2].map(|i| {
                    warp.a[(i, 1)] * y as f32 + warp.a[(i, 2)] + warp.a[(i, 0)] * x as f32 + warp.b[i] * inverse
                });
                let [s, t] = [0, 1].map(|i| q[i] * q[2].max(1e-6).recip());
                let inside = q[2] > 1e-6 && s >= 0.0 && t >= 0.0 && s <= (width - 1) as f32 && t <= (height - 1) as f32;
                prop_assert_eq!(seen[x], f32::from(u8::from(inside)));
                if inside {
                    let (i, j) = ((t as usize).min(height - 2), (s as usize).min(width - 2));
                    let mix = |row: usize| {
                        let (a, b) = (image[row * width + j], image[row * width + j + 1]);
                        a + (s - j as f32) * (b - a)
                    };
                    let grey = mix(i) + (t - i as f32) * (mix(i + 1) - mix(i));
                    prop_assert_eq!(out[x], grey as i16);
                }
            }
        }
    }
}
