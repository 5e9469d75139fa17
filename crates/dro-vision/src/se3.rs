//! Rigid motions in f64: exponential, logarithm, adjoint, Jacobian. The oracle of the batched tensors.
//!
//! Equations from Barfoot, *State Estimation for Robotics* (2nd ed.), chapter 8. `ξ = (ρ, φ)` has the
//! translation part first, then the rotation vector in radians.

use nalgebra::{Isometry3, Matrix3, Matrix4, Matrix6, Translation3, Vector3, Vector6};

use crate::{series::factors, so3};

fn parts(xi: &Vector6<f64>) -> (Vector3<f64>, Vector3<f64>) {
    (xi.fixed_rows::<3>(0).into(), xi.fixed_rows::<3>(3).into())
}

fn join(rho: &Vector3<f64>, phi: &Vector3<f64>) -> Vector6<f64> {
    Vector6::new(rho.x, rho.y, rho.z, phi.x, phi.y, phi.z)
}

/// `ξ^ = [φ^ ρ; 0 0]`, whose matrix exponential is [`exp`].
pub fn hat(xi: &Vector6<f64>) -> Matrix4<f64> {
    let (rho, phi) = parts(xi);
    let mut m = Matrix4::zeros();
    m.fixed_view_mut::<3, 3>(0, 0).copy_from(&so3::hat(&phi));
    m.fixed_view_mut::<3, 1>(0, 3).copy_from(&rho);
    m
}

/// The inverse of [`hat`]; of another matrix, of its projection onto such matrices.
pub fn vee(m: &Matrix4<f64>) -> Vector6<f64> {
    join(&m.fixed_view::<3, 1>(0, 3).into(), &so3::vee(&m.fixed_view::<3, 3>(0, 0).into()))
}

/// `exp(ξ) = [exp(φ) J(φ)·ρ]`.
pub fn exp(xi: &Vector6<f64>) -> Isometry3<f64> {
    let (rho, phi) = parts(xi);
    Isometry3::from_parts(Translation3::from(so3::left_jacobian(&phi) * rho), so3::exp(&phi))
}

/// `ξ` with `exp(ξ) = T` and 0 ≤ θ ≤ π. At θ = π either of two answers may come.
pub fn log(pose: &Isometry3<f64>) -> Vector6<f64> {
    let phi = so3::log(&pose.rotation);
    join(&(so3::left_jacobian_inverse(&phi) * pose.translation.vector), &phi)
}

/// `exp(ξ)·T`: the increment acts on the **left**, in the frame that `T` leads to.
///
/// For `neighbour_from_target` that is the neighbour's camera frame. [`crate::se3_retract`] is the same.
pub fn retract(pose: &Isometry3<f64>, xi: &Vector6<f64>) -> Isometry3<f64> {
    exp(xi) * pose
}

/// `Ad_T = [R t^·R; 0 R]`, for which `T·exp(ξ)·T⁻¹ = exp(Ad_T·ξ)`.
pub fn adjoint(pose: &Isometry3<f64>) -> Matrix6<f64> {
    let r = pose.rotation.to_rotation_matrix().into_inner();
    blocks(&r, &(so3::hat(&pose.translation.vector) * r))
}

/// `J(ξ)` with `exp(ξ + δ) ≈ exp(J(ξ)·δ)·exp(ξ)`.
pub fn left_jacobian(xi: &Vector6<f64>) -> Matrix6<f64> {
    let (rho, phi) = parts(xi);
    blocks(&so3::left_jacobian(&phi), &coupling(&rho, &phi))
}

/// `J(ξ)⁻¹`, finite for θ < 2π.
pub fn left_jacobian_inverse(xi: &Vector6<f64>) -> Matrix6<f64> {
    let (rho, phi) = parts(xi);
    let inverse = so3::left_jacobian_inverse(&phi);
    blocks(&inverse, &(-inverse * coupling(&rho, &phi) * inverse))
}

/// `[diagonal corner; 0 diagonal]`.
fn blocks(diagonal: &Matrix3<f64>, corner: &Matrix3<f64>) -> Matrix6<f64> {
    let mut m = Matrix6::zeros();
    m.fixed_view_mut::<3, 3>(0, 0).copy_from(diagonal);
    m.fixed_view_mut::<3, 3>(3, 3).copy_from(diagonal);
    m.fixed_view_mut::<3, 3>(0, 3).copy_from(corner);
    m
}

/// Barfoot's Q(ξ), the corner of the Jacobian, its factors written with the series of [`factors`].
fn coupling(rho: &Vector3<f64>, phi: &Vector3<f64>) -> Matrix3<f64> {
    let [_, _, s3, s4, s5] = factors(phi.norm_squared());
    let (p, r) = (so3::hat(phi), so3::hat(rho));
    let prp = p * r * p;
    r / 2.0
        + (p * r + r * p + prp) * s3
        + (p * p * r + r * p * p - prp * 3.0) * s4
        + (prp * p + p * prp) * ((s4 - 3.0 * s5) / 2.0)
}
