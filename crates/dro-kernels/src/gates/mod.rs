//! The elementwise parts of a gated recurrent unit as operations of candle, differentiable.

mod op;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor, bail};

use crate::launch::kernels_run;

/// `σ(reset) ∘ hidden`: what the candidate's convolution of a GRU reads, with `reset` the sums a_r of its reset gate.
///
/// Any shape; both have one shape and type. On CUDA one kernel for f32, forwards and backwards; elsewhere
/// [`reset_gate_reference`]. See [`gru_reset`](crate::gru_reset) for inference on slices.
///
/// # Errors
/// When the shapes or types differ.
pub fn reset_gate(reset: &Tensor, hidden: &Tensor) -> Result<Tensor> {
    check("reset_gate", hidden, &[("reset", reset)])?;
    if kernels_run(&[reset, hidden]) {
        reset.contiguous()?.apply_op2(&hidden.contiguous()?, op::Reset)
    } else {
        reset_gate_reference(reset, hidden)
    }
}

/// [`reset_gate`] by candle's own operations: any device and type.
pub fn reset_gate_reference(reset: &Tensor, hidden: &Tensor) -> Result<Tensor> {
    sigmoid(reset)? * hidden
}

/// `hidden + σ(update) ∘ (tanh(candidate) − hidden)`: the next hidden state of a GRU, with `update` and `candidate` the
/// sums a_z and a_q of its update gate and its candidate (Cho et al. 2014, arXiv 1406.1078).
///
/// Any shape; all three have one shape and type. On CUDA one kernel for f32, forwards and backwards; elsewhere
/// [`blend_gate_reference`]. See [`gru_blend`](crate::gru_blend) for inference on slices.
///
/// # Errors
/// When the shapes or types differ.
pub fn blend_gate(update: &Tensor, candidate: &Tensor, hidden: &Tensor) -> Result<Tensor> {
    check("blend_gate", hidden, &[("update", update), ("candidate", candidate)])?;
    if kernels_run(&[update, candidate, hidden]) {
        update.contiguous()?.apply_op3(&candidate.contiguous()?, &hidden.contiguous()?, op::Blend)
    } else {
        blend_gate_reference(update, candidate, hidden)
    }
}

/// [`blend_gate`] by candle's own operations: any device and type.
pub fn blend_gate_reference(update: &Tensor, candidate: &Tensor, hidden: &Tensor) -> Result<Tensor> {
    hidden + (sigmoid(update)? * (candidate.tanh()? - hidden)?)?
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

fn check(name: &str, hidden: &Tensor, others: &[(&str, &Tensor)]) -> Result<()> {
    for (argument, tensor) in others {
        if tensor.dims() != hidden.dims() || tensor.dtype() != hidden.dtype() {
            bail!(
                "{name}: {argument}: expected the hidden state's shape {:?} and type {:?}, found {:?} and {:?}",
                hidden.dims(),
                hidden.dtype(),
                tensor.dims(),
                tensor.dtype()
            )
        }
    }
    Ok(())
}
