//! Errors of one relative pose.
//!
//! The scale of a translation is often not observable, so rotation and direction of translation are judged apart.

use nalgebra::{UnitQuaternion, Vector3};

/// The angle of the rotation between two rotations, 0 to π radians; `None` if a number is not finite.
///
/// `2·atan2(|v|, |w|)` of `estimated⁻¹·truth = (w, v)`: exact for tiny angles and never outside its range, where the
/// usual `acos((trace − 1) / 2)` loses half its digits or gives NaN.
pub fn rotation_error_rad(estimated: &UnitQuaternion<f64>, truth: &UnitQuaternion<f64>) -> Option<f64> {
    let between = estimated.inverse() * truth;
    let angle_rad = 2.0 * between.imag().norm().atan2(between.w.abs());
    angle_rad.is_finite().then_some(angle_rad)
}

/// The angle between two translations, 0 to π radians: `atan2(|a × b|, a · b)`; `None` if one of them has no
/// direction or is not finite.
pub fn translation_direction_error_rad(estimated: &Vector3<f64>, truth: &Vector3<f64>) -> Option<f64> {
    let (a, b) = (estimated.try_normalize(f64::MIN_POSITIVE)?, truth.try_normalize(f64::MIN_POSITIVE)?);
    let angle_rad = a.cross(&b).norm().atan2(a.dot(&b));
    angle_rad.is_finite().then_some(angle_rad)
}

/// How far a translation is off after the best scale: |t* − a·t| with a = t*·t / t·t, in the truth's unit; `None` if a
/// number is not finite.
///
/// The "translation (cm)" of BA-Net (Tang & Tan, ICLR 2019) and DeepV2D (Teed & Deng, ICLR 2020) on ScanNet. The factor may
/// be negative, so the error is at most |t*|; that is also what a translation of nothing gets.
pub fn fitted_translation_error(estimated: &Vector3<f64>, truth: &Vector3<f64>) -> Option<f64> {
    let (along, own) = (truth.dot(estimated), estimated.norm_squared());
    let factor = if own > 0.0 { along / own } else { 0.0 };
    let distance = (truth - factor * estimated).norm();
    (distance.is_finite() && own.is_finite()).then_some(distance)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_angle_that_was_put_in_comes_out(
            base in prop::array::uniform3(-3.0f64..3.0),
            axis in prop::array::uniform3(0.1f64..1.0),
            angle in prop::sample::select(vec![1e-9, 1e-4, 0.3, 2.0, 3.13]),
        ) {
            let base = UnitQuaternion::from_scaled_axis(Vector3::from(base));
            let axis = Vector3::from(axis).normalize();
            let turned = base * UnitQuaternion::from_scaled_axis(axis * angle);
            let error = rotation_error_rad(&base, &turned).unwrap();
            prop_assert!((error - angle).abs() < 1e-6 * angle + 1e-14, "{} for {}", error, angle);

            let across = axis.cross(&Vector3::x()).normalize();
            let direction = 3.0 * (axis * angle.cos() + across * angle.sin());
            let error = translation_direction_error_rad(&axis, &direction).unwrap();
            prop_assert!((error - angle).abs() < 1e-6 * angle + 1e-14, "{} for {}", error, angle);
        }
    }

    #[test]
    fn no_direction_is_none() {
        let x = Vector3::x();
        assert_eq!(translation_direction_error_rad(&Vector3::zeros(), &x), None);
        assert_eq!(translation_direction_error_rad(&x, &Vector3::new(f64::NAN, 0.0, 0.0)), None);
        assert_eq!(translation_direction_error_rad(&x, &-x), Some(std::f64::consts::PI));
        assert_eq!(rotation_error_rad(&UnitQuaternion::identity(), &UnitQuaternion::identity()), Some(0.0));
    }

    #[test]
    fn the_scale_of_a_translation_is_fitted() {
        let truth = Vector3::new(0.3, 0.0, 0.4);
        // Across by 30 degrees: sin 30° of the truth's length is left, whatever the scale.
        let turned = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), 30f64.to_radians()) * truth;
        for scale in [0.01, 1.0, -7.0] {
            let error = fitted_translation_error(&(turned * scale), &truth).unwrap();
            assert!((error - 0.25).abs() < 1e-12, "{error}");
        }
        assert_eq!(fitted_translation_error(&Vector3::zeros(), &truth), Some(0.5));
        assert_eq!(fitted_translation_error(&Vector3::new(f64::NAN, 0.0, 0.0), &truth), None);
    }
}
