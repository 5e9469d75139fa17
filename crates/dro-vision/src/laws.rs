//! The laws of a Lie group as one suite; every representation in this crate is one line at the end.

use std::f64::consts::PI;

use candle_core::{Device, Tensor};
use nalgebra::{Isometry3, Matrix3, Matrix4, Matrix6, UnitQuaternion, Vector3, Vector6};
use proptest::prelude::*;

use crate::{compose, inverse, se3, se3_exp, se3_log, se3_retract, so3, testing::list};

trait LieGroup: Sized {
    fn exp(xi: &[f64]) -> Self;
    fn log(&self) -> Vec<f64>;
    fn identity() -> Self;
    fn times(&self, other: &Self) -> Self;
    fn inverse(&self) -> Self;
    fn retract(&self, xi: &[f64]) -> Self;
    /// `Ad_T·ξ`.
    fn adjoint(&self, xi: &[f64]) -> Vec<f64>;
    /// A faithful matrix, flat.
    fn numbers(&self) -> Vec<f64>;
}

fn far(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + (a - b).abs())
}

/// A rotation vector: any direction; angles of all sizes up to π, more often near 0 and π.
fn rotations() -> impl Strategy<Value = Vec<f64>> {
    let angle = prop_oneof![Just(0.0), 1e-14..1e-6, 1e-6..1e-2, 0.0..3.1, 0.9..1.1, (PI - 1e-5)..(PI - 1e-9)];
    (0.0..PI, -PI..PI, angle)
        .prop_map(|(a, b, angle)| vec![angle * a.sin() * b.cos(), angle * a.sin() * b.sin(), angle * a.cos()])
}

fn motions() -> impl Strategy<Value = Vec<f64>> {
    (proptest::collection::vec(-5.0..5.0, 3), rotations()).prop_map(|(rho, phi)| [rho, phi].concat())
}

fn laws<G: LieGroup>(tangents: impl Strategy<Value = Vec<f64>> + Clone, tolerance: f64) {
    let near = |a: &G, b: &G| far(&a.numbers(), &b.numbers()) < tolerance;
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) };
    proptest!(config, |(x in tangents.clone(), y in tangents.clone(), z in tangents.clone())| {
        let (a, b, c) = (G::exp(&x), G::exp(&y), G::exp(&z));
        let zero = vec![0.0; x.len()];
        prop_assert!(near(&a.times(&G::identity()), &a) && near(&G::identity().times(&a), &a), "identity");
        prop_assert!(near(&a.times(&a.inverse()), &G::identity()), "inverse");
        prop_assert!(near(&a.times(&b).times(&c), &a.times(&b.times(&c))), "associativity");
        prop_assert!(far(&a.log(), &x) < tolerance, "log(exp(x)) = {:?}, x = {x:?}", a.log());
        prop_assert!(near(&G::exp(&a.times(&b).log()), &a.times(&b)), "exp(log(T)) = T");
        prop_assert!(near(&G::exp(&zero), &G::identity()) && far(&G::identity().log(), &zero) == 0.0, "zero");
        prop_assert!(near(&a.times(&b).times(&a.inverse()), &G::exp(&a.adjoint(&y))), "adjoint");
        prop_assert!(near(&a.retract(&zero), &a), "retract(x, 0) = x");
        prop_assert!(near(&a.retract(&y), &G::exp(&y).times(&a)), "retract is on the left");
        // Along one direction the exponential is an ordinary one.
        let half: Vec<f64> = x.iter().map(|x| x / 2.0).collect();
        prop_assert!(near(&G::exp(&half).times(&G::exp(&half)), &a), "one-parameter subgroup");
    });
}

impl LieGroup for UnitQuaternion<f64> {
    fn exp(xi: &[f64]) -> Self {
        so3::exp(&Vector3::from_row_slice(xi))
    }
    fn log(&self) -> Vec<f64> {
        so3::log(self).as_slice().to_vec()
    }
    fn identity() -> Self {
        Self::identity()
    }
    fn times(&self, other: &Self) -> Self {
        self * other
    }
    fn inverse(&self) -> Self {
        self.inverse()
    }
    fn retract(&self, xi: &[f64]) -> Self {
        <Self as LieGroup>::exp(xi) * self
    }
    fn adjoint(&self, xi: &[f64]) -> Vec<f64> {
        (self * Vector3::from_row_slice(xi)).as_slice().to_vec()
    }
    fn numbers(&self) -> Vec<f64> {
        self.to_rotation_matrix().matrix().as_slice().to_vec()
    }
}

