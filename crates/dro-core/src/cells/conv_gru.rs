//! Convolutional gated recurrent units for maps.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{Conv, PreparedSepConvGru, gru::gated_update};

/// The GRU of maps, with 3x3 convolutions (Ballas et al. 2016, arXiv 1511.06432).
///
/// The equations are those of [`Gru`](super::Gru). Parameters: `convz`, `convr`, `convq`.
#[derive(Debug, Clone)]
pub struct ConvGru {
    gates: Gates,
}

impl ConvGru {
    /// A cell with `hidden` channels that reads `input` channels.
    pub fn new(hidden: usize, input: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { gates: Gates::new(hidden, input, (3, 3), "", &vb)? })
    }

    /// `h` `[batch, hidden, height, width]`, `x` `[batch, input, height, width]` → the next `h`.
    pub fn step(&self, h: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.gates.step(h, x)
    }
}

/// The separable GRU of maps: one pass with 1x5 convolutions, then one with 5x1 (RAFT, Teed & Deng 2020,
/// arXiv 2003.12039, `SepConvGRU`), which sees as far as a 5x5 at 2/5 of its cost.
///
/// Parameters: `convz1`, `convr1`, `convq1` (1x5) and `convz2`, `convr2`, `convq2` (5x1).
#[derive(Debug, Clone)]
pub struct SepConvGru {
    horizontal: Gates,
    vertical: Gates,
}

impl SepConvGru {
    /// A cell with `hidden` channels that reads `input` channels.
    pub fn new(hidden: usize, input: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            horizontal: Gates::new(hidden, input, (1, 5), "1", &vb)?,
            vertical: Gates::new(hidden, input, (5, 1), "2", &vb)?,
        })
    }

    /// `h` `[batch, hidden, height, width]`, `x` `[batch, input, height, width]` → the next `h`.
    pub fn step(&self, h: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.vertical.step(&self.horizontal.step(h, x)?, x)
    }

    /// The same cell with gradients, see [`Conv::shared`].
    pub fn shared(&self) -> Self {
        Self { horizontal: self.horizontal.shared(), vertical: self.vertical.shared() }
    }

    /// Prepares the weights as they are now for inference; the first `context` channels of `x` do not change over a run
    /// and are convolved once.
    ///
    /// # Errors
    /// When `context` is 0 or more than the channels of `x`, or the weights are not float32 on the CPU.
    pub fn prepare(&self, context: usize) -> Result<PreparedSepConvGru> {
        PreparedSepConvGru::new([&self.horizontal, &self.vertical], context)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Gates {
    pub(super) z: Conv,
    pub(super) r: Conv,
    pub(super) q: Conv,
}

impl Gates {
    fn new(
        hidden: usize,
        input: usize,
        kernel: (usize, usize),
        suffix: &str,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let gate = |name: &str| Conv::same(hidden + input, hidden, kernel, vb.pp(format!("{name}{suffix}")));
        Ok(Self { z: gate("convz")?, r: gate("convr")?, q: gate("convq")? })
    }

    fn shared(&self) -> Self {
        Self { z: self.z.shared(), r: self.r.shared(), q: self.q.shared() }
    }

    fn step(&self, h: &Tensor, x: &Tensor) -> Result<Tensor> {
        gated_update(h, x, &self.z, &self.r, &self.q)
    }
}
