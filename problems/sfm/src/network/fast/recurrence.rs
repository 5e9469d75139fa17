//! What both rules share: the cost's way into the GRU.

use candle_core::{Device, Result, Tensor};
use dro_core::{
    Memory,
    cells::{Activation, CpuValues, GruWork, MapView, PreparedConv, PreparedSepConvGru, Scratch},
};

use super::{
    super::{CONTEXT, recurrence::Recurrence},
    work::{Buffer, apply},
};

/// The prepared [`Recurrence`] but for the part that encodes the variable.
///
/// Its memory has another form than the plain one's: the context is what it adds to the gates,
/// `[n, 6 · hidden, height, width]`.
#[derive(Debug)]
pub(super) struct FastRecurrence {
    hidden: usize,
    cost1: PreparedConv,
    cost2: PreparedConv,
    gru: PreparedSepConvGru,
}

/// Sizes of a call, once checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dims {
    pub(super) size: (usize, usize),
    /// Numbers in one channel.
    pub(super) plane: usize,
    /// Numbers in the hidden state of one map.
    pub(super) state: usize,
    /// Numbers in one cost map.
    pub(super) cost: usize,
}

impl FastRecurrence {
    pub(super) fn new(plain: &Recurrence) -> Result<Self> {
        Ok(Self {
            hidden: plain.hidden,
            cost1: plain.encoder.cost1.prepare(Activation::Relu)?,
            cost2: plain.encoder.cost2.prepare(Activation::Relu)?,
            gru: plain.gru.prepare(CONTEXT)?,
        })
    }

    /// `[n, hidden + 32, h, w]` → the memory.
    pub(super) fn init(&self, context: &Tensor) -> Result<Memory> {
        let hidden = context.narrow(1, 0, self.hidden)?.tanh()?;
        let constant = self.gru.constant(&context.narrow(1, self.hidden, CONTEXT)?.relu()?)?;
        Ok(Memory { hidden, context: Some(constant) })
    }

    /// The sizes of a step and what the context adds to its gates, or how memory, cost and variable do not fit.
    pub(super) fn check<'a>(
        &self,
        memory: &'a Memory,
        cost: &Tensor,
        variable: (&Tensor, &'static str, usize),
    ) -> dro_core::Result<(Dims, &'a Tensor)> {
        let (n, _, height, width) = cost.dims4()?;
        let plane = height * width;
        let fits = |name: &str, tensor: &Tensor, channels| match tensor.dims() == [n, channels, height, width]
        {
            true => Ok(()),
            false => Err(dro_core::Error::Shape {
                name: name.into(),
                expected: vec![n, channels, height, width],
                found: tensor.dims().to_vec(),
            }),
        };
        let Some(constant) = &memory.context else {
            return Err(dro_core::Error::argument("context", "that of a prepared rule's memory", "none"));
        };
        fits("cost map", cost, self.cost1.inputs())?;
        fits("hidden state", &memory.hidden, self.hidden)?;
        fits("context of a prepared rule", constant, 6 * self.hidden)?;
        let (variable, name, numbers) = variable;
        if n * plane == 0 || variable.elem_count() != n * numbers {
            let found = format!("{:?} with a cost map {:?}", variable.dims(), cost.dims());
            return Err(dro_core::Error::argument(name, format!("{numbers} numbers per cost map"), found));
        }
        Ok((
            Dims { size: (height, width), plane, state: self.hidden * plane, cost: cost.elem_count() / n },
            constant,
        ))
    }

    /// The cost of one map, `[c, height, width]`, encoded into `out`, `[hidden, height, width]`.
    pub(super) fn encode_cost(
        &self,
        cost: &[f32],
        size: (usize, usize),
        inner: &mut Buffer,
        out: &mut Buffer,
        scratch: &mut Scratch,
    ) -> Result<()> {
        apply(&self.cost1, &[cost], size, None, inner, scratch)?;
        apply(&self.cost2, &[inner.values()], size, None, out, scratch)?;
        Ok(())
    }

    /// Replaces the hidden state of one map; `input` is what the GRU reads beside the context, `[hidden, height, width]`.
    pub(super) fn step(
        &self,
        state: &mut [f32],
        input: &[f32],
        constant: &[f32],
        size: (usize, usize),
        work: &mut GruWork,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let input = MapView::new(input, [1, self.hidden, size.0, size.1])?;
        self.gru.step(state, input, constant, work, scratch)
    }
}

/// A copy of the hidden state that the next one may overwrite: observers may keep the old one.
pub(super) fn copied(memory: &Memory) -> Result<Vec<f32>> {
    Ok(CpuValues::of(&memory.hidden.contiguous()?)?.as_slice().to_vec())
}

/// The memory after an update.
pub(super) fn next(memory: &Memory, hidden: Vec<f32>) -> Result<Memory> {
    Ok(memory.next(Tensor::from_vec(hidden, memory.hidden.shape(), &Device::Cpu)?))
}
