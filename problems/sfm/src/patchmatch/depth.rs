//! Depth alone, at poses that are given.

use candle_core::{Device, Tensor};
use dro_core::{Budget, CostFunction, Schedule, minimize};
use nalgebra::Isometry3;

use super::{
    PatchMatch, PatchMatchSolver, Plan, PoseChart, SweepSgm,
    moves::refine,
    pyramid::{common_size, enlarged, grey, reduced},
    search::mixed,
};
use crate::{
    Error, Map, Result, Views,
    cost::{CensusCost, INVERSE_DEPTH},
    watch::unwrapped,
};

impl PatchMatchSolver {
    /// The depth that the search finds where poses are known: the plane sweep, then the depth turns of the stages. Poses
    /// stay, so `pose_updates` and `joint_updates` do not matter.
    ///
    /// `poses` are `neighbour_from_target`, one for each neighbour; `range` is the least and the greatest inverse depth, in
    /// one over the unit of the poses. The answer is inverse depth in that unit, at the views' size, within the range. It
    /// depends on the seed alone, not on the number of threads.
    ///
    /// # Errors
    /// If there are not as many poses as neighbours, none of them moves or one is not finite, the range is not
    /// `0 < least < greatest`, or the views do not fit together.
    pub fn depth(&self, views: &Views, poses: &[Isometry3<f64>], range: (f64, f64)) -> Result<Map> {
        let config = self.config();
        let (height, width) = common_size(views)?;
        if poses.len() != views.neighbours.len() {
            return Err(Error::argument("poses", format!("{}", views.neighbours.len()), poses.len()));
        }
        // The search's steps are for a longest baseline of 1.
        let unit = poses.iter().map(|pose| pose.translation.vector.norm()).fold(0.0, f64::max);
        if !(unit > 0.0 && poses.iter().all(|pose| pose.to_homogeneous().iter().all(|x| x.is_finite()))) {
            return Err(Error::argument("poses", "finite ones, with a translation", format!("{poses:?}")));
        }
        let (low, high) = (range.0 * unit, range.1 * unit);
        let scale = (config.max_width as f64 / width as f64).min(1.0);
        let side = |n: usize| ((n as f64 * scale).round() as usize).max(8);
        let size = (side(height), side(width));
        let target = reduced(&grey(&views.target)?, size)?;
        let neighbours =
            views.neighbours.iter().map(|image| reduced(&grey(image)?, size)).collect::<Result<Vec<_>>>()?;
        let camera = views.camera.resized((height, width), size)?;
        let cost = CensusCost::new(&target, &neighbours, camera, (low, high), &config.census)?;

        let flat = Tensor::full((0.5 * (low + high)) as f32, (1, 1, size.0, size.1), &Device::Cpu)?;
        let encoded = poses.iter().flat_map(|pose| {
            let mut pose = *pose;
            pose.translation.vector /= unit;
            PoseChart::encode(&pose)
        });
        let encoded = Tensor::from_vec(encoded.collect(), (1, poses.len(), 6), &Device::Cpu)?;
        let mut point = cost.space().point(vec![flat, encoded])?;

        let step = (high - low) / (config.planes - 1) as f64;
        let planes = (0..config.planes).map(|i| (low + step * i as f64) as f32).collect();
        let mut sweep = SweepSgm::new(planes, (0.02, 0.12), size.1);
        let schedule = Schedule::single(INVERSE_DEPTH, config.planes);
        point = minimize(&cost, &mut sweep, &point, &schedule, &Budget::default(), &mut [])
            .map_err(unwrapped)?
            .last;
        for stage in 0..config.stages {
            let pixels = 0.5f64.powi(stage as i32);
            let plan = Plan {
                moves: refine((pixels / camera.fx) as f32),
                pose_updates: 0,
                step_px: 0.5 * pixels,
                slack: config.slack as f32,
            };
            let mut optimizer = PatchMatch::new(&cost, &plan, mixed(config.seed, 10_000 + stage as u64));
            let schedule = Schedule::single(INVERSE_DEPTH, plan.moves.len());
            point = minimize(&cost, &mut optimizer, &point, &schedule, &Budget::default(), &mut [])
                .map_err(unwrapped)?
                .last;
        }
        let inv_depth = Map::from_tensor(&enlarged(point.get(INVERSE_DEPTH), (height, width))?)?;
        Ok(inv_depth.mapped(|x| (f64::from(x) / unit) as f32))
    }
}
