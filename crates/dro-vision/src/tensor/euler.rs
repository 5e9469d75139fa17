//! Poses as a translation and three Euler angles.

use candle_core::Tensor;

use super::expect_shape;
use crate::Result;

/// `[R | t]` of the additive pose `(tx, ty, tz, rx, ry, rz)`, with `R = Rx(rx)·Ry(ry)·Rz(rz)`, angles in radians.
///
/// This is the pose of the published DRO network, whose updates add to the six numbers (Gu et al.,
/// *DRO*, arXiv 2103.13201; angle convention of Zhou et al., *SfMLearner*, CVPR 2017). Any angle is
/// valid; at `ry = ±π/2` the six numbers are no longer unique. The f64 twin is
/// [`euler::isometry`](crate::euler::isometry).
///
/// * `pose`: `[n, 6]`
/// * result: `[n, 3, 4]`
pub fn euler_to_matrix(pose: &Tensor) -> Result<Tensor> {
    let [n, _] = expect_shape("pose", pose, [None, Some(6)], "[n, 6]")?;
    let (sin, cos) = (pose.sin()?, pose.cos()?);
    let column = |t: &Tensor, i| t.narrow(1, i, 1);
    let [tx, ty, tz] = [column(pose, 0)?, column(pose, 1)?, column(pose, 2)?];
    let [sx, sy, sz] = [column(&sin, 3)?, column(&sin, 4)?, column(&sin, 5)?];
    let [cx, cy, cz] = [column(&cos, 3)?, column(&cos, 4)?, column(&cos, 5)?];
    let (sx_sy, cx_sy) = ((&sx * &sy)?, (&cx * &sy)?);
    let rows = [
        (&cy * &cz)?,
        (&cy * &sz)?.neg()?,
        sy,
        tx,
        ((&sx_sy * &cz)? + (&cx * &sz)?)?,
        ((&cx * &cz)? - (&sx_sy * &sz)?)?,
        (&sx * &cy)?.neg()?,
        ty,
        ((&sx * &sz)? - (&cx_sy * &cz)?)?,
        ((&cx_sy * &sz)? + (&sx * &cz)?)?,
        (&cx * &cy)?,
        tz,
    ];
    Ok(Tensor::cat(&rows, 1)?.reshape((n, 3, 4))?)
}
