//! Poses as text files write them: matrices, and timed quaternions to interpolate.

use std::path::Path;

use nalgebra::{Isometry3, Matrix3, Quaternion, Rotation3, Translation3, UnitQuaternion, Vector3};

use crate::{Error, Result};

/// How far `RᵀR` may be from the identity: printed matrices are rounded, and a scale or a mirror is a mistake.
const ORTHONORMAL_TOLERANCE: f64 = 0.02;

/// A pose from the 12 or 16 row-major numbers of `[R t]` or `[R t; 0 0 0 1]`.
///
/// `place` (a file, or a file and line) is named in errors. Numbers that are not finite mean "no pose": data sets
/// write them where tracking failed.
pub(super) fn from_matrix(place: impl AsRef<Path>, rows: &[f64]) -> Result<Option<Isometry3<f64>>> {
    let place = place.as_ref();
    let (rotation, translation) = match *rows {
        [a, b, c, x, d, e, f, y, g, h, i, z] => {
            (Matrix3::new(a, b, c, d, e, f, g, h, i), Vector3::new(x, y, z))
        }
        [a, b, c, x, d, e, f, y, g, h, i, z, _, _, _, _] => {
            (Matrix3::new(a, b, c, d, e, f, g, h, i), Vector3::new(x, y, z))
        }
        _ => {
            return Err(Error::input(place, "a 3x4 or 4x4 matrix [R t]", format!("{} numbers", rows.len())));
        }
    };
    if rows.iter().any(|value| !value.is_finite()) {
        tracing::warn!("{}: the pose is not finite; taken as \"no pose\"", place.display());
        return Ok(None);
    }
    if let [_, _, _, _, _, _, _, _, _, _, _, _, last @ ..] = rows
        && !last.is_empty()
        && last != [0.0, 0.0, 0.0, 1.0]
    {
        return Err(Error::input(place, "a last row 0 0 0 1", format!("{last:?}")));
    }
    let rotation = nearest_rotation(&rotation).ok_or_else(|| {
        Error::input(place, "a rotation matrix (orthonormal, determinant 1)", {
            format!("{:?}", rotation.transpose().as_slice())
        })
    })?;
    Ok(Some(Isometry3::from_parts(Translation3::from(translation), rotation)))
}

/// The rotation closest to `matrix` (orthogonal Procrustes, Higham 1986), or `None` where it is no rotation.
pub(super) fn nearest_rotation(matrix: &Matrix3<f64>) -> Option<UnitQuaternion<f64>> {
    let error = (matrix.transpose() * matrix - Matrix3::identity()).abs().max();
    // Written so that NaN fails.
    if !(error <= ORTHONORMAL_TOLERANCE && matrix.determinant() > 0.0) {
        return None;
    }
    let svd = matrix.svd(true, true);
    let nearest = svd.u? * svd.v_t?;
    Some(UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(nearest)))
}

/// A pose from `tx ty tz qx qy qz qw`; `None` where it is not finite or the quaternion has no length.
pub(super) fn from_quaternion(numbers: [f64; 7]) -> Option<Isometry3<f64>> {
    let [x, y, z, qx, qy, qz, qw] = numbers;
    let quaternion = Quaternion::new(qw, qx, qy, qz);
    let length = quaternion.norm();
    let sound = numbers.iter().all(|v| v.is_finite()) && length.is_finite() && length > 0.1;
    sound.then(|| {
        Isometry3::from_parts(Translation3::new(x, y, z), UnitQuaternion::from_quaternion(quaternion))
    })
}

/// The pose at time `time_s` between the two bracketing entries of `track` (sorted by time): translation linearly,
/// rotation by slerp (Shoemake 1985), the short way round.
///
/// `None` outside the track and in gaps longer than `longest_gap_s`.
pub(super) fn interpolate(
    track: &[(f64, Isometry3<f64>)],
    time_s: f64,
    longest_gap_s: f64,
) -> Option<Isometry3<f64>> {
    let after = track.partition_point(|(time, _)| *time < time_s);
    let &(time_b, ref b) = track.get(after)?;
    if time_b == time_s {
        return Some(*b);
    }
    let &(time_a, ref a) = track.get(after.checked_sub(1)?)?;
    let gap_s = time_b - time_a;
    if gap_s > longest_gap_s {
        return None;
    }
    let t = (time_s - time_a) / gap_s;
    // `try_slerp` fails only half a turn apart, where there is no short way.
    a.try_lerp_slerp(b, t, 1e-9)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn matrix_round_trip() {
        let pose = Isometry3::new(Vector3::new(1.0, -2.0, 3.0), Vector3::new(0.3, 2.0, -1.0));
        let matrix = pose.to_homogeneous().transpose();
        for count in [12, 16] {
            let read = from_matrix("x", &matrix.as_slice()[..count]).unwrap().unwrap();
            assert!((read.to_homogeneous() - pose.to_homogeneous()).norm() < 1e-12);
        }
    }

    #[test]
    fn what_is_no_pose() {
        let mut rows = [1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., f64::NEG_INFINITY];
        assert!(from_matrix("x", &rows).unwrap().is_none());
        rows[11] = 0.0;
        assert!(from_matrix("x", &rows).unwrap().is_some());
        assert!(from_matrix("x", &rows[..11]).unwrap_err().to_string().contains("11 numbers"));
        rows[0] = -1.0;
        assert!(from_matrix("x", &rows).unwrap_err().to_string().contains("rotation"));
        rows[0] = 2.0;
        assert!(from_matrix("x", &rows).is_err());
        assert!(from_quaternion([0.0; 7]).is_none());
    }

    #[test]
    fn interpolation_is_halfway_and_the_short_way() {
        let a = Isometry3::new(Vector3::zeros(), Vector3::new(0.0, 0.0, 0.2));
        let mut b = Isometry3::new(Vector3::new(2.0, 0.0, 0.0), Vector3::new(0.0, 0.0, 0.6));
        b.rotation = UnitQuaternion::new_unchecked(-b.rotation.into_inner());
        let track = [(10.0, a), (10.1, b)];
        let middle = interpolate(&track, 10.05, 0.2).unwrap();
        assert!((middle.translation.x - 1.0).abs() < 1e-9);
        assert!((middle.rotation.angle() - 0.4).abs() < 1e-9);
        assert_eq!(interpolate(&track, 10.0, 0.2), Some(a));
        for (time_s, gap_s) in [(9.9, 1.0), (10.2, 1.0), (10.05, 0.01)] {
            assert!(interpolate(&track, time_s, gap_s).is_none());
        }
    }
}
