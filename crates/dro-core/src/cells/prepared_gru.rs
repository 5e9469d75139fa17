//! The separable ConvGRU for inference: the same numbers with less work.

use std::iter::once;

use candle_core::{Result, Tensor, bail};
use dro_kernels::{Activation, MapView, PreparedConv, Scratch, gru_blend, gru_reset};
use rayon::prelude::*;

use super::{Conv, conv_gru::Gates};

/// [`SepConvGru`](super::SepConvGru) with its weights as they were when it was prepared.
///
/// It reads `x = [context, input]` of which the context does not change over a run. Against the plain cell
/// * the context's part of all six gates is convolved once ([`constant`](Self::constant)) and added,
/// * z and r, which read the same, are one convolution,
/// * nothing is concatenated, and the hidden state is replaced in place.
#[derive(Debug, Clone)]
pub struct PreparedSepConvGru {
    hidden: usize,
    passes: [Pass; 2],
}

/// Buffers of [`PreparedSepConvGru::step`], reused from call to call.
#[derive(Debug, Default)]
pub struct GruWork {
    gates: Vec<f32>,
    reset: Vec<f32>,
    candidate: Vec<f32>,
}

/// One direction: 1x5 or 5x1.
#[derive(Debug, Clone)]
struct Pass {
    /// What the context adds to z, r, q, with their biases.
    context: PreparedConv,
    /// z and r from `[h, input]`.
    gates: PreparedConv,
    /// q from `[r∘h, input]`.
    candidate: PreparedConv,
}

impl Pass {
    fn new(gates: &Gates, context: usize) -> Result<Self> {
        let (hidden, inputs, _, _) = gates.z.weight().dims4()?;
        if context == 0 || hidden + context >= inputs {
            bail!(
                "SepConvGru::prepare: expected a context of 1 to {} channels, found {context}",
                inputs.saturating_sub(hidden + 1)
            )
        }
        let constant = |gate: &Conv| gate.part(once(hidden..hidden + context));
        let varying = |gate: &Conv| gate.part([0..hidden, hidden + context..inputs]);
        let all = [&gates.z, &gates.r, &gates.q];
        let with_bias = all.map(|gate| Ok(constant(gate)?.with_bias(gate.bias())));
        let with_bias = with_bias.into_iter().collect::<Result<Vec<Conv>>>()?;
        let (z, r, q) = (varying(&gates.z)?, varying(&gates.r)?, varying(&gates.q)?);
        Ok(Self {
            context: Conv::stacked(&with_bias.iter().collect::<Vec<_>>())?.prepare(Activation::None)?,
            gates: Conv::stacked(&[&z, &r])?.prepare(Activation::None)?,
            candidate: q.prepare(Activation::None)?,
        })
    }
}

impl PreparedSepConvGru {
    pub(super) fn new(passes: [&Gates; 2], context: usize) -> Result<Self> {
        let hidden = passes[0].z.weight().dim(0)?;
        Ok(Self { hidden, passes: [Pass::new(passes[0], context)?, Pass::new(passes[1], context)?] })
    }

    /// What the `context` `[n, context, height, width]` adds to the gates: `[n, 6 · hidden, height, width]`, in the order
    /// z, r, q of the first pass, then of the second.
    ///
    /// # Errors
    /// When the shape does not fit.
    pub fn constant(&self, context: &Tensor) -> Result<Tensor> {
        let [first, second] = &self.passes;
        Tensor::cat(&[first.context.forward(&[context], None)?, second.context.forward(&[context], None)?], 1)
    }

    /// Replaces the state of one map.
    ///
    /// * `state`: `[hidden, height, width]`, read and overwritten
    /// * `input`: `[1, input, height, width]`
    /// * `constant`: `[6 · hidden, height, width]`, see [`constant`](Self::constant)
    ///
    /// # Errors
    /// When a size does not fit.
    pub fn step(
        &self,
        state: &mut [f32],
        input: MapView<'_>,
        constant: &[f32],
        work: &mut GruWork,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let [_, _, height, width] = input.shape();
        let size = self.hidden * height * width;
        if size == 0 || state.len() != size || constant.len() != 6 * size {
            bail!(
                "SepConvGru: expected a state of {size} numbers and a constant of {}, found {} and {}",
                6 * size,
                state.len(),
                constant.len()
            )
        }
        let shape = [1, self.hidden, height, width];
        work.gates.resize(2 * size, 0.0);
        work.reset.resize(size, 0.0);
        work.candidate.resize(size, 0.0);
        for (pass, constant) in self.passes.iter().zip(constant.chunks_exact(3 * size)) {
            let (constant_zr, constant_q) = constant.split_at(2 * size);
            let read = [MapView::new(state, shape)?, input];
            pass.gates.run(&read, Some(constant_zr), &mut work.gates, scratch)?;
            let (z, r) = work.gates.split_at(size);
            reset(r, state, &mut work.reset)?;
            let read = [MapView::new(&work.reset, shape)?, input];
            pass.candidate.run(&read, Some(constant_q), &mut work.candidate, scratch)?;
            blend(z, &work.candidate, state)?;
        }
        Ok(())
    }
}

/// Numbers of one task: small enough to stay in the first cache, large enough not to notice the scheduling.
const CHUNK: usize = 4096;

fn reset(r: &[f32], h: &[f32], out: &mut [f32]) -> Result<()> {
    let parts = out.par_chunks_mut(CHUNK).zip(r.par_chunks(CHUNK)).zip(h.par_chunks(CHUNK));
    parts.try_for_each(|((out, r), h)| gru_reset(r, h, out))
}

fn blend(z: &[f32], q: &[f32], h: &mut [f32]) -> Result<()> {
    let parts = h.par_chunks_mut(CHUNK).zip(z.par_chunks(CHUNK)).zip(q.par_chunks(CHUNK));
    parts.try_for_each(|((h, z), q)| gru_blend(z, q, h))
}
