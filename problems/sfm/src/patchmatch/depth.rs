//! Depth alone, at poses that are given.

use candle_core::{Device, Tensor};
use dro_core::CostFunction;
use nalgebra::Isometry3;

use super::{
    PatchMatchSolver, PoseChart, likely,
    pyramid::{common_size, enlarged, grey, limited, reduced},
    search::{Search, mixed},
};
use crate::{
    Error, Map, Result, Views,
    cost::{CensusCost, INVERSE_DEPTH},
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
        let size = limited((height, width), config.max_width);
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

        let cost = likely::expecting(cost, config, &point, (low, high), Vec::new())?;
        let search = Search { config, cost: &cost };
        point = search.sweep(&point, (low, high), &mut [])?;
        for stage in 0..config.stages {
            let seed = mixed(config.seed, 10_000 + stage as u64);
            point = search.depth_turn(&point, 0.5f64.powi(stage as i32), seed)?;
        }
        let inv_depth = Map::from_tensor(&enlarged(point.get(INVERSE_DEPTH), (height, width))?)?;
        Ok(inv_depth.mapped(|x| (f64::from(x) / unit) as f32))
    }
}
