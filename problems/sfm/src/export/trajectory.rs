//! Camera paths in the formats of TUM RGB-D and KITTI odometry, both read by `evo`.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use nalgebra::Isometry3;

use super::write_atomically;
use crate::{Error, Result};

/// Where the camera stood at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamped {
    /// Seconds, from any origin; the frame's number where time is unknown.
    pub timestamp_s: f64,
    /// The camera's pose, translation in the unit of depth.
    pub world_from_camera: Isometry3<f64>,
}

/// Writes one line `timestamp tx ty tz qx qy qz qw` per pose of `world_from_camera`, as the TUM RGB-D benchmark
/// defines it (Sturm et al., IROS 2012). The quaternion has `qw ≥ 0`.
///
/// # Errors
/// If a number is not finite or the file cannot be written.
pub fn write_tum(path: impl AsRef<Path>, trajectory: &[Stamped]) -> Result<()> {
    check(trajectory.iter().map(|stamped| (stamped.timestamp_s, &stamped.world_from_camera)))?;
    write_atomically(path, |file| {
        let mut out = BufWriter::new(file);
        writeln!(out, "# timestamp tx ty tz qx qy qz qw (world_from_camera)")?;
        for Stamped { timestamp_s, world_from_camera } in trajectory {
            let t = world_from_camera.translation;
            // q and -q are one rotation: give the one that readers expect.
            let q = world_from_camera.rotation.into_inner();
            let q = if q.w < 0.0 { -q } else { q };
            let numbers = [t.x, t.y, t.z, q.i, q.j, q.k, q.w].map(|x| format!("{x:.9}")).join(" ");
            writeln!(out, "{timestamp_s:.6} {numbers}")?;
        }
        out.flush()
    })
}

/// Writes one line of 12 numbers per pose: the 3x4 matrix `[R t]` of `world_from_camera`, row by row, as KITTI's
/// odometry benchmark defines it (Geiger et al., CVPR 2012).
///
/// # Errors
/// If a number is not finite or the file cannot be written.
pub fn write_kitti(path: impl AsRef<Path>, world_from_cameras: &[Isometry3<f64>]) -> Result<()> {
    check(world_from_cameras.iter().map(|pose| (0.0, pose)))?;
    write_atomically(path, |file| {
        let mut out = BufWriter::new(file);
        for pose in world_from_cameras {
            let matrix = pose.to_homogeneous();
            let rows = matrix.fixed_rows::<3>(0).transpose();
            let numbers: Vec<String> = rows.iter().map(|x| format!("{x:.9e}")).collect();
            writeln!(out, "{}", numbers.join(" "))?;
        }
        out.flush()
    })
}

fn check<'a>(trajectory: impl Iterator<Item = (f64, &'a Isometry3<f64>)>) -> Result<()> {
    for (index, (timestamp_s, pose)) in trajectory.enumerate() {
        let finite = timestamp_s.is_finite() && pose.to_homogeneous().iter().all(|x| x.is_finite());
        if !finite {
            return Err(Error::argument(
                format!("trajectory, pose {index}"),
                "finite numbers",
                format!("{timestamp_s} {pose}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use nalgebra::{Matrix3x4, Quaternion, UnitQuaternion, Vector3};

    use super::*;

    fn numbers(path: &Path) -> Vec<Vec<f64>> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(' ').map(|x| x.parse().unwrap()).collect()).collect()
    }

    #[test]
    fn both_formats_give_the_poses_back() {
        let folder = tempfile::tempdir().unwrap();
        let poses: Vec<_> = (0..5)
            .map(|i| {
                Isometry3::new(Vector3::new(i as f64, -2.5, 0.1), Vector3::new(0.0, 1.5 * i as f64, 0.4))
            })
            .collect();
        let path = folder.path().join("tum.txt");
        let stamped: Vec<_> = poses
            .iter()
            .zip(0..)
            .map(|(&world_from_camera, i)| Stamped { timestamp_s: 0.1 * f64::from(i), world_from_camera })
            .collect();
        write_tum(&path, &stamped).unwrap();
        for (row, stamped) in numbers(&path).iter().zip(&stamped) {
            let &[t, x, y, z, i, j, k, w] = row.as_slice() else { panic!("{row:?}") };
            let q = UnitQuaternion::from_quaternion(Quaternion::new(w, i, j, k));
            let read = Isometry3::from_parts(Vector3::new(x, y, z).into(), q);
            assert!((t - stamped.timestamp_s).abs() < 1e-6 && w >= 0.0);
            let error = read.inv_mul(&stamped.world_from_camera);
            assert!(error.rotation.angle() < 1e-7 && error.translation.vector.norm() < 1e-7);
        }

        let path = folder.path().join("kitti.txt");
        write_kitti(&path, &poses).unwrap();
        let rows = numbers(&path);
        assert_eq!(rows.len(), poses.len());
        for (row, pose) in rows.iter().zip(&poses) {
            let error = Matrix3x4::from_row_slice(row) - pose.to_homogeneous().fixed_rows::<3>(0);
            assert!(error.abs().max() < 1e-8, "{error}");
        }
    }

    #[test]
    fn a_pose_that_is_not_finite_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kitti.txt");
        let error = write_kitti(&path, &[Isometry3::identity(), Isometry3::translation(f64::NAN, 0.0, 0.0)]);
        assert!(error.unwrap_err().to_string().contains("pose 1"));
        assert!(!path.exists());
    }
}
