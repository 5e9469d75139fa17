//! Errors of a whole trajectory: absolute (ATE) and relative (RPE), after Sturm et al. (IROS 2012).

use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Similarity3, Translation3, UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize};

use super::pose::rotation_error_rad;
use crate::{Error, Result};

/// What may be changed about an estimated trajectory before it is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Rotation and translation: for estimates with known scale.
    Se3,
    /// Scale too: for one camera without known scale.
    #[default]
    Sim3,
}

/// Errors over a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrajectoryError {
    /// Root mean square of the translation error, in the truth's unit.
    pub translation_rmse: f64,
    /// Largest translation error.
    pub translation_max: f64,
    /// Root mean square of the rotation error, radians.
    pub rotation_rmse_rad: f64,
    /// The factor that the estimated translations were multiplied with.
    pub scale: f64,
    /// Poses or pairs of poses compared.
    pub count: usize,
}

/// The similarity `s·R·x + t` that takes `from` closest to `to` in the least-squares sense (Umeyama, PAMI 1991);
/// `s = 1` with [`Align::Se3`].
///
/// `None` if the lists differ in length or are shorter than 3, a number is not finite, or all points of a list
/// coincide. Points on a line leave the rotation about it open; one of the best is given.
pub fn umeyama(from: &[Point3<f64>], to: &[Point3<f64>], align: Align) -> Option<Similarity3<f64>> {
    if from.len() != to.len() || from.len() < 3 {
        return None;
    }
    let (from_mean, to_mean) = (mean(from), mean(to));
    let count = from.len() as f64;
    let mut covariance = Matrix3::zeros();
    let mut from_variance = 0.0;
    let mut to_variance = 0.0;
    for (x, y) in from.iter().zip(to) {
        let (x, y) = (x.coords - from_mean, y.coords - to_mean);
        covariance += y * x.transpose() / count;
        from_variance += x.norm_squared() / count;
        to_variance += y.norm_squared() / count;
    }
    // Relative to the distance from the origin: what remains below this is rounding.
    let spread = |variance: f64, mean: &Vector3<f64>| variance > 1e-24 * (1e-12 + mean.norm_squared());
    let finite =
        covariance.iter().all(|x| x.is_finite()) && from_variance.is_finite() && to_variance.is_finite();
    if !(finite && spread(from_variance, &from_mean) && spread(to_variance, &to_mean)) {
        return None;
    }
    let svd = covariance.try_svd(true, true, f64::EPSILON, 1000)?;
    let (u, v_t) = (svd.u?, svd.v_t?);
    // The last sign makes R a rotation, not a reflection (Umeyama, eq. 40 and 43).
    let mut signs = Vector3::new(1.0, 1.0, (u.determinant() * v_t.determinant()).signum());
    let smallest = svd.singular_values.imin();
    signs.swap_rows(2, smallest);
    let matrix = Rotation3::from_matrix_unchecked(u * Matrix3::from_diagonal(&signs) * v_t);
    let rotation = UnitQuaternion::from_rotation_matrix(&matrix);
    let scale = match align {
        Align::Se3 => 1.0,
        Align::Sim3 => svd.singular_values.dot(&signs) / from_variance,
    };
    let translation = Translation3::from(to_mean - scale * (rotation * from_mean));
    let usable = scale > 0.0 && scale.is_finite() && translation.vector.iter().all(|x| x.is_finite());
    usable.then(|| Similarity3::from_parts(translation, rotation, scale))
}

/// Absolute trajectory error: positions and rotations of `world_from_camera` after the estimate was aligned with
/// [`umeyama`]. `None` where that is not defined.
///
/// # Errors
/// If the trajectories differ in length.
pub fn ate(
    estimated: &[Isometry3<f64>],
    truth: &[Isometry3<f64>],
    align: Align,
) -> Result<Option<TrajectoryError>> {
    same_length(estimated, truth)?;
    let positions = |poses: &[Isometry3<f64>]| -> Vec<Point3<f64>> {
        poses.iter().map(|pose| pose.translation.vector.into()).collect()
    };
    let Some(truth_from_estimate) = umeyama(&positions(estimated), &positions(truth), align) else {
        return Ok(None);
    };
    let errors = estimated.iter().zip(truth).map(|(estimate, truth)| {
        let position = truth_from_estimate * Point3::from(estimate.translation.vector);
        let rotation = truth_from_estimate.isometry.rotation * estimate.rotation;
        let distance = (position.coords - truth.translation.vector).norm();
        Some((distance, rotation_error_rad(&rotation, &truth.rotation)?))
    });
    Ok(summarised(errors, truth_from_estimate.scaling()))
}

/// Relative pose error: how the motion from pose `i` to pose `i + step` differs, translations of the estimate
/// multiplied with `scale` (1, or the scale that [`ate`] found). `None` if there is no pair or a number is not finite.
///
/// # Errors
/// If the trajectories differ in length, or `step` is 0.
pub fn rpe(
    estimated: &[Isometry3<f64>],
    truth: &[Isometry3<f64>],
    step: usize,
    scale: f64,
) -> Result<Option<TrajectoryError>> {
    same_length(estimated, truth)?;
    if step == 0 {
        return Err(Error::argument("step", "at least 1", step));
    }
    let motions = |poses: &[Isometry3<f64>]| -> Vec<Isometry3<f64>> {
        poses.iter().zip(poses.iter().skip(step)).map(|(a, b)| a.inv_mul(b)).collect()
    };
    let (estimated, truth) = (motions(estimated), motions(truth));
    let errors = estimated.iter().zip(&truth).map(|(estimate, truth)| {
        let distance = (estimate.translation.vector * scale - truth.translation.vector).norm();
        Some((distance, rotation_error_rad(&estimate.rotation, &truth.rotation)?))
    });
    Ok(summarised(errors, scale))
}

