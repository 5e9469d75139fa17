//! A path as a hand would lead a camera.

use std::f64::consts::TAU;

use nalgebra::{Isometry3, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `n` poses `world_from_camera` on a smooth path near the origin, looking forward: an ellipse of 0.9 × 0.6 m walked
/// in 70 frames (2.5 to 4.5 cm per frame), a small bob, and slow turns of at most a degree per frame. It never leaves the
/// half metre around the origin, which every [`Room`](super::Room) keeps free.
pub fn hand_held_path(n: usize, seed: u64) -> Vec<Isometry3<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0070_6174_6800);
    let mut phase = || rng.random_range(0.0..TAU);
    let (around, bob, yaw, pitch, roll) = (phase(), phase(), phase(), phase(), phase());
    let wave = |index: usize, period: f64, phase: f64| (TAU * index as f64 / period + phase).sin();
    (0..n)
        .map(|i| {
            let position = Vector3::new(
                0.45 * wave(i, 70.0, around),
                0.04 * wave(i, 23.0, bob),
                0.30 * wave(i, 70.0, around + TAU / 4.0),
            );
            let turn = Vector3::new(
                0.045 * wave(i, 41.0, pitch),
                0.11 * wave(i, 57.0, yaw),
                0.02 * wave(i, 33.0, roll),
            );
            Isometry3::new(position, turn)
        })
        .collect()
}
