//! Joint steps of depth and poses along what one block cannot change alone.
//!
//! To a small field of view, moving a camera sideways past a plane looks like turning it, so adding a constant to the
//! inverse depth and turning the cameras the other way changes the picture little (the bas-relief ambiguity of
//! Belhumeur, Kriegman & Yuille 1999; for motion, Daniilidis & Spetsakis 1997). Alternating between depth and poses
//! crawls along that valley. Here both move together, in few coordinates, with the same cost.

use candle_core::{Device, Tensor};
use dro_core::{CostFunction, Point, vectorized};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

use super::cma::lowest_in_parallel;
use super::pose::{PoseChart, Scene};
use crate::{
    Result,
    cost::{CensusCost, INVERSE_DEPTH, POSES},
    watch::total_cost,
};

/// Coordinates of the depth: a plane added (3) and a factor (1).
const DEPTH_COORDINATES: usize = 4;

/// The points around one point that joint steps reach.
struct Gauge<'a> {
    cost: &'a CensusCost,
    inv_depth: Vec<f32>,
    poses: Vec<Isometry3<f64>>,
    scene: Scene,
    bounds: (f32, f32),
}

impl Gauge<'_> {
    /// The point at coordinates `v`, each scaled to move the picture by about one pixel.
    fn point(&self, v: &[f64]) -> Result<Point> {
        let px = self.scene.focal_px.recip();
        let (depth, motion) = v.split_at(DEPTH_COORDINATES.min(v.len()));
        let at = |i: usize| depth.get(i).copied().unwrap_or(0.0);
        let (c, gu, gv) = (4.0 * px * at(0), 4.0 * px * at(1), 4.0 * px * at(2));
        let factor = (px * at(3) / self.scene.mean.max(1e-6)).exp();
        let camera = self.cost.camera();
        let (height, width) = self.cost.size();
        let mut inv_depth = self.inv_depth.clone();
        let (factor, (least, most)) = (factor as f32, self.bounds);
        for (y, row) in inv_depth.chunks_mut(width).enumerate() {
            let ray_y = (y as f64 - camera.cy) / camera.fy;
            let (start, slope) =
                ((c + gv * ray_y - gu * camera.cx / camera.fx) as f32, (gu / camera.fx) as f32);
            vectorized(
                #[inline(always)]
                || {
                    for (x, d) in row.iter_mut().enumerate() {
                        *d = (*d * factor + start + slope * x as i32 as f32).max(least).min(most);
                    }
                },
            );
        }
        let first = self.poses.first().map_or(0.0, |p| p.translation.vector.norm());
        let poses = self.poses.iter().zip(motion.chunks(6)).enumerate().flat_map(|(n, (pose, v))| {
            let (dt, mut turn) = self.scene.motion(v);
            turn += Vector3::new(pose.translation.y, -pose.translation.x, 0.0) * c;
            let mut t = pose.translation.vector + dt;
            if n == 0 && first > 0.0 && t.norm() > 0.0 {
                t *= first / t.norm();
            }
            let rotation = UnitQuaternion::from_scaled_axis(turn) * pose.rotation;
            PoseChart::encode(&Isometry3::from_parts(Translation3::from(t), rotation))
        });
        let poses: Vec<f32> = poses.collect();
        Ok(self.cost.space().point(vec![
            Tensor::from_vec(inv_depth, (1, 1, height, width), &Device::Cpu)?,
            Tensor::from_vec(poses, (1, self.poses.len(), 6), &Device::Cpu)?,
        ])?)
    }
}

impl<'a> Gauge<'a> {
    fn new(cost: &'a CensusCost, around: &Point) -> Result<Self> {
        let inv_depth = around.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
        let poses = around.get(POSES).flatten_all()?.to_vec1::<f32>()?;
        let camera = cost.camera();
        Ok(Self {
            cost,
            scene: Scene::new((camera.fx * camera.fy).sqrt(), &inv_depth),
            inv_depth,
            poses: poses.chunks(6).map(PoseChart::decode).collect(),
            bounds: cost.bounds(),
        })
    }

    fn dim(&self) -> usize {
        DEPTH_COORDINATES + 6 * self.poses.len()
    }
}

/// The best of `updates` joint steps from `start`, by CMA-ES, first steps about `step_px` pixels.
pub(super) fn search(
    cost: &CensusCost,
    start: &Point,
    updates: usize,
    step_px: f64,
    seed: u64,
) -> Result<Point> {
    let gauge = Gauge::new(cost, start)?;
    // A failed evaluation is data: not a number.
    let (_, v) = lowest_in_parallel(gauge.dim(), step_px, 1 + updates, seed, |v| {
        gauge.point(v).and_then(|at| total_cost(cost, &at)).unwrap_or(f64::NAN)
    });
    gauge.point(&v)
}
