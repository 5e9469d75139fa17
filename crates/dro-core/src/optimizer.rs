//! What proposes the next point: ask for a candidate, tell its cost.

use candle_core::Tensor;

use crate::{BlockId, Cost, Memory, Point, Result, Space};

/// Whose turn it is: one step of the schedule.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Steps done before this one, over all blocks.
    pub step: usize,
    /// The stage, from 0.
    pub stage: usize,
    /// The block that may move.
    pub block: BlockId,
    /// The update of this block within the stage, from 0.
    pub inner: usize,
    /// Whether this is the block's last update of the stage.
    pub last_inner: bool,
    /// The point the costs of this turn are measured around: the current value of `block`, and the other blocks as
    /// the schedule's coupling has them.
    pub at: &'a Point,
}

impl Turn<'_> {
    /// The moving block's current value.
    pub fn value(&self) -> &Tensor {
        self.at.get(self.block)
    }
}

/// Anything that finds better points from costs alone: learned rules bound to a start, and classical solvers.
///
/// The driver calls `ask`, evaluates the candidate with the other blocks in place, and calls `tell`, which answers with
/// the block's new value. A solver that only ever accepts improvements answers with its incumbent.
pub trait Optimizer {
    /// The value of `turn.block` whose cost is wanted next.
    fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor>;

    /// Takes the cost of the candidate and gives the block's new value.
    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> Result<Tensor>;

    /// The recurrent memory of a block, for observers; `None` for solvers that have none.
    fn memory(&self, _block: BlockId) -> Option<&Memory> {
        None
    }
}

impl<T: Optimizer + ?Sized> Optimizer for &mut T {
    fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor> {
        (**self).ask(turn)
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> Result<Tensor> {
        (**self).tell(turn, candidate, cost)
    }

    fn memory(&self, block: BlockId) -> Option<&Memory> {
        (**self).memory(block)
    }
}

/// A learned rule per block, bound to a space and to the memories it starts from: an [`Optimizer`].
///
/// The parameters θ stay in the borrowed rules; only memories change.
pub struct Bound<'a> {
    space: Space,
    parts: Vec<Option<(&'a dyn crate::LearnedOptimizer, Memory)>>,
}

impl<'a> Bound<'a> {
    /// No rule bound yet.
    pub fn new(space: &Space) -> Self {
        Self { space: space.clone(), parts: space.blocks().iter().map(|_| None).collect() }
    }

    /// Binds `rule` to the block `name`; its memory starts from the block's start value and the context.
    pub fn with(
        mut self,
        name: &str,
        rule: &'a dyn crate::LearnedOptimizer,
        start: &Point,
        context: Option<&Tensor>,
    ) -> Result<Self> {
        let id = self.space.id(name)?;
        let memory = rule.init(start.get(id), context)?;
        self.parts[id.0] = Some((rule, memory));
        Ok(self)
    }

    fn part(&mut self, id: BlockId) -> Result<&mut (&'a dyn crate::LearnedOptimizer, Memory)> {
        let name = &self.space.block(id)?.name;
        self.parts[id.0].as_mut().ok_or_else(|| {
            crate::Error::argument("optimizer", format!("a rule bound to block {name:?}"), "none")
        })
    }
}

impl Optimizer for Bound<'_> {
    fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor> {
        Ok(turn.value().clone())
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> Result<Tensor> {
        let (rule, memory) = self.part(turn.block)?;
        let (next, increment) = rule.update(memory, candidate, cost)?;
        *memory = next;
        self.space.block(turn.block)?.domain.step(candidate, &increment)
    }

    fn memory(&self, block: BlockId) -> Option<&Memory> {
        self.parts.get(block.0)?.as_ref().map(|(_, memory)| memory)
    }
}
