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
    /// How far a picture may move while it is taken, in parts of its width.
    shake: f64,
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
            shake: strength * rng.random_range(0.0f64..1.0).powi(3) * 0.02,
        }
    }

    /// Three planes of pixels in [0, 1]; `rng` is the picture's own.
    pub(super) fn develop(&self, light: &[Colour], size: (usize, usize), rng: &mut ChaCha8Rng) -> Vec<f32> {
        let exposure = self.exposure * (1.0 + self.change * rng.random_range(-1.0..1.0));
        let angle = rng.random_range(0.0..std::f64::consts::TAU);
        let length_px = self.shake * rng.random_range(0.0..1.0) * size.1 as f64;
        let shift = (length_px * angle.cos(), length_px * angle.sin());
        let mut planes = Vec::with_capacity(3 * light.len());
        for (channel, balance) in self.balance.into_iter().enumerate() {
            let gain = exposure * balance * (1.0 + 0.3 * self.change * rng.random_range(-1.0..1.0));
            let plane: Vec<f64> = light.iter().map(|colour| colour[channel] * gain).collect();
            for x in blurred(smeared(plane, size, shift), size, self.blur_px) {
                // The sum of three even numbers is near enough to a normal one, of deviation 1 here.
                let noise: f64 = (0..3).map(|_| rng.random_range(-1.0..1.0)).sum();
                let shown = x.max(0.0).powf(1.0 / self.gamma) + self.noise * noise;
                planes.push(shown.clamp(0.0, 1.0) as f32);
            }
        }
        planes
    }
}

/// The picture of a camera that moves by `shift` (right, down, pixels) meanwhile: the mean along that line. Where it stands
/// is the middle of the line, so depth and poses stay true.
fn smeared(plane: Vec<f64>, (height, width): (usize, usize), shift: (f64, f64)) -> Vec<f64> {
    let steps = shift.0.abs().max(shift.1.abs()).ceil() as usize;
    if steps == 0 {
        return plane;
    }
    // Linear between the two nearest pixels each way.
    let at = |y: f64, x: f64| {
        let (y, x) = (y.clamp(0.0, (height - 1) as f64), x.clamp(0.0, (width - 1) as f64));
        let (top, left) = (y as usize, x as usize);
        let (below, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
        let (v, u) = (y - top as f64, x - left as f64);
        let row = |row: usize| plane[row * width + left] * (1.0 - u) + plane[row * width + right] * u;
        row(top) * (1.0 - v) + row(below) * v
    };
    let places = (0..=steps).map(|step| step as f64 / steps as f64 - 0.5);
    let places: Vec<(f64, f64)> = places.map(|part| (part * shift.0, part * shift.1)).collect();
    let mean = |i: usize| {
        let (y, x) = ((i / width) as f64, (i % width) as f64);
        places.iter().map(|(dx, dy)| at(y + dy, x + dx)).sum::<f64>() / places.len() as f64
    };
    (0..plane.len()).map(mean).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_camera_smears_along_its_way_and_nowhere_else() {
        let size = (9, 15);
        let mut plane = vec![0.0; 9 * 15];
        plane[4 * 15 + 7] = 1.0;
        let same = smeared(plane.clone(), size, (0.0, 0.0));
        assert_eq!(same, plane);
        let smeared = smeared(plane, size, (4.0, 0.0));
        assert!((smeared.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (i, x) in smeared.iter().enumerate() {
            let on = i / 15 == 4 && (5..=9).contains(&(i % 15));
            assert!((x - if on { 0.2 } else { 0.0 }).abs() < 1e-12, "{i}: {x}");
        }
    }
}
