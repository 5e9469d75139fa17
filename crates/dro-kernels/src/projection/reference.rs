//! Projection matrices as a composition of candle's own operations.

use candle_core::{Result, Tensor};

/// [`projection`](super::projection) on any device and type, differentiable by candle itself in both arguments.
pub fn projection_reference(pose: &Tensor, intrinsics: &Tensor) -> Result<Tensor> {
    let n = super::check(pose, intrinsics)?;
    let column = |matrix: &Tensor, index| matrix.narrow(1, index, 1);
    let (sin, cos) = (pose.sin()?, pose.cos()?);
    let zero = column(pose, 0)?.zeros_like()?;
    let one = zero.ones_like()?;
    let matrix = |rows: &[&Tensor; 9]| Tensor::cat(rows, 1)?.reshape((n, 3, 3));
    // The rotations about the three axes.
    let (s, c) = (column(&sin, 3)?, column(&cos, 3)?);
    let rx = matrix(&[&one, &zero, &zero, &zero, &c, &s.neg()?, &zero, &s, &c])?;
    let (s, c) = (column(&sin, 4)?, column(&cos, 4)?);
    let ry = matrix(&[&c, &zero, &s, &zero, &one, &zero, &s.neg()?, &zero, &c])?;
    let (s, c) = (column(&sin, 5)?, column(&cos, 5)?);
    let rz = matrix(&[&c, &s.neg()?, &zero, &s, &c, &zero, &zero, &zero, &one])?;

    let entry = |row, column| intrinsics.narrow(1, row, 1)?.narrow(2, column, 1)?.reshape((n, 1));
    let (by_fx, by_fy) = (entry(0, 0)?.recip()?, entry(1, 1)?.recip()?);
    let (cx, cy) = ((entry(0, 2)? * &by_fx)?.neg()?, (entry(1, 2)? * &by_fy)?.neg()?);
    let inverse = matrix(&[&by_fx, &zero, &cx, &zero, &by_fy, &cy, &zero, &zero, &one])?;

    let k = intrinsics.contiguous()?;
    let turned = k.matmul(&rx.matmul(&ry)?.matmul(&rz)?)?.matmul(&inverse)?;
    let moved = k.matmul(&pose.narrow(1, 0, 3)?.reshape((n, 3, 1))?)?;
    Tensor::cat(&[turned, moved], 2)
}
