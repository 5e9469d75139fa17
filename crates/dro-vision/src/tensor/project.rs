//! From a pixel with depth to a pixel of the neighbour, and images along the same way.

use candle_core::{Device, Tensor};
use dro_kernels::grid_sample;

use super::expect_shape;
use crate::Result;

/// Points nearer than this to the neighbour's camera plane, or behind it, are projected as if they were here.
const MIN_DEPTH: f64 = 1e-5;

/// Where the target's pixels are seen in the neighbour.
///
/// For every pixel `u = (x, y, 1)` of the target, with integers at pixel centres,
///
/// `p = R·d(u)·K_t⁻¹·u + t`, `(x', y') = (K_n·p)₁₂ / max(p_z, 1e-5)`
///
/// (inverse warping: Zhou et al., *Unsupervised Learning of Depth and Ego-Motion from Video*, CVPR 2017,
/// eq. 2). A depth of 0 goes through the same arithmetic: it is the target's camera centre.
///
/// * `depth`: `[n, 1, h, w]`, the z coordinate in the target
/// * `k_target`, `k_neighbour`: `[n, 3, 3]`, pixels, no skew, last row `0 0 1`
/// * `neighbour_from_target`: `[n, 3, 4]`, translation in the unit of depth
/// * result: coordinates `[n, h, w, 2]` as `(x, y)` pixels for [`grid_sample`], not bounded in any way;
///   and `p_z` `[n, 1, h, w]`, the point's depth in the neighbour, not clamped: ≤ 0 is behind its camera
pub fn project_depth(
    depth: &Tensor,
    k_target: &Tensor,
    k_neighbour: &Tensor,
    neighbour_from_target: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let [n, _, h, w] = expect_shape("depth", depth, [None, Some(1), None, None], "[n, 1, h, w]")?;
    let k_shape = [Some(n), Some(3), Some(3)];
    expect_shape("k_target", k_target, k_shape, "[n, 3, 3] with the depth's n")?;
    expect_shape("k_neighbour", k_neighbour, k_shape, "[n, 3, 3] with the depth's n")?;
    expect_shape(
        "neighbour_from_target",
        neighbour_from_target,
        [Some(n), Some(3), Some(4)],
        "[n, 3, 4] with the depth's n",
    )?;

    // K_n·(R·d·K_t⁻¹·u + t) = d·(H·u) + b: one product of small matrices, then one pass over pixels.
    let projection = k_neighbour.contiguous()?.matmul(&neighbour_from_target.contiguous()?)?;
    let h_matrix = projection.narrow(2, 0, 3)?.contiguous()?.matmul(&inverse_of_k(k_target)?)?;
    let b = projection.narrow(2, 3, 1)?;
    let rays = h_matrix.reshape((n * 3, 3))?.matmul(&pixels(h, w, depth)?)?.reshape((n, 3, h * w))?;
    let points = rays.broadcast_mul(&depth.reshape((n, 1, h * w))?)?.broadcast_add(&b)?;

    let z = points.narrow(1, 2, 1)?;
    let coords = points.narrow(1, 0, 2)?.broadcast_div(&z.maximum(MIN_DEPTH)?)?;
    Ok((coords.transpose(1, 2)?.reshape((n, h, w, 2))?, z.reshape((n, 1, h, w))?))
}

/// The neighbour's image as the target would see it: [`grid_sample`] at [`project_depth`]'s coordinates.
///
/// * `image`: `[n, c, h', w']` of the neighbour, in `k_neighbour`'s pixels
/// * the others as in [`project_depth`]
/// * result: `[n, c, h, w]`, 0 where the neighbour does not see the point
pub fn warp(
    image: &Tensor,
    depth: &Tensor,
    k_target: &Tensor,
    k_neighbour: &Tensor,
    neighbour_from_target: &Tensor,
) -> Result<Tensor> {
    let (coords, _) = project_depth(depth, k_target, k_neighbour, neighbour_from_target)?;
    Ok(grid_sample(image, &coords)?)
}

/// `K⁻¹` in closed form, from `fx 0 cx; 0 fy cy; 0 0 1`.
fn inverse_of_k(k: &Tensor) -> Result<Tensor> {
    let at = |row, column| k.narrow(1, row, 1)?.narrow(2, column, 1);
    let (rx, ry) = (at(0, 0)?.recip()?, at(1, 1)?.recip()?);
    let (cx, cy) = ((at(0, 2)? * &rx)?.neg()?, (at(1, 2)? * &ry)?.neg()?);
    let (zero, one) = (rx.zeros_like()?, rx.ones_like()?);
    let rows = [
        Tensor::cat(&[&rx, &zero, &cx], 2)?,
        Tensor::cat(&[&zero, &ry, &cy], 2)?,
        Tensor::cat(&[&zero, &zero, &one], 2)?,
    ];
    Ok(Tensor::cat(&rows, 1)?)
}

/// Homogeneous pixels `[3, h·w]`, row by row, of the type and on the device of `like`. Only one row and one column are
/// copied to the device.
fn pixels(h: usize, w: usize, like: &Tensor) -> Result<Tensor> {
    let axis = |size: usize, shape: (usize, usize)| -> Result<Tensor> {
        let numbers = (0..size).map(|i| i as f64).collect::<Vec<_>>();
        let axis = Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(like.dtype())?;
        Ok(axis.to_device(like.device())?.broadcast_as((h, w))?.contiguous()?)
    };
    let (x, y) = (axis(w, (1, w))?, axis(h, (h, 1))?);
    Ok(Tensor::stack(&[&x, &y, &x.ones_like()?], 0)?.reshape((3, h * w))?)
}