fn same_length(estimated: &[Isometry3<f64>], truth: &[Isometry3<f64>]) -> Result<()> {
    if estimated.len() == truth.len() {
        return Ok(());
    }
    Err(Error::argument(
        "estimated trajectory",
        format!("{} poses, as the truth has", truth.len()),
        estimated.len(),
    ))
}

fn summarised(errors: impl Iterator<Item = Option<(f64, f64)>>, scale: f64) -> Option<TrajectoryError> {
    let errors: Vec<(f64, f64)> = errors.collect::<Option<_>>()?;
    if errors.is_empty() || errors.iter().any(|(distance, _)| !distance.is_finite()) {
        return None;
    }
    let rms = |squares: f64| (squares / errors.len() as f64).sqrt();
    Some(TrajectoryError {
        translation_rmse: rms(errors.iter().map(|(distance, _)| distance.powi(2)).sum()),
        translation_max: errors.iter().map(|(distance, _)| *distance).fold(0.0, f64::max),
        rotation_rmse_rad: rms(errors.iter().map(|(_, angle)| angle.powi(2)).sum()),
        scale,
        count: errors.len(),
    })
}

fn mean(points: &[Point3<f64>]) -> Vector3<f64> {
    points.iter().map(|point| point.coords).sum::<Vector3<f64>>() / points.len() as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(seed: [f64; 3], count: usize) -> Vec<Isometry3<f64>> {
        let at = |i: f64| Vector3::new((0.7 * i + seed[0]).sin(), 0.3 * (0.4 * i + seed[1]).cos(), 0.2 * i);
        let turn = |i: f64| Vector3::new(0.1 * i, 0.3 * (i + seed[2]).sin(), 0.0);
        (0..count).map(|i| Isometry3::new(at(i as f64), turn(i as f64))).collect()
    }

    proptest! {
        #[test]
        fn a_similarity_of_the_truth_has_no_error(
            seed in prop::array::uniform3(-3.0f64..3.0),
            turn in prop::array::uniform3(-2.0f64..2.0),
            scale in 0.05f64..20.0,
        ) {
            let truth = path(seed, 9);
            let moved = Isometry3::new(Vector3::from(seed) * 5.0, Vector3::from(turn));
            let estimate: Vec<_> = truth
                .iter()
                .map(|pose| {
                    let mut pose = moved * pose;
                    pose.translation.vector *= scale;
                    pose
                })
                .collect();
            let error = ate(&estimate, &truth, Align::Sim3).unwrap().unwrap();
            prop_assert!(error.translation_rmse < 1e-9 && error.rotation_rmse_rad < 1e-7, "{:?}", error);
            prop_assert!((error.scale * scale - 1.0).abs() < 1e-9);
            let error = rpe(&estimate, &truth, 2, error.scale).unwrap().unwrap();
            prop_assert!(error.translation_rmse < 1e-9 && error.count == 7, "{:?}", error);
            if (scale - 1.0).abs() > 0.1 {
                let error = ate(&estimate, &truth, Align::Se3).unwrap().unwrap();
                prop_assert!(error.translation_rmse > 0.01 && error.scale == 1.0, "{:?}", error);
            }
        }
    }

    #[test]
    fn a_known_error_is_measured() {
        // Alternating ±e across a square: the alignment cannot take it away.
        let corner = |x: f64, y: f64, z: f64| Isometry3::translation(x, y, z);
        let truth =
            [corner(1.0, 1.0, 0.0), corner(-1.0, 1.0, 0.0), corner(-1.0, -1.0, 0.0), corner(1.0, -1.0, 0.0)];
        let mut estimate = truth;
        for (pose, sign) in estimate.iter_mut().zip([1.0, -1.0, 1.0, -1.0]) {
            pose.translation.vector.z = 0.1 * sign;
        }
        let error = ate(&estimate, &truth, Align::Se3).unwrap().unwrap();
        assert!((error.translation_rmse - 0.1).abs() < 1e-12, "{error:?}");
        assert!((rpe(&estimate, &truth, 1, 1.0).unwrap().unwrap().translation_rmse - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_mirror_image_is_not_aligned_by_a_reflection() {
        let corners = |x: f64| {
            [[0.0; 3], [x, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]
                .map(|[x, y, z]| Isometry3::translation(x, y, z))
        };
        let error = ate(&corners(-1.0), &corners(1.0), Align::Sim3).unwrap().unwrap();
        assert!(error.translation_rmse > 0.5, "{error:?}");
    }

    #[test]
    fn what_is_not_defined_is_none() {
        let truth = path([0.0; 3], 5);
        let still = vec![Isometry3::translation(1.0, 2.0, 3.0); 5];
        let line: Vec<_> = (0..5).map(|i| Isometry3::translation(0.0, 0.0, f64::from(i))).collect();
        let nan = vec![Isometry3::translation(f64::NAN, 0.0, 0.0); 5];
        for (estimate, truth) in [(&still, &truth), (&truth, &still), (&nan, &truth)] {
            assert_eq!(ate(estimate, truth, Align::Sim3).unwrap(), None);
        }
        assert_eq!(rpe(&nan, &truth, 1, 1.0).unwrap(), None);
        assert_eq!(rpe(&truth, &truth, 5, 1.0).unwrap(), None);
        assert!(ate(&truth[1..], &truth, Align::Sim3).unwrap_err().to_string().contains("5 poses"));
        // A straight road is fine.
        assert!(ate(&line, &line, Align::Sim3).unwrap().unwrap().translation_rmse < 1e-9);
    }
}
