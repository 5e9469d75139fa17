//! Elementary functions of vectors.
//!
//! No closures here nor in other code that holds vectors: one that is not inlined lacks the vector instructions of its
//! surroundings, and each operation in it becomes a call.

use super::{Arch, Simd, WithSimd};
use crate::conv::Activation;

/// ln 2 in two parts, the first with enough trailing zeros that a product with a small integer is exact.
const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);

/// Taylor coefficients 1/k! of `(eʳ − 1 − r) / r²`, highest first: enough for |r| ≤ ln 2 / 2.
const EXP: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];

/// Coefficients of `(tanh x − x) / x³` in x², highest first, for |x| < 0.625 (Moshier, *Cephes*, `tanhf.c`).
const TANH: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];

/// `eˣ` with a relative error below 2e-7 for x in [−87, 88]; outside, the value at the nearer end; NaN for NaN.
///
/// `x = k·ln 2 + r` with an integer k, then a polynomial in r (Cody and Waite, *Software manual for the elementary
/// functions*, 1980, chapter 6).
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let inside = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-87.0)), simd.splat_f32s(88.0));
    // Adding 1.5·2²³ leaves the nearest integer in the low bits of the mantissa.
    let shift = simd.splat_f32s(12_582_912.0);
    let shifted = simd.mul_add_e_f32s(inside, simd.splat_f32s(std::f32::consts::LOG2_E), shift);
    let k = simd.sub_f32s(shifted, shift);
    let r = simd.mul_add_e_f32s(k, simd.splat_f32s(-LN2.0), inside);
    let r = simd.mul_add_e_f32s(k, simd.splat_f32s(-LN2.1), r);
    let p = polynomial(simd, &EXP, r);
    let p = simd.mul_add_e_f32s(simd.mul_f32s(p, r), r, simd.add_f32s(r, simd.splat_f32s(1.0)));
    // p·2ᵏ by adding k to the exponent: the low bits of `shifted`, moved there.
    let k = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let value = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), k));
    simd.select_f32s(simd.equal_f32s(x, x), value, x)
}

/// `1 / (1 + e⁻ˣ)`, relative error below 4e-7 for x ≥ −87 and absolute below 1e-37 under it.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.sub_f32s(simd.splat_f32s(0.0), x))))
}

/// The hyperbolic tangent, relative error below 4e-7.
///
/// A polynomial near 0, where `1 − 2 / (e²ˣ + 1)` would cancel.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (one, two) = (simd.splat_f32s(1.0), simd.splat_f32s(2.0));
    let far = simd.div_f32s(two, simd.add_f32s(exp(simd, simd.add_f32s(x, x)), one));
    let far = simd.sub_f32s(one, far);
    let square = simd.mul_f32s(x, x);
    let near = simd.mul_f32s(polynomial(simd, &TANH, square), square);
    let near = simd.mul_add_e_f32s(near, x, x);
    simd.select_f32s(simd.less_than_f32s(simd.abs_f32s(x), simd.splat_f32s(0.625)), near, far)
}

/// The function of `activation`; for NaN all give NaN except [`Activation::Relu`], which gives NaN or 0.
#[inline(always)]
pub(crate) fn activate<S: Simd>(simd: S, activation: Activation, x: S::f32s) -> S::f32s {
    match activation {
        Activation::None => x,
        Activation::Relu => simd.max_f32s(simd.splat_f32s(0.0), x),
        Activation::Sigmoid => sigmoid(simd, x),
        Activation::Tanh => tanh(simd, x),
    }
}

/// Horner's rule, the coefficient of the highest power first.
#[inline(always)]
fn polynomial<S: Simd>(simd: S, coefficients: &[f32], x: S::f32s) -> S::f32s {
    let mut sum = simd.splat_f32s(0.0);
    for c in coefficients {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(*c));
    }
    sum
}

