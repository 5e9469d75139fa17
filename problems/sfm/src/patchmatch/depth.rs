//! Depth alone, at poses that are given.

use nalgebra::Isometry3;

use super::{
    PatchMatchSolver,
    flatten::flattened,
    pose::longest,
    pyramid::{Pictures, enlarged, flat},
    search::{Search, mixed},
    survey,
};
use crate::{Error, Map, Result, Views, cost::INVERSE_DEPTH};

impl PatchMatchSolver {
    /// The depth that the search finds where poses are known: the plane sweep, then the depth turns of the stages. Poses
    /// stay, so `pose_updates` and `joint_updates` do not matter.
    ///
    /// `poses` are `neighbour_from_target`, one for each neighbour; `range` is the least and the greatest inverse depth
    /// to reckon with, in one over the unit of the poses; searched is what a coarse sweep of it finds. The answer is inverse
    /// depth in that unit, at the views' size, within the range. It depends on the seed alone, not on the number of threads.
    ///
    /// # Errors
    /// If there are not as many poses as neighbours, none of them moves or one is not finite, the range is not
    /// `0 < least < greatest`, or the views do not fit together.
    pub fn depth(&self, views: &Views, poses: &[Isometry3<f64>], range: (f64, f64)) -> Result<Map> {
        let config = self.config();
        let views = Pictures::of(views)?;
        if poses.len() != views.neighbours.len() {
            return Err(Error::argument("poses", format!("{}", views.neighbours.len()), poses.len()));
        }
        // The search's steps are for a longest baseline of 1.
        let unit = longest(poses);
        if !(unit > 0.0 && poses.iter().all(|pose| pose.to_homogeneous().iter().all(|x| x.is_finite()))) {
            return Err(Error::argument("poses", "finite ones, with a translation", format!("{poses:?}")));
        }
        let mut poses = poses.to_vec();
        poses.iter_mut().for_each(|pose| pose.translation.vector /= unit);
        let pictures = views.limited(config.max_width)?;
        let survey = survey::survey(&pictures, config, &poses, (range.0 * unit, range.1 * unit), &[])?;
        let cost = pictures.cost(survey.range, &config.census)?;
        let cost = cost.with_likely(survey.likely).with_hidden(survey.hidden);
        let search = Search { config, cost: &cost };
        let mut point = search.sweep(&flat(&cost, survey.range.0, &poses)?, survey.range, &mut [])?;
        let likely = survey::expected(&pictures, config, &cost, &point, &[], &survey.free)?;
        let cost = cost.with_likely(likely);
        let search = Search { config, cost: &cost };
        for stage in 0..config.stages {
            let seed = mixed(config.seed, 10_000 + stage as u64);
            point = search.depth_turn(&point, 0.5f64.powi(stage as i32), seed)?;
        }
        let point = flattened(&cost, &pictures.target, &point)?;
        let inv_depth = Map::from_tensor(&enlarged(point.get(INVERSE_DEPTH), views.size())?)?;
        Ok(inv_depth.mapped(|x| (f64::from(x) / unit) as f32))
    }
}
