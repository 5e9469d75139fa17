//! Poses as 4x4 matrices.

use candle_core::{DType, Device, Tensor};
use dro_core::Manifold;
use nalgebra::{Matrix3, Matrix4, Vector3};

/// Numbers in a pose: a row-major homogeneous 4x4 matrix.
pub(crate) const STORED: usize = 16;
/// Numbers in an increment: translation, then the rotation vector in radians.
const MOVED: usize = 6;

/// Rigid motions as row-major homogeneous 4x4 matrices `[R t; 0 1]`, any number of them in one block.
///
/// `retract(T, ξ) = exp(ξ)·T` with `ξ = (ρ, φ)`, translation part first, then the rotation vector in radians;
/// `exp(ξ) = [exp(φ^)  J(φ)·ρ; 0 1]` (Barfoot, *State Estimation for Robotics*, 2nd ed., chapter 8). The increment
/// acts on the left, in the frame that `T` leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Se3;

impl Manifold for Se3 {
    fn name(&self) -> &str {
        "SE(3)"
    }

    /// * `x`: `n` poses, `16·n` numbers in any shape
    /// * `d`: `6·n` numbers in any shape
    /// * result: the shape, type and device of `x`
    fn retract(&self, x: &Tensor, d: &Tensor) -> dro_core::Result<Tensor> {
        let numbers =
            |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let (poses, steps) = (numbers(x)?, numbers(d)?);
        if !poses.len().is_multiple_of(STORED) || poses.len() / STORED * MOVED != steps.len() {
            let expected = "16 numbers per pose and 6 per increment";
            return Err(dro_core::Error::argument("SE(3) increment", expected, format!("{x:?} and {d:?}")));
        }
        let mut moved: Vec<f64> = Vec::with_capacity(poses.len());
        for (pose, step) in poses.chunks_exact(STORED).zip(steps.chunks_exact(MOVED)) {
            let pose: Matrix4<f64> = exp(step) * Matrix4::from_row_slice(pose);
            // nalgebra stores columns.
            moved.extend(pose.transpose().iter());
        }
        Ok(Tensor::from_vec(moved, x.dims(), &Device::Cpu)?.to_dtype(x.dtype())?.to_device(x.device())?)
    }

    fn increment_elements(&self, stored: usize) -> usize {
        stored / STORED * MOVED
    }
}

/// `exp(ξ)` of six numbers.
fn exp(xi: &[f64]) -> Matrix4<f64> {
    let rho = Vector3::from_iterator(xi.iter().take(3).copied());
    let phi = Vector3::from_iterator(xi.iter().skip(3).take(3).copied());
    let theta2 = phi.norm_squared();
    let theta = theta2.sqrt();
    // sin θ/θ, (1 − cos θ)/θ² and (θ − sin θ)/θ³.
    let (a, b, c) = if theta2 < 1.0 {
        (series(theta2, 1), series(theta2, 2), series(theta2, 3))
    } else {
        (theta.sin() / theta, (1.0 - theta.cos()) / theta2, (theta - theta.sin()) / (theta2 * theta))
    };
    let hat = phi.cross_matrix();
    let hat2 = hat * hat;
    let rotation = Matrix3::identity() + hat * a + hat2 * b;
    let translation = (Matrix3::identity() + hat * b + hat2 * c) * rho;
    let mut pose = Matrix4::identity();
    pose.fixed_view_mut::<3, 3>(0, 0).copy_from(&rotation);
    pose.fixed_view_mut::<3, 1>(0, 3).copy_from(&translation);
    pose
}

/// `Σ_k (−x)^k / (2k + first)!` by Horner's rule; nine terms are exact in f64 for 0 ≤ x ≤ 1.
fn series(x: f64, first: u32) -> f64 {
    let nested = (1..9).rev().fold(1.0, |sum, k| {
        let (even, odd) = (f64::from(2 * k + first - 1), f64::from(2 * k + first));
        1.0 - x * sum / (even * odd)
    });
    nested / (1..=first).map(f64::from).product::<f64>()
}

