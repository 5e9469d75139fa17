//! The elementwise parts of a gated recurrent unit, for inference.
//!
//! `h ← h + z∘(q − h)` with `z = σ(a_z)`, `r = σ(a_r)`, `q = tanh(W_q [r∘h, x])`
//! (Cho et al., *Learning phrase representations using RNN encoder–decoder*, 2014).

use candle_core::{Result, bail};

/// `out = σ(reset) ∘ hidden`: what the candidate's convolution reads.
///
/// * `reset`: pre-activations a_r of the reset gate
/// * all three have one length
///
/// # Errors
/// When the lengths differ.
pub fn gru_reset(reset: &[f32], hidden: &[f32], out: &mut [f32]) -> Result<()> {
    if reset.len() != out.len() || hidden.len() != out.len() {
        bail!("gru_reset: expected one length, found {}, {} and {}", reset.len(), hidden.len(), out.len())
    }
    for ((out, &reset), &hidden) in out.iter_mut().zip(reset).zip(hidden) {
        *out = hidden / (1.0 + (-reset).exp());
    }
    Ok(())
}

/// `hidden ← hidden + σ(update) ∘ (tanh(candidate) − hidden)`, in place.
///
/// * `update`, `candidate`: pre-activations of the update gate and of the candidate
/// * all three have one length
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
    for ((hidden, &update), &candidate) in hidden.iter_mut().zip(update).zip(candidate) {
        *hidden += (candidate.tanh() - *hidden) / (1.0 + (-update).exp());
    }
    Ok(())
}
