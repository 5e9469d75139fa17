//! The trigonometric factors of SO(3) and SE(3), without cancellation at zero.

/// `S_n = Σ_k (−x)^k / (2k + n)!` for n = 1 to 5 at `x = θ²`.
///
/// `S₁ = sin θ/θ`, `S₂ = (1 − cos θ)/θ²`, and `S_n = 1/n! − x·S_{n+2}` gives the others:
/// `S₃ = (θ − sin θ)/θ³` and so on. Below x = 1 the sum is used, above it the closed forms.
pub(crate) fn factors(theta2: f64) -> [f64; 5] {
    let x = theta2;
    if x < 1.0 {
        let (s4, s5) = (sum(x, 4), sum(x, 5));
        let s3 = 1.0 / 6.0 - x * s5;
        [1.0 - x * s3, 0.5 - x * s4, s3, s4, s5]
    } else {
        let theta = x.sqrt();
        let (s1, s2) = (theta.sin() / theta, 0.5 * ((theta / 2.0).sin() / (theta / 2.0)).powi(2));
        let s3 = (1.0 - s1) / x;
        [s1, s2, s3, (0.5 - s2) / x, (1.0 / 6.0 - s3) / x]
    }
}

/// By Horner's rule; nine terms are exact in f64 for 0 ≤ x ≤ 1.
fn sum(x: f64, n: u32) -> f64 {
    let terms = (1..9).rev().fold(1.0, |sum, k| 1.0 - sum * x / f64::from((2 * k + n) * (2 * k + n - 1)));
    terms / (1..=n).map(f64::from).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::factors;

    #[test]
    fn both_forms_agree_where_they_meet() {
        let (below, above) = (factors(1.0 - f64::EPSILON), factors(1.0));
        for (a, b) in below.iter().zip(above) {
            assert!((a - b).abs() < 1e-15, "{below:?} {above:?}");
        }
    }

    #[test]
    fn recurrence_and_limits() {
        for x in [0.0, 1e-20, 1e-9, 0.3, 0.99, 1.0, 4.0, 9.8, 30.0] {
            let [s1, s2, s3, s4, s5] = factors(x);
            let theta = f64::sqrt(x);
            assert!((s1 * theta - theta.sin()).abs() < 1e-15 * (1.0 + theta));
            assert!((1.0 - s2 * x - theta.cos()).abs() < 1e-14);
            assert!((1.0 - x * s3 - s1).abs() < 1e-14 && (0.5 - x * s4 - s2).abs() < 1e-14);
            assert!((1.0 / 6.0 - x * s5 - s3).abs() < 1e-14);
        }
        assert_eq!(factors(0.0), [1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0]);
    }
}
