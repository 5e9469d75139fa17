//! The gated recurrent unit for vectors.

use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use dro_kernels::{blend_gate, reset_gate};

/// A GRU cell on `[batch, ·]` vectors, in the form of RAFT and DRO (Cho et al. 2014, arXiv 1406.1078, with the roles of
/// z and 1 − z as here):
///
/// `z = σ(Wz·[h, x])`, `r = σ(Wr·[h, x])`, `q = tanh(Wq·[r∘h, x])`, `h' = (1−z)∘h + z∘q`.
///
/// Parameters: `convz`, `convr`, `convq`, each a linear layer `[hidden, hidden + input]`.
#[derive(Debug, Clone)]
pub struct Gru {
    z: Linear,
    r: Linear,
    q: Linear,
}

impl Gru {
    /// A cell with `hidden` units that reads `input` numbers.
    pub fn new(hidden: usize, input: usize, vb: VarBuilder) -> Result<Self> {
        let gate = |name| linear(hidden + input, hidden, vb.pp(name));
        Ok(Self { z: gate("convz")?, r: gate("convr")?, q: gate("convq")? })
    }

    /// `h` `[batch, hidden]`, `x` `[batch, input]` → the next `h`.
    pub fn step(&self, h: &Tensor, x: &Tensor) -> Result<Tensor> {
        gated_update(h, x, &self.z, &self.r, &self.q)
    }
}

/// The GRU equations over any three layers; concatenation is along axis 1.
pub(super) fn gated_update(
    h: &Tensor,
    x: &Tensor,
    z: &impl Module,
    r: &impl Module,
    q: &impl Module,
) -> Result<Tensor> {
    let hx = Tensor::cat(&[h, x], 1)?;
    // On a card each launch counts; on a CPU candle's own operations are the faster ones.
    if h.device().is_cuda() {
        let (z, r) = (z.forward(&hx)?, r.forward(&hx)?);
        let q = q.forward(&Tensor::cat(&[&reset_gate(&r, h)?, x], 1)?)?;
        return blend_gate(&z, &q, h);
    }
    let z = candle_nn::ops::sigmoid(&z.forward(&hx)?)?;
    let r = candle_nn::ops::sigmoid(&r.forward(&hx)?)?;
    let q = q.forward(&Tensor::cat(&[&(r * h)?, x], 1)?)?.tanh()?;
    // (1 − z)∘h + z∘q
    h + (z * (q - h)?)?
}
