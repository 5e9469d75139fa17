//! Rigid motions `[R | t]` and their exponential coordinates.

use candle_core::{DType, Device, Tensor};
use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion};

use super::expect_shape;
use crate::{Result, se3};

const MATRIX: [Option<usize>; 3] = [None, Some(3), Some(4)];
const MATRIX_WORDS: &str = "[n, 3, 4]";

/// `T = exp(ξ)` for `ξ = (ρ, φ)`: translation part first, then the rotation vector in radians.
///
/// With `θ = |φ|`: `R = I + (sin θ/θ)·φ^ + ((1−cos θ)/θ²)·φ^²`, `t = (I + ((1−cos θ)/θ²)·φ^ +
/// ((θ−sin θ)/θ³)·φ^²)·ρ` (Barfoot, *State Estimation for Robotics*, 2nd ed., chapter 8). Below one radian
/// the three factors are their power series in θ², so that value and gradient are right at zero too.
///
/// * `xi`: `[n, 6]`
/// * result: `[n, 3, 4]`
pub fn se3_exp(xi: &Tensor) -> Result<Tensor> {
    expect_shape("xi", xi, [None, Some(6)], "[n, 6]")?;
    let rho = xi.narrow(1, 0, 3)?.unsqueeze(2)?;
    let phi = xi.narrow(1, 3, 3)?;
    let [a, b, c] = factors(&phi.sqr()?.sum_keepdim(1)?.unsqueeze(2)?)?;
    let hat = hat(&phi)?;
    let hat2 = hat.matmul(&hat)?;
    let identity = Tensor::eye(3, xi.dtype(), xi.device())?.unsqueeze(0)?;
    let r = (hat.broadcast_mul(&a)? + hat2.broadcast_mul(&b)?)?.broadcast_add(&identity)?;
    let v = (hat.broadcast_mul(&b)? + hat2.broadcast_mul(&c)?)?.broadcast_add(&identity)?;
    Ok(Tensor::cat(&[r, v.matmul(&rho)?], 2)?)
}

/// `ξ` with `exp(ξ) = T` and a rotation angle of at most π; the inverse of [`se3_exp`].
///
/// The value is [`se3::log`](crate::se3::log) in f64 on the host (so it is right near 0 and π, and costs a
/// small copy on other devices). The gradient is that of the first-order correction
/// `ξ = ξ₀ + J_r(ξ₀)⁻¹·(T₀⁻¹·T − I)^∨` around it, which is exact along SE(3) and
/// ignores how an entry of the matrix might leave it.
///
/// * `pose`: `[n, 3, 4]`, rotations; what is not quite a rotation is replaced by a near one
/// * result: `[n, 6]`, translation part first
pub fn se3_log(pose: &Tensor) -> Result<Tensor> {
    let [n, ..] = expect_shape("pose", pose, MATRIX, MATRIX_WORDS)?;
    let rows: Vec<[f64; 12]> = pose
        .detach()
        .to_device(&Device::Cpu)?
        .to_dtype(DType::F64)?
        .reshape((n, 12))?
        .to_vec2()?
        .into_iter()
        .filter_map(|row: Vec<f64>| row.try_into().ok())
        .collect();
    let (mut xi, mut j) = (Vec::with_capacity(6 * n), Vec::with_capacity(36 * n));
    for row in rows {
        let log = se3::log(&isometry(&row));
        xi.extend(log.iter());
        // nalgebra stores columns, the tensor rows: hence the transpose.
        j.extend(se3::left_jacobian_inverse(&-log).transpose().iter());
    }
    let place = |values: Vec<f64>, shape: &[usize]| {
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(pose.dtype())?.to_device(pose.device())
    };
    let (xi, j) = (place(xi, &[n, 6])?, place(j, &[n, 6, 6])?);

    // Zero in value up to rounding; what counts is its gradient.
    let there = pose.detach();
    let step = compose(&inverse(&there)?, pose)?;
    let entry = |row, column| step.narrow(1, row, 1)?.narrow(2, column, 1);
    let half = |a: Tensor, b: Tensor| (a - b)? * 0.5;
    let delta = Tensor::cat(
        &[
            step.narrow(2, 3, 1)?,
            half(entry(2, 1)?, entry(1, 2)?)?,
            half(entry(0, 2)?, entry(2, 0)?)?,
            half(entry(1, 0)?, entry(0, 1)?)?,
        ],
        1,
    )?;
    let delta = (&delta - delta.detach())?;
    Ok((xi + j.matmul(&delta)?.squeeze(2)?)?)
}

