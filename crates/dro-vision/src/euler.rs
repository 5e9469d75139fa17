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
