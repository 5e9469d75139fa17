//! The elementwise parts of a gated recurrent unit, for inference.
//!
//! `h ← h + z∘(q − h)` with `z = σ(a_z)`, `r = σ(a_r)`, `q = tanh(W_q [r∘h, x])`
//! (Cho et al., *Learning phrase representations using RNN encoder–decoder*, 2014). The sums a come from
//! [`PreparedConv`](crate::PreparedConv); these functions apply the activations.

use candle_core::{Result, bail};
use rayon::prelude::*;

use crate::select::fast;
use crate::simd::math::{Zip, sigmoid, tanh, zip_in_place};
use crate::simd::{Arch, Simd};

/// Numbers that one thread takes at once: enough to be worth the hand-over.
const CHUNK: usize = 1 << 15;

/// `out = σ(reset) ∘ hidden`: what the candidate's convolution reads.
///
/// * `reset`: sums a_r of the reset gate, before the activation
/// * `hidden`: hidden state h
/// * all three have one length
///
/// The relative error is below 1e-6.
///
/// # Errors
/// When the lengths differ.
pub fn gru_reset(reset: &[f32], hidden: &[f32], out: &mut [f32]) -> Result<()> {
    if reset.len() != out.len() || hidden.len() != out.len() {
        bail!("gru_reset: expected one length, found {}, {} and {}", reset.len(), hidden.len(), out.len())
    }
    if fast() {
        zip(&Reset, out, reset, hidden);
    } else {
        for ((out, reset), hidden) in out.iter_mut().zip(reset).zip(hidden) {
            *out = hidden / (1.0 + (-reset).exp());
        }
    }
    Ok(())
}

/// `hidden ← hidden + σ(update) ∘ (tanh(candidate) − hidden)`, in place.
///
/// * `update`, `candidate`: sums a_z of the update gate and a_q of the candidate, before the activations
/// * `hidden`: hidden state h
/// * all three have one length
///
/// The error is below 1e-6 of the larger of |h| and 1.
///
/// # Errors
/// When the lengths differ.
pub fn gru_blend(update: &[f32], candidate: &[f32], hidden: &mut [f32]) -> Result<()> {
    if update.len() != hidden.len() || candidate.len() != hidden.len() {
        bail!(
            "gru_blend: expected one length, found {}, {} and {}",
            update.len(),
            candidate.len(),
            hidden.len()
        )
    }
    if fast() {
        zip(&Blend, hidden, update, candidate);
    } else {
        for ((hidden, update), candidate) in hidden.iter_mut().zip(update).zip(candidate) {
            *hidden += (candidate.tanh() - *hidden) / (1.0 + (-update).exp());
        }
    }
    Ok(())
}

/// `x[i] = f(x[i], a[i], b[i])` on all threads.
fn zip<F: Zip + Sync>(f: &F, x: &mut [f32], a: &[f32], b: &[f32]) {
    let arch = Arch::new();
    let operands = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    x.par_chunks_mut(CHUNK).zip(operands).for_each(|(x, (a, b))| zip_in_place(arch, f, x, a, b));
}

/// `σ(a)·b`.
struct Reset;

impl Zip for Reset {
    #[inline(always)]
    fn call<S: Simd>(&self, simd: S, _: S::f32s, reset: S::f32s, hidden: S::f32s) -> S::f32s {
        simd.mul_f32s(sigmoid(simd, reset), hidden)
    }
}

/// `x + σ(a)·(tanh b − x)`.
struct Blend;

impl Zip for Blend {
    #[inline(always)]
    fn call<S: Simd>(&self, simd: S, hidden: S::f32s, update: S::f32s, candidate: S::f32s) -> S::f32s {
        let change = simd.sub_f32s(tanh(simd, candidate), hidden);
        simd.mul_add_e_f32s(sigmoid(simd, update), change, hidden)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sigmoid(x: f32) -> f64 {
        1.0 / (1.0 + (-f64::from(x)).exp())
    }

    #[test]
    fn steps_equal_their_equations() {
        // More than one chunk, and not a whole number of vectors.
        let count = CHUNK + 13;
        let wave = |k: f32| (0..count).map(|i| 6.0 * (k * i as f32).sin()).collect::<Vec<_>>();
        let (a, b, hidden) = (wave(0.37), wave(0.11), wave(0.23));
        let mut out = vec![0.0; count];
        gru_reset(&a, &hidden, &mut out).unwrap();
        let mut blended = hidden.clone();
        gru_blend(&a, &b, &mut blended).unwrap();
        for i in 0..count {
            let h = f64::from(hidden[i]);
            let expected = sigmoid(a[i]) * h;
            assert!((f64::from(out[i]) - expected).abs() <= 1e-6 * expected.abs(), "{i}");
            let expected = h + sigmoid(a[i]) * (f64::from(b[i]).tanh() - h);
            assert!((f64::from(blended[i]) - expected).abs() <= 1e-6 * h.abs().max(1.0), "{i}");
        }
    }

    #[test]
    fn lengths_must_agree() {
        let error = gru_reset(&[0.0; 3], &[0.0; 2], &mut [0.0; 3]).unwrap_err().to_string();
        assert!(error.contains("found 3, 2 and 3"), "{error}");
        let error = gru_blend(&[0.0; 3], &[0.0; 3], &mut [0.0; 2]).unwrap_err().to_string();
        assert!(error.contains("found 3, 3 and 2"), "{error}");
    }
}
