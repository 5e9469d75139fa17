//! The six numbers `(tx, ty, tz, rx, ry, rz)` to which the published network's pose updates are added, in f64.

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3, Vector6};

/// The pose with `R = Rx(rx)·Ry(ry)·Rz(rz)`, angles in radians. [`crate::euler_to_matrix`] is the same.
pub fn isometry(pose: &Vector6<f64>) -> Isometry3<f64> {
    let about = |axis, angle_rad| UnitQuaternion::from_axis_angle(&axis, angle_rad);
    let r = about(Vector3::x_axis(), pose[3])
        * about(Vector3::y_axis(), pose[4])
        * about(Vector3::z_axis(), pose[5]);
    Isometry3::from_parts(Translation3::new(pose[0], pose[1], pose[2]), r)
}

/// The six numbers of a pose, with `ry` in \[−π/2, π/2\] and the others in \[−π, π\].
///
/// At `ry = ±π/2` only `rx ± rz` is defined; then `rz` is 0.
pub fn parameters(pose: &Isometry3<f64>) -> Vector6<f64> {
    let r = pose.rotation.to_rotation_matrix();
    let t = pose.translation.vector;
    let cos_ry = r[(0, 0)].hypot(r[(0, 1)]);
    let ry = r[(0, 2)].atan2(cos_ry);
    // Below this the entries that rx and rz are read from are rounding errors.
    let (rx, rz) = if cos_ry > 1e-12 {
        ((-r[(1, 2)]).atan2(r[(2, 2)]), (-r[(0, 1)]).atan2(r[(0, 0)]))
    } else {
        (r[(2, 1)].atan2(r[(1, 1)]), 0.0)
    };
    Vector6::new(t.x, t.y, t.z, rx, ry, rz)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::{FRAC_PI_2, PI};

    proptest! {
        #[test]
        fn six_numbers_survive(t in [-9.0..9.0, -9.0..9.0, -9.0..9.0], rx in -PI..PI, ry in -1.57..1.57, rz in -PI..PI) {
            let pose = Vector6::new(t[0], t[1], t[2], rx, ry, rz);
            prop_assert!((parameters(&isometry(&pose)) - pose).norm() < 1e-8);
        }

        #[test]
        fn any_pose_survives(rx in -9.0..9.0, ry in prop_oneof![-9.0..9.0, Just(FRAC_PI_2), Just(-FRAC_PI_2)], rz in -9.0..9.0) {
            let pose = isometry(&Vector6::new(1.0, 2.0, 3.0, rx, ry, rz));
            let numbers = parameters(&pose);
            prop_assert!((isometry(&numbers).to_homogeneous() - pose.to_homogeneous()).norm() < 1e-9);
            prop_assert!(numbers[4].abs() <= FRAC_PI_2 && numbers[3].abs() <= PI && numbers[5].abs() <= PI);
        }
    }

    #[test]
    fn the_rotation_about_z_acts_first() {
        let pose = isometry(&Vector6::new(0.0, 0.0, 0.0, FRAC_PI_2, 0.0, FRAC_PI_2));
        // x goes to y by Rz, then y to z by Rx.
        assert!((pose * Vector3::x() - Vector3::z()).norm() < 1e-15);
    }
}
