//! What both update rules share: how cost and variable reach the hidden state.

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use dro_core::{
    Memory,
    cells::{Conv, SepConvGru},
};

use super::CONTEXT;

/// Joins cost and variable into what the GRU reads.
///
/// cost → 1x1, ReLU, 3x3, ReLU; variable → 7x7, ReLU, 3x3 → 64, ReLU; both → 3x3, ReLU; then the variable itself.
#[derive(Debug, Clone)]
pub(super) struct InputEncoder {
    pub(super) cost1: Conv,
    pub(super) cost2: Conv,
    pub(super) variable1: Conv,
    pub(super) variable2: Conv,
    pub(super) join: Conv,
}

impl InputEncoder {
    /// `cost` and `variable` are numbers of channels; `letter` names the variable's layers: `convd1` for depth, `convp1` for
    /// pose.
    fn new(hidden: usize, cost: usize, variable: usize, letter: char, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            cost1: Conv::same(cost, hidden, (1, 1), vb.pp("convc1"))?,
            cost2: Conv::same(hidden, hidden, (3, 3), vb.pp("convc2"))?,
            variable1: Conv::same(variable, hidden, (7, 7), vb.pp(format!("conv{letter}1")))?,
            variable2: Conv::same(hidden, 64, (3, 3), vb.pp(format!("conv{letter}2")))?,
            join: Conv::same(64 + hidden, hidden - variable, (3, 3), vb.pp(format!("conv{letter}")))?,
        })
    }

    fn shared(&self) -> Self {
        Self {
            cost1: self.cost1.shared(),
            cost2: self.cost2.shared(),
            variable1: self.variable1.shared(),
            variable2: self.variable2.shared(),
            join: self.join.shared(),
        }
    }

    /// `variable` `[n, v, h, w]`, `cost` `[n, c, h, w]` → `[n, hidden, h, w]`.
    fn forward(&self, variable: &Tensor, cost: &Tensor) -> Result<Tensor> {
        let cost = self.cost2.forward(&self.cost1.forward(cost)?.relu()?)?.relu()?;
        let encoded = self.variable2.forward(&self.variable1.forward(variable)?.relu()?)?.relu()?;
        let joined = self.join.forward(&Tensor::cat(&[cost, encoded], 1)?)?.relu()?;
        Tensor::cat(&[&joined, variable], 1)
    }
}

/// What both rules share: memory `[hidden | context]`, the input encoder and the GRU.
#[derive(Debug, Clone)]
pub(super) struct Recurrence {
    pub(super) hidden: usize,
    pub(super) encoder: InputEncoder,
    pub(super) gru: SepConvGru,
}

impl Recurrence {
    pub(super) fn new(
        hidden: usize,
        cost: usize,
        variable: usize,
        letter: char,
        gru: &str,
        vb: &VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            hidden,
            encoder: InputEncoder::new(hidden, cost, variable, letter, vb.pp("encoder"))?,
            gru: SepConvGru::new(hidden, hidden + CONTEXT, vb.pp(gru))?,
        })
    }

    /// The same with gradients, see [`Conv::shared`].
    pub(super) fn shared(&self) -> Self {
        Self { hidden: self.hidden, encoder: self.encoder.shared(), gru: self.gru.shared() }
    }

    /// The context encoder's output splits into the initial hidden state (tanh) and the context (ReLU).
    pub(super) fn init(&self, context: &Tensor) -> Result<Memory> {
        Ok(Memory {
            hidden: context.narrow(1, 0, self.hidden)?.tanh()?,
            context: Some(context.narrow(1, self.hidden, CONTEXT)?.relu()?),
        })
    }

    pub(super) fn step(&self, memory: &Memory, variable: &Tensor, cost: &Tensor) -> Result<Memory> {
        let input = self.encoder.forward(variable, cost)?;
        let input = match &memory.context {
            Some(context) => Tensor::cat(&[context, &input], 1)?,
            None => input,
        };
        Ok(memory.next(self.gru.step(&memory.hidden, &input)?))
    }
}
