//! Exponentials and logarithms in plain arithmetic: loops over lanes become vector instructions, and the results are the
//! same on every machine, which those of a system's mathematics library are not.

use super::lanes::vectorized;

/// `1.5·2⁵²`: what is added to it is rounded to a whole number, which its lowest bits then hold.
const ROUND: f64 = 6_755_399_441_055_744.0;
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `eˣ`, within 2e-15 of it relatively; of arguments clamped to [-700, 700].
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    /// 1/k!, from the twelfth down.
    const COEFFICIENTS: [f64; 12] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    let x = x.clamp(-700.0, 700.0);
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = (-whole).mul_add(LN_2_LOW, (-whole).mul_add(LN_2_HIGH, x));
    let mut sum: f64 = 1.0 / 6_227_020_800.0;
    for coefficient in COEFFICIENTS {
        sum = sum.mul_add(rest, coefficient);
    }
    sum.mul_add(rest, 1.0) * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1f64.to_bits()))
}

/// [`exp`] of every value.
pub fn exp_all(values: &mut [f64]) {
    vectorized(
        #[inline(always)]
        || {
            for value in &mut *values {
                *value = exp(*value);
            }
        },
    );
}

/// `ln x` of normal positive numbers, within 1e-15 of it, relatively where that is more than 1.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    /// Of `(ln(1 + f) - 2s)/s` in `s²`, `s = f/(2 + f)`: the minimax polynomial of fdlibm's `e_log.c`.
    const COEFFICIENTS: [f64; 6] = [
        1.531_383_769_920_937_3e-1,
        1.818_357_216_161_805e-1,
        2.222_219_843_214_978_4e-1,
        2.857_142_874_366_239e-1,
        3.999_999_999_940_942e-1,
        6.666_666_666_666_735e-1,
    ];
    const HALF_ROOT: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    // x = 2^exponent · (1 + f), the second factor from √½ to √2.
    let exponent = (x.to_bits().wrapping_sub(HALF_ROOT) as i64) >> 52;
    let f = f64::from_bits(x.to_bits().wrapping_sub((exponent << 52) as u64)) - 1.0;
    let exponent = exponent as f64;
    let s = f / (2.0 + f);
    let square = s * s;
    let mut sum: f64 = 1.479_819_860_511_658_6e-1;
    for coefficient in COEFFICIENTS {
        sum = sum.mul_add(square, coefficient);
    }
    let half = 0.5 * f * f;
    let correction = s.mul_add(half + sum * square, exponent * LN_2_LOW);
    exponent.mul_add(LN_2_HIGH, f - (half - correction))
}

/// [`ln`] of every value.
pub fn ln_all(values: &mut [f64]) {
    vectorized(
        #[inline(always)]
        || {
            for value in &mut *values {
                *value = ln(*value);
            }
        },
    );
}

/// `ln(1 + x)` of finite numbers above -1, as exact as [`ln`], relatively also near 0.
#[inline(always)]
pub fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    // What rounding took from the sum.
    let lost = x - (sum - 1.0);
    ln(sum) + lost / sum
}

/// `1/(1 + e⁻ˣ)`, within 2e-7.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    (1.0 + exp_f32(-x)).recip()
}

/// `tanh x`, within 2e-7.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 * (1.0 + exp_f32(2.0 * x)).recip()
}

/// `eˣ`, within 3e-7 of it relatively; of arguments clamped to [-80, 80].
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    /// `1.5·2²³`.
    const ROUND: f32 = 12_582_912.0;
    /// 1/k!, from the sixth down.
    const COEFFICIENTS: [f32; 6] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let x = x.clamp(-80.0, 80.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = (-whole).mul_add(-2.121_944_4e-4, (-whole).mul_add(0.693_359_4, x));
    let mut sum: f32 = 1.0 / 5040.0;
    for coefficient in COEFFICIENTS {
        sum = sum.mul_add(rest, coefficient);
    }
    sum.mul_add(rest, 1.0) * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `low` to `high`, many.
    fn range(low: f64, high: f64) -> impl Iterator<Item = f64> {
        (0..=200_000).map(move |i| low + (high - low) * f64::from(i) / 200_000.0)
    }

    #[test]
    fn they_are_what_the_standard_library_says() {
        for x in range(-700.0, 700.0).chain(range(-1.0, 1.0)) {
            assert!((exp(x) / x.exp() - 1.0).abs() < 2e-15, "exp {x}");
            let y = x.exp();
            assert!((ln(y) - y.ln()).abs() < 1e-15 * y.ln().abs().max(1.0), "ln {y}");
            assert!((ln_1p(y) - y.ln_1p()).abs() < 1e-15 * y.ln_1p().max(y.min(1.0)), "ln_1p {y}");
        }
        for x in range(-0.999, 1.0).chain(range(-1e-6, 1e-6)) {
            assert!((ln_1p(x) - x.ln_1p()).abs() <= 1e-15 * x.ln_1p().abs(), "ln_1p {x}");
        }
        assert!((ln_1p(1e300) / 1e300f64.ln() - 1.0).abs() < 1e-15);
        for x in range(-100.0, 100.0).chain(range(-1.0, 1.0)) {
            let (short, x) = (x as f32, f64::from(x as f32));
            assert!((f64::from(sigmoid(short)) - (1.0 + (-x).exp()).recip()).abs() < 2e-7, "sigmoid {x}");
            assert!((f64::from(tanh(short)) - x.tanh()).abs() < 2e-7, "tanh {x}");
        }
    }

    #[test]
    fn numbers_that_are_none_stay_so() {
        assert!(exp(f64::NAN).is_nan());
        assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
    }
}