/// A function of vectors with two operands beside the one that it replaces.
pub(crate) trait Zip {
    /// The new value of `x`, from the old one and what stands at the same place in the operands.
    fn call<S: Simd>(&self, simd: S, x: S::f32s, a: S::f32s, b: S::f32s) -> S::f32s;
}

/// `x[i] = f(x[i], a[i], b[i])` for three slices of one length.
pub(crate) fn zip_in_place<F: Zip + Sync>(arch: Arch, f: &F, x: &mut [f32], a: &[f32], b: &[f32]) {
    struct Run<'a, F> {
        f: &'a F,
        x: &'a mut [f32],
        a: &'a [f32],
        b: &'a [f32],
    }
    impl<F: Zip> WithSimd for Run<'_, F> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (x, x_tail) = S::as_mut_simd_f32s(self.x);
            let ((a, a_tail), (b, b_tail)) = (S::as_simd_f32s(self.a), S::as_simd_f32s(self.b));
            for ((x, a), b) in x.iter_mut().zip(a).zip(b) {
                *x = self.f.call(simd, *x, *a, *b);
            }
            if !x_tail.is_empty() {
                let (a, b) = (simd.partial_load_f32s(a_tail), simd.partial_load_f32s(b_tail));
                let last = self.f.call(simd, simd.partial_load_f32s(x_tail), a, b);
                simd.partial_store_f32s(x_tail, last);
            }
        }
    }
    arch.dispatch(Run { f, x, a, b });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tanh;
    struct Sigmoid;
    struct Exp;

    impl Zip for Tanh {
        #[inline(always)]
        fn call<S: Simd>(&self, simd: S, x: S::f32s, _: S::f32s, _: S::f32s) -> S::f32s {
            tanh(simd, x)
        }
    }
    impl Zip for Sigmoid {
        #[inline(always)]
        fn call<S: Simd>(&self, simd: S, x: S::f32s, _: S::f32s, _: S::f32s) -> S::f32s {
            sigmoid(simd, x)
        }
    }
    impl Zip for Exp {
        #[inline(always)]
        fn call<S: Simd>(&self, simd: S, x: S::f32s, _: S::f32s, _: S::f32s) -> S::f32s {
            exp(simd, x)
        }
    }

    /// The largest relative error over numbers of all sizes below 86.
    fn relative_error<F: Zip + Sync>(arch: Arch, f: &F, exact: fn(f64) -> f64) -> f64 {
        let x: Vec<f32> = (-860_000..860_000)
            .map(|i| i as f32 * 1e-4)
            .chain((0..999).map(|i| (-i as f32 * 0.08).exp()))
            .collect();
        let mut y = x.clone();
        zip_in_place(arch, f, &mut y, &x, &x);
        let error = |(x, y): (&f32, &f32)| {
            let exact = exact(f64::from(*x));
            if exact == 0.0 { f64::from(*y).abs() } else { (f64::from(*y) / exact - 1.0).abs() }
        };
        x.iter().zip(&y).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_as_stated() {
        for arch in [Arch::Scalar, Arch::new()] {
            assert!(relative_error(arch, &Exp, f64::exp) < 2e-7);
            assert!(relative_error(arch, &Sigmoid, |x| 1.0 / (1.0 + (-x).exp())) < 4e-7);
            assert!(relative_error(arch, &Tanh, f64::tanh) < 4e-7);
        }
    }

    #[test]
    fn ends_and_nonsense() {
        let x = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::NAN, -0.0];
        for arch in [Arch::Scalar, Arch::new()] {
            let (mut s, mut t) = (x, x);
            zip_in_place(arch, &Sigmoid, &mut s, &x, &x);
            zip_in_place(arch, &Tanh, &mut t, &x, &x);
            assert_eq!((s[0], s[2], s[5]), (1.0, 1.0, 0.5));
            assert!(s[1] < 1e-37 && s[3] < 1e-37 && s[4].is_nan());
            assert_eq!((t[0], t[1], t[2], t[3], t[5]), (1.0, -1.0, 1.0, -1.0, 0.0));
            assert!(t[4].is_nan());
        }
    }
}
