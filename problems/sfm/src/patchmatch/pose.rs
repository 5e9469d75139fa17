//! Poses as six numbers, and how pose turns sample them.

use candle_core::{DType, Tensor};
use dro_core::{Manifold, Point};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{Result, cost::POSES};

/// The length of the longest translation; 0 if there is none.
pub(crate) fn longest(poses: &[Isometry3<f64>]) -> f64 {
    poses.iter().map(|pose| pose.translation.vector.norm()).fold(0.0, f64::max)
}

/// The poses of a point.
pub(super) fn poses_of(point: &Point) -> Result<Vec<Isometry3<f64>>> {
    let poses = point.get(POSES).flatten_all()?.to_vec1::<f32>()?;
    Ok(poses.chunks(6).map(PoseChart::decode).collect())
}

/// A rigid motion as `[.., 6]`: translation first, then the rotation vector (axis times angle in radians).
///
/// Increments have the same layout and retract on R³ × SO(3): `t ← t + dt`, `R ← exp(dω) R`.
#[derive(Debug, Clone, Copy)]
pub struct PoseChart;

impl PoseChart {
    /// The motion of six numbers; the identity's where there are fewer. Not finite numbers give a pose that is not
    /// finite, never a panic.
    pub fn decode(pose: &[f32]) -> Isometry3<f64> {
        let at = |i: usize| pose.get(i).copied().map_or(0.0, f64::from);
        Isometry3::from_parts(
            Translation3::new(at(0), at(1), at(2)),
            UnitQuaternion::from_scaled_axis(Vector3::new(at(3), at(4), at(5))),
        )
    }

    /// The six numbers of a motion.
    pub fn encode(pose: &Isometry3<f64>) -> [f32; 6] {
        let (t, w) = (pose.translation.vector, pose.rotation.scaled_axis());
        [t.x, t.y, t.z, w.x, w.y, w.z].map(|v| v as f32)
    }

    fn step(x: &[f32], d: &[f32]) -> [f32; 6] {
        let (x, d) = (Self::decode(x), Self::decode(d));
        Self::encode(&Isometry3::from_parts(
            Translation3::from(x.translation.vector + d.translation.vector),
            d.rotation * x.rotation,
        ))
    }
}

impl Manifold for PoseChart {
    fn name(&self) -> &str {
        "R3 x SO(3)"
    }

    fn retract(&self, x: &Tensor, d: &Tensor) -> dro_core::Result<Tensor> {
        let values = |t: &Tensor| t.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let (from, by) = (values(x)?, values(d)?);
        let moved: Vec<f32> = from.chunks(6).zip(by.chunks(6)).flat_map(|(x, d)| Self::step(x, d)).collect();
        Ok(Tensor::from_vec(moved, x.dims(), x.device())?.to_dtype(x.dtype())?)
    }
}

/// What a scene's depth says about how strongly each pose coordinate moves the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// Geometric mean focal length, pixels.
    pub(super) focal_px: f64,
    /// Mean inverse depth.
    pub(super) mean: f64,
    /// Its standard deviation.
    pub(super) spread: f64,
}

impl Scene {
    pub(super) fn new(focal_px: f64, inv_depth: &[f32]) -> Self {
        let n = inv_depth.len().max(1) as f64;
        let mean = inv_depth.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = inv_depth.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        Self { focal_px, mean, spread: variance.sqrt() }
    }

    /// The rotation vector that keeps a point at mean inverse depth on the optical axis where it is seen while the
    /// camera translates by `dt`: `f ω_y = −f dt_x x̄`, `−f ω_x = −f dt_y x̄` (the motion field of Longuet-Higgins &
    /// Prazdny 1980 at the image centre).
    pub(super) fn compensation(&self, dt: &Vector3<f64>) -> Vector3<f64> {
        Vector3::new(dt.y, -dt.x, 0.0) * self.mean
    }

    /// The translation and rotation that move pixels by about as much as each of the six coordinates says. Sideways
    /// translation comes with the rotation that cancels its mean, because the two are nearly the same to the picture
    /// and a search along one of them alone is stuck in a narrow valley.
    pub(super) fn motion(&self, pixels: &[f64]) -> (Vector3<f64>, Vector3<f64>) {
        let at = |i: usize| pixels.get(i).copied().unwrap_or(0.0) / self.focal_px;
        let sideways = self.spread.max(0.15 * self.mean).max(1e-6);
        let forward = (0.4 * self.mean).max(1e-6);
        let dt = Vector3::new(at(0) / sideways, at(1) / sideways, at(2) / forward);
        (dt, Vector3::new(at(3), at(4), 2.0 * at(5)) + self.compensation(&dt))
    }

    /// A random increment that moves pixels by about `step_px` in each coordinate of [`motion`](Self::motion).
    pub(super) fn sample(&self, step_px: f64, rng: &mut ChaCha8Rng) -> [f32; 6] {
        let pixels: [f64; 6] = std::array::from_fn(|_| step_px * standard_normal(rng));
        let (dt, turn) = self.motion(&pixels);
        [dt.x, dt.y, dt.z, turn.x, turn.y, turn.z].map(|v| v as f32)
    }
}

/// Box–Muller, one value per call.
pub(super) fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
