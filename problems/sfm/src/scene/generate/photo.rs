//! From light to pixels.

use dro_vision::Pinhole;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{Result, scene::texture::Colour};

/// Horizontal fields of view: a long lens, KITTI, a Kinect, a telephone, a wide angle.
const LENSES_DEG: [f64; 5] = [45.0, 80.0, 62.0, 68.0, 92.0];

/// A camera of one of the common kinds, its centre not quite in the middle.
pub(super) fn lens(rng: &mut ChaCha8Rng, (height, width): (usize, usize)) -> Result<Pinhole> {
    let fov_deg = LENSES_DEG[rng.random_range(0..LENSES_DEG.len())] * rng.random_range(0.92..1.08);
    let camera = Pinhole::from_fov_deg(fov_deg, height, width)?;
    let (dx, dy) =
        (rng.random_range(-0.03..0.03) * width as f64, rng.random_range(-0.03..0.03) * height as f64);
    let fy = camera.fy * rng.random_range(0.99..1.01);
    Ok(Pinhole::new(camera.fx, fy, camera.cx + dx, camera.cy + dy)?)
}

/// How one camera turns light into pixels, and by how much that differs between its pictures.
pub(super) struct Film {
    exposure: f64,
    balance: Colour,
    gamma: f64,
    change: f64,
    blur_px: f64,
    noise: f64,
}

impl Film {
    /// `strength` 0: the same clean picture every time.
    pub(super) fn draw(rng: &mut ChaCha8Rng, strength: f64) -> Self {
        let around_one = |rng: &mut ChaCha8Rng, by: f64| 1.0 + strength * by * rng.random_range(-1.0..1.0);
        Self {
            exposure: around_one(rng, 0.35),
            balance: [0; 3].map(|_| around_one(rng, 0.12)),
            gamma: 1.6 * around_one(rng, 0.3),
            change: strength * rng.random_range(0.0..0.15),
            blur_px: strength * rng.random_range(0.0..0.7),
            noise: strength * rng.random_range(0.0f64..1.0).powi(2) * 0.03,
        }
    }

    /// Three planes of pixels in [0, 1]; `rng` is the picture's own.
    pub(super) fn develop(&self, light: &[Colour], size: (usize, usize), rng: &mut ChaCha8Rng) -> Vec<f32> {
        let exposure = self.exposure * (1.0 + self.change * rng.random_range(-1.0..1.0));
        let mut planes = Vec::with_capacity(3 * light.len());
        for (channel, balance) in self.balance.into_iter().enumerate() {
            let gain = exposure * balance * (1.0 + 0.3 * self.change * rng.random_range(-1.0..1.0));
            let plane: Vec<f64> = light.iter().map(|colour| colour[channel] * gain).collect();
            for x in blurred(plane, size, self.blur_px) {
                // The sum of three even numbers is near enough to a normal one, of deviation 1 here.
                let noise: f64 = (0..3).map(|_| rng.random_range(-1.0..1.0)).sum();
                let shown = x.max(0.0).powf(1.0 / self.gamma) + self.noise * noise;
                planes.push(shown.clamp(0.0, 1.0) as f32);
            }
        }
        planes
    }
}

/// A 3x3 blur of about the given deviation (at most 0.7 pixels).
fn blurred(plane: Vec<f64>, (height, width): (usize, usize), deviation_px: f64) -> Vec<f64> {
    let side = 0.5 * deviation_px * deviation_px;
    let along = |plane: Vec<f64>, step: usize, count: usize, position: &dyn Fn(usize) -> usize| -> Vec<f64> {
        (0..plane.len())
            .map(|at| {
                let k = position(at);
                let before = if k > 0 { plane[at - step] } else { plane[at] };
                let after = if k + 1 < count { plane[at + step] } else { plane[at] };
                (1.0 - 2.0 * side) * plane[at] + side * (before + after)
            })
            .collect()
    };
    let plane = along(plane, 1, width, &|at| at % width);
    along(plane, width, height, &|at| at / width)
}
