//! Where a neighbour sees what a target sees.

use dro_vision::euler;
use nalgebra::{Matrix3, Vector3, Vector6};

/// Where a target's pixel is seen: `turned · (x, y, 1) + inverse depth · moved`, in homogeneous coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Camera {
    /// `K·R·K⁻¹`.
    pub(super) turned: Matrix3<f32>,
    /// `K·t`.
    pub(super) moved: Vector3<f32>,
}

impl Camera {
    /// Intrinsics, and a pose as translation and Euler angles.
    pub(super) fn new(k: &Matrix3<f64>, pose: &[f64; 6]) -> Self {
        let (fx, fy, cx, cy) = (k[(0, 0)], k[(1, 1)], k[(0, 2)], k[(1, 2)]);
        let inverse = Matrix3::new(1.0 / fx, 0.0, -cx / fx, 0.0, 1.0 / fy, -cy / fy, 0.0, 0.0, 1.0);
        let pose = euler::isometry(&Vector6::from_column_slice(pose));
        let turned = k * pose.rotation.to_rotation_matrix().matrix() * inverse;
        Self { turned: turned.cast(), moved: (k * pose.translation.vector).cast() }
    }
}
