//! What proposes the next point: ask for a candidate, tell its cost.

use candle_core::{Device, Tensor};

use crate::{BlockId, Cost, Error, Memory, Point, Result, Space, saved};

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
    /// The part of its increment that a learned rule takes, from the [schedule](crate::Schedule::gain).
    pub gain: f64,
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

    /// Everything that changes during a run: what [`load`](Self::load) needs to go on from here as if nothing had
    /// happened. Parameters that do not change (a rule's θ, the space) are not in it.
    ///
    /// # Errors
    /// If this optimizer cannot be saved, which is so unless its implementation says otherwise.
    fn save(&self) -> Result<Vec<u8>> {
        Err(Error::argument("optimizer", "one that can be saved", std::any::type_name::<Self>()))
    }

    /// Takes the state of an optimizer that was made in the same way as this one.
    ///
    /// # Errors
    /// As [`save`](Self::save), and if the state is another optimizer's.
    fn load(&mut self, _state: &[u8]) -> Result<()> {
        Err(Error::argument("optimizer", "one that can be saved", std::any::type_name::<Self>()))
    }
}

/// Per batch element the candidate where `accept` is 1, else the value.
pub(crate) fn accepted(accept: Vec<u8>, candidate: &Tensor, value: &Tensor) -> Result<Tensor> {
    let mut shape = vec![accept.len()];
    shape.resize(candidate.rank(), 1);
    let accept = Tensor::from_vec(accept, shape, &Device::Cpu)?.to_device(candidate.device())?;
    Ok(accept.broadcast_as(candidate.dims())?.where_cond(candidate, value)?)
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

    fn save(&self) -> Result<Vec<u8>> {
        (**self).save()
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        (**self).load(state)
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
        self.parts[id.0]
            .as_mut()
            .ok_or_else(|| Error::argument("optimizer", format!("a rule bound to block {name:?}"), "none"))
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
        let increment = if turn.gain == 1.0 { increment } else { (increment * turn.gain)? };
        self.space.block(turn.block)?.domain.step(candidate, &increment)
    }

    fn memory(&self, block: BlockId) -> Option<&Memory> {
        self.parts.get(block.0)?.as_ref().map(|(_, memory)| memory)
    }

    /// The memories, as a safetensors file.
    fn save(&self) -> Result<Vec<u8>> {
        let mut tensors = Vec::new();
        for (i, (_, memory)) in self.parts.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?))) {
            tensors.push((format!("{i}.hidden"), memory.hidden.clone()));
            if let Some(context) = &memory.context {
                tensors.push((format!("{i}.context"), context.clone()));
            }
        }
        saved::write(tensors)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let mut tensors = saved::Reader::new(state)?;
        let mut memories = Vec::with_capacity(self.parts.len());
        for (i, part) in self.parts.iter().enumerate() {
            memories.push(match part {
                None => None,
                Some((_, now)) => Some(Memory {
                    hidden: tensors.take(&format!("{i}.hidden"), now.hidden.device())?,
                    context: match &now.context {
                        None => None,
                        Some(context) => Some(tensors.take(&format!("{i}.context"), context.device())?),
                    },
                }),
            });
        }
        tensors.finish()?;
        for (part, memory) in self.parts.iter_mut().zip(memories) {
            if let (Some((_, now)), Some(memory)) = (part, memory) {
                *now = memory;
            }
        }
        Ok(())
    }
}