impl LieGroup for Isometry3<f64> {
    fn exp(xi: &[f64]) -> Self {
        se3::exp(&Vector6::from_row_slice(xi))
    }
    fn log(&self) -> Vec<f64> {
        se3::log(self).as_slice().to_vec()
    }
    fn identity() -> Self {
        Self::identity()
    }
    fn times(&self, other: &Self) -> Self {
        self * other
    }
    fn inverse(&self) -> Self {
        self.inverse()
    }
    fn retract(&self, xi: &[f64]) -> Self {
        se3::retract(self, &Vector6::from_row_slice(xi))
    }
    fn adjoint(&self, xi: &[f64]) -> Vec<f64> {
        (se3::adjoint(self) * Vector6::from_row_slice(xi)).as_slice().to_vec()
    }
    fn numbers(&self) -> Vec<f64> {
        self.to_homogeneous().as_slice().to_vec()
    }
}

/// `[1, 3, 4]`, f64.
struct Batched(Tensor);

fn row(xi: &[f64]) -> Tensor {
    Tensor::from_slice(xi, (1, 6), &Device::Cpu).unwrap()
}

impl LieGroup for Batched {
    fn exp(xi: &[f64]) -> Self {
        Self(se3_exp(&row(xi)).unwrap())
    }
    fn log(&self) -> Vec<f64> {
        list(&se3_log(&self.0).unwrap())
    }
    fn identity() -> Self {
        Self(
            Tensor::eye(4, candle_core::DType::F64, &Device::Cpu)
                .unwrap()
                .narrow(0, 0, 3)
                .unwrap()
                .unsqueeze(0)
                .unwrap(),
        )
    }
    fn times(&self, other: &Self) -> Self {
        Self(compose(&self.0, &other.0).unwrap())
    }
    fn inverse(&self) -> Self {
        Self(inverse(&self.0).unwrap())
    }
    fn retract(&self, xi: &[f64]) -> Self {
        Self(se3_retract(&self.0, &row(xi)).unwrap())
    }
    fn adjoint(&self, xi: &[f64]) -> Vec<f64> {
        let pose = se3::exp(&Vector6::from_row_slice(&self.log()));
        pose.adjoint(xi)
    }
    fn numbers(&self) -> Vec<f64> {
        list(&self.0)
    }
}

#[test]
fn so3_is_a_lie_group() {
    laws::<UnitQuaternion<f64>>(rotations().boxed(), 1e-11);
}

#[test]
fn se3_is_a_lie_group() {
    laws::<Isometry3<f64>>(motions().boxed(), 1e-10);
}

#[test]
fn batched_se3_is_a_lie_group() {
    laws::<Batched>(motions().boxed(), 1e-10);
}

proptest! {
    #[test]
    fn exponentials_are_matrix_exponentials(xi in motions()) {
        let xi = Vector6::from_row_slice(&xi);
        let (matrix, phi) = (se3::hat(&xi), Vector3::new(xi[3], xi[4], xi[5]));
        prop_assert!((se3::exp(&xi).to_homogeneous() - matrix.exp()).norm() < 1e-10);
        prop_assert!((so3::exp(&phi).to_rotation_matrix().into_inner() - so3::hat(&phi).exp()).norm() < 1e-10);
        prop_assert_eq!(se3::vee(&matrix), xi);
        prop_assert_eq!(so3::vee(&so3::hat(&phi)), phi);
        let scaled: Matrix4<f64> = matrix * 2.0;
        prop_assert_eq!(se3::vee(&scaled), xi * 2.0);
    }

    #[test]
    fn jacobians_are_derivatives_of_the_exponential(xi in motions()) {
        let (xi, step) = (Vector6::from_row_slice(&xi), 1e-5);
        let phi = Vector3::new(xi[3], xi[4], xi[5]);
        let inverse = se3::exp(&xi).inverse();
        for i in 0..6 {
            let mut d = Vector6::zeros();
            d[i] = step;
            let moved = |d| se3::log(&(se3::exp(&(xi + d)) * inverse));
            let difference = (moved(d) - moved(-d)) / (2.0 * step);
            prop_assert!((difference - se3::left_jacobian(&xi).column(i)).norm() < 1e-7);
        }
        prop_assert!((se3::left_jacobian(&xi) * se3::left_jacobian_inverse(&xi) - Matrix6::identity()).norm() < 1e-9);
        let corner: Matrix3<f64> = se3::left_jacobian(&xi).fixed_view::<3, 3>(3, 3).into();
        prop_assert_eq!(corner, so3::left_jacobian(&phi));
        prop_assert!((corner * so3::left_jacobian_inverse(&phi) - Matrix3::identity()).norm() < 1e-10);
    }
}
