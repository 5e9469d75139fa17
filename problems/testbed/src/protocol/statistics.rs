//! Means with intervals.

/// A mean and half the width of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub mean: f64,
    pub half_width: f64,
}

/// The mean of independent numbers with Student's interval; NaN for the interval of fewer than two.
pub fn mean(numbers: impl Iterator<Item = f64> + Clone) -> Mean {
    let count = numbers.clone().count() as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    let variance = numbers.map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Mean { mean, half_width: student_97_5(count - 1.0) * (variance / count).sqrt() }
}

/// The 97.5 % quantile of Student's t: a table for few degrees of freedom, then the expansion in their inverse
/// (Abramowitz & Stegun 26.7.5), to three digits.
fn student_97_5(freedom: f64) -> f64 {
    match freedom {
        f if f < 1.0 => f64::NAN,
        f if f < 1.5 => 12.706,
        f if f < 2.5 => 4.303,
        f if f < 3.5 => 3.182,
        f => 1.959_964 + 2.372_272 / f + 2.822_50 / f.powi(2) + 2.555_85 / f.powi(3) + 1.589_53 / f.powi(4),
    }
}

/// The quantile `share` of numbers that are sorted here, linear between two; NaN of none.
pub fn quantile(mut numbers: Vec<f64>, share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = share * (numbers.len() as f64 - 1.0);
    let one = |place: f64| numbers.get(place.max(0.0) as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (one(at.floor()), one(at.ceil()));
    if low == high { low } else { low + (high - low) * at.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_students() {
        let found = mean([1.0, 2.0, 3.0, 4.0, 5.0].into_iter());
        // s = sqrt(2.5), t(4) = 2.7764.
        assert!(
            (found.mean - 3.0).abs() < 1e-15
                && (found.half_width - 2.7764 * (2.5f64 / 5.0).sqrt()).abs() < 2e-3
        );
        for (freedom, expected) in
            [(1.0, 12.706), (4.0, 2.7764), (9.0, 2.2622), (30.0, 2.0423), (99.0, 1.9842)]
        {
            let found = student_97_5(freedom);
            assert!((found - expected).abs() < 2e-3, "{freedom}: {found}");
        }
        assert!(mean([1.0].into_iter()).half_width.is_nan());
    }

    #[test]
    fn quantiles_are_between_the_numbers() {
        let numbers = vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(numbers.clone(), 0.5), 2.5);
        assert_eq!((quantile(numbers.clone(), 0.0), quantile(numbers, 1.0)), (1.0, 4.0));
        assert_eq!(quantile(vec![f64::INFINITY, 1.0, f64::INFINITY], 0.75), f64::INFINITY);
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }
}
