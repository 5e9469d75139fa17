//! Costs of depth and poses. Another cost is another [`CostFunction`](dro_core::CostFunction) over [`sfm_space`]: the
//! network and the driver need no change.

mod camera;
pub mod census;
mod edge_filter;
mod epipolar;
mod feature_metric;
mod fused;
mod one_pass;
mod probed;
pub(crate) mod warp;

use dro_core::{Block, BlockId, Space};

pub use census::{CensusConfig, CensusCost};
pub(crate) use edge_filter::EdgeFilter;
pub(crate) use epipolar::{Beside, EpipolarCost, MatchedPoint, behind};
pub use feature_metric::FeatureMetricCost;
pub use probed::{Comparison, ProbeConfig, ProbedCost};

/// The inverse-depth map, `[1, h, w]`, unscaled.
pub const INVERSE_DEPTH: BlockId = BlockId(0);
/// The camera poses, `[neighbours, 6]`: `neighbour_from_target` as translation, then Euler angles with R = Rx·Ry·Rz.
pub const POSES: BlockId = BlockId(1);

/// The variables of structure-from-motion on maps of `height × width`.
pub fn sfm_space(height: usize, width: usize, neighbours: usize) -> dro_core::Result<Space> {
    Space::new(vec![Block::real("inverse_depth", [1, height, width]), Block::real("poses", [neighbours, 6])])
}
