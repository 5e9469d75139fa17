//! Rotations in f64: exponential, logarithm and Jacobian. The oracle of the batched tensors.
//!
//! Equations from Barfoot, *State Estimation for Robotics* (2nd ed.), chapter 8. `φ` is a rotation vector,
//! its length θ the angle in radians, and `φ^` the matrix with `φ^·x = φ × x`.

use nalgebra::{Matrix3, UnitQuaternion, Vector3};

use crate::series::factors;

/// `φ^`, the antisymmetric matrix of the cross product.
pub fn hat(phi: &Vector3<f64>) -> Matrix3<f64> {
    phi.cross_matrix()
}

/// The inverse of [`hat`]; of another matrix, of its antisymmetric part.
pub fn vee(m: &Matrix3<f64>) -> Vector3<f64> {
    Vector3::new(m.m32 - m.m23, m.m13 - m.m31, m.m21 - m.m12) / 2.0
}

/// The rotation by |φ| about φ, any length.
pub fn exp(phi: &Vector3<f64>) -> UnitQuaternion<f64> {
    UnitQuaternion::from_scaled_axis(*phi)
}

/// The rotation vector with 0 ≤ θ ≤ π. At θ = π either of the two opposite vectors may come.
pub fn log(rotation: &UnitQuaternion<f64>) -> Vector3<f64> {
    rotation.scaled_axis()
}

/// `J(φ) = I + S₂·φ^ + S₃·φ^²` with `exp(φ + δ) ≈ exp(J(φ)·δ)·exp(φ)`.
pub fn left_jacobian(phi: &Vector3<f64>) -> Matrix3<f64> {
    let [_, s2, s3, ..] = factors(phi.norm_squared());
    let hat = hat(phi);
    Matrix3::identity() + hat * s2 + hat * hat * s3
}

/// `J(φ)⁻¹ = I − φ^/2 + ((1 − (θ/2)·cot(θ/2))/θ²)·φ^²`, finite for θ < 2π.
pub fn left_jacobian_inverse(phi: &Vector3<f64>) -> Matrix3<f64> {
    let [_, s2, s3, s4, _] = factors(phi.norm_squared());
    let hat = hat(phi);
    // The last factor, rewritten without the cancellation at θ = 0.
    Matrix3::identity() - hat / 2.0 + hat * hat * ((s3 - 2.0 * s4) / (2.0 * s2))
}