/// The identity pose, row-major.
pub(crate) fn identity() -> [f64; STORED] {
    let mut pose = [0.0; STORED];
    pose.iter_mut().step_by(5).for_each(|v| *v = 1.0);
    pose
}

/// How far 16 numbers are from a pose: the largest entry of `Rᵀ·R − I`, of `det R − 1` and of the last row's error.
pub(crate) fn distance_from_pose(numbers: &[f64]) -> f64 {
    if numbers.len() != STORED {
        return f64::INFINITY;
    }
    let pose = Matrix4::from_row_slice(numbers);
    let rotation: Matrix3<f64> = pose.fixed_view::<3, 3>(0, 0).into();
    let last: f64 = (pose[(3, 0)].abs()).max(pose[(3, 1)].abs()).max(pose[(3, 2)].abs());
    (rotation.transpose() * rotation - Matrix3::identity())
        .abs()
        .max()
        .max((rotation.determinant() - 1.0).abs())
        .max(last)
        .max((pose[(3, 3)] - 1.0).abs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The matrix exponential by its power series with squaring: nothing in common with the closed form.
    fn exp_by_series(xi: &[f64; 6]) -> Matrix4<f64> {
        let mut hat = Matrix4::zeros();
        let phi = Vector3::new(xi[3], xi[4], xi[5]).cross_matrix();
        hat.fixed_view_mut::<3, 3>(0, 0).copy_from(&phi);
        hat.fixed_view_mut::<3, 1>(0, 3).copy_from(&Vector3::new(xi[0], xi[1], xi[2]));
        let small = hat / 1024.0;
        let (mut sum, mut term) = (Matrix4::identity(), Matrix4::identity());
        for k in 1..12 {
            term = term * small / f64::from(k);
            sum += term;
        }
        for _ in 0..10 {
            sum *= sum;
        }
        sum
    }

    proptest! {
        #[test]
        fn the_closed_form_is_the_matrix_exponential(
            direction in prop::array::uniform6(-1.0..1.0f64),
            size in prop_oneof![Just(0.0), -9.0..0.6f64],
        ) {
            let scale = if size == 0.0 { 0.0 } else { 10f64.powf(size) };
            let xi = direction.map(|v| v * scale);
            let difference = (exp(&xi) - exp_by_series(&xi)).abs().max();
            prop_assert!(difference < 1e-11, "{difference}");
        }

        #[test]
        fn poses_stay_poses(steps in prop::collection::vec(prop::array::uniform6(-2.0..2.0f64), 1..5)) {
            let device = &Device::Cpu;
            let mut x = Tensor::from_slice(&identity(), (1, 4, 4), device).unwrap();
            for step in &steps {
                x = Se3.retract(&x, &Tensor::from_slice(step, (1, 6), device).unwrap()).unwrap();
            }
            let numbers = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            prop_assert!(distance_from_pose(&numbers) < 1e-12);
        }
    }

    #[test]
    fn several_poses_move_independently_and_on_the_left() {
        let device = &Device::Cpu;
        let x = Tensor::from_slice(&[identity(), identity()].concat(), (1, 2, 4, 4), device).unwrap();
        let turn = std::f64::consts::FRAC_PI_2;
        let turned = Tensor::new(&[0., 0., 0., 0., 0., turn, 1., 0., 0., 0., 0., 0.], device).unwrap();
        let x = Se3.retract(&x, &turned).unwrap();
        let moved = Se3.retract(&x, &turned).unwrap();
        assert_eq!(moved.dims(), [1, 2, 4, 4]);
        let rows = moved.reshape((2, 16)).unwrap().to_vec2::<f64>().unwrap();
        assert!((rows[0][0] + 1.0).abs() < 1e-12 && rows[0][3].abs() < 1e-12, "{rows:?}");
        assert!((rows[1][0] - 1.0).abs() < 1e-12 && (rows[1][3] - 2.0).abs() < 1e-12, "{rows:?}");
        assert!(Se3.retract(&x, &turned.narrow(0, 0, 6).unwrap()).is_err());
    }
}