/// `a_from_c = a_from_b ∘ b_from_c`, all `[n, 3, 4]`.
pub fn compose(a_from_b: &Tensor, b_from_c: &Tensor) -> Result<Tensor> {
    let [n, ..] = expect_shape("a_from_b", a_from_b, MATRIX, MATRIX_WORDS)?;
    expect_shape("b_from_c", b_from_c, [Some(n), Some(3), Some(4)], "[n, 3, 4] with a_from_b's n")?;
    let (r, t) = (a_from_b.narrow(2, 0, 3)?, a_from_b.narrow(2, 3, 1)?);
    let product = r.contiguous()?.matmul(&b_from_c.contiguous()?)?;
    let moved = (product.narrow(2, 3, 1)? + t)?;
    Ok(Tensor::cat(&[product.narrow(2, 0, 3)?, moved], 2)?)
}

/// `b_from_a` of `a_from_b`, both `[n, 3, 4]`: `[Rᵀ | −Rᵀ·t]`.
pub fn inverse(a_from_b: &Tensor) -> Result<Tensor> {
    expect_shape("a_from_b", a_from_b, MATRIX, MATRIX_WORDS)?;
    let r = a_from_b.narrow(2, 0, 3)?.transpose(1, 2)?.contiguous()?;
    let t = r.matmul(&a_from_b.narrow(2, 3, 1)?.contiguous()?)?.neg()?;
    Ok(Tensor::cat(&[r, t], 2)?)
}

/// `exp(ξ) ∘ pose`: the increment acts on the **left**, in the frame that the pose leads to.
///
/// For `neighbour_from_target` that is the neighbour's camera frame. The f64 twin is
/// [`se3::retract`](crate::se3::retract).
///
/// * `pose`: `[n, 3, 4]`
/// * `xi`: `[n, 6]`, translation part first
/// * result: `[n, 3, 4]`
pub fn se3_retract(pose: &Tensor, xi: &Tensor) -> Result<Tensor> {
    compose(&se3_exp(xi)?, pose)
}

/// `sin θ/θ`, `(1 − cos θ)/θ²` and `(θ − sin θ)/θ³` from θ².
fn factors(theta2: &Tensor) -> Result<[Tensor; 3]> {
    let small = theta2.lt(1.0)?;
    // Each branch only sees arguments that it can take, or its gradient would be NaN where it is not used.
    let near = small.where_cond(theta2, &theta2.zeros_like()?)?;
    let far = small.where_cond(&theta2.ones_like()?, theta2)?;
    let theta = far.sqrt()?;
    let (sin, cos) = (theta.sin()?, theta.cos()?);
    let pick = |first, closed: Tensor| small.where_cond(&series(&near, first)?, &closed);
    Ok([
        pick(1, (&sin / &theta)?)?,
        pick(2, ((1.0 - cos)? / &far)?)?,
        pick(3, ((&theta - &sin)? / (&far * &theta)?)?)?,
    ])
}

/// `Σ_k (−x)^k / (2k + first)!` by Horner's rule; nine terms are exact in f64 for 0 ≤ x ≤ 1.
fn series(x: &Tensor, first: u32) -> candle_core::Result<Tensor> {
    let mut sum = x.ones_like()?;
    for k in (1..9).rev() {
        sum = (sum * x)?.affine(-1.0 / f64::from((2 * k + first) * (2 * k + first - 1)), 1.0)?;
    }
    sum / (1..=first).map(f64::from).product::<f64>()
}

/// The matrices `φ^` with `φ^·x = φ × x`: `[n, 3]` to `[n, 3, 3]`.
fn hat(phi: &Tensor) -> Result<Tensor> {
    // A fixed linear map: row 3i+j of it says which component stands at (i, j), with which sign.
    let generators: [[f64; 9]; 3] = [
        [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0],
        [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ];
    let generators =
        Tensor::new(&generators, &Device::Cpu)?.to_dtype(phi.dtype())?.to_device(phi.device())?;
    Ok(phi.contiguous()?.matmul(&generators)?.reshape(((), 3, 3))?)
}

/// The isometry of a row-major 3×4 matrix.
fn isometry(rows: &[f64; 12]) -> Isometry3<f64> {
    let [a, b, c, x, d, e, f, y, g, h, i, z] = *rows;
    let r = Rotation3::from_matrix_unchecked(Matrix3::new(a, b, c, d, e, f, g, h, i));
    let r = UnitQuaternion::new_normalize(UnitQuaternion::from_rotation_matrix(&r).into_inner());
    Isometry3::from_parts(Translation3::new(x, y, z), r)
}
