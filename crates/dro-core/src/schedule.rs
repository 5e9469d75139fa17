//! The order in which blocks move: m stages of n updates per block.

use serde::{Deserialize, Serialize};

use crate::{BlockId, Error, Result};

/// Which values of the *other* blocks a block's cost is measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coupling {
    /// The newest: true alternation, as the DRO paper describes (arXiv 2103.13201, section 3.3).
    GaussSeidel,
    /// Those of the stage's start, as the published DRO code computes.
    Jacobi,
}

/// Where the graph of the variables is cut for back-propagation. Memories are never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detach {
    /// At the start of every stage, as published for DRO.
    StageStart,
    /// Nowhere.
    Never,
}

/// A block's turn within a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// The block that moves.
    pub block: BlockId,
    /// How many updates it gets, `n`.
    pub inner: usize,
}

/// m stages; in each, the blocks move in order, each by its number of inner updates.
///
/// DRO is 3 stages of 4 depth updates and 4 pose updates. Any number may be asked at run time, whatever the training
/// length was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How many stages, `m`. Zero leaves the start as it is.
    pub stages: usize,
    /// Which blocks move in a stage, in this order.
    pub sweeps: Vec<Sweep>,
    /// What a block sees of the others.
    pub coupling: Coupling,
    /// Where gradients stop.
    pub detach: Detach,
    /// The number of updates of a block that its rule was trained for, if a longer run is to [settle](Self::gain) after it.
    pub trained: Option<usize>,
}

impl Schedule {
    /// `stages` rounds over `blocks`, `inner` updates each; Gauss–Seidel, detached at the start of each stage.
    pub fn alternating(stages: usize, inner: usize, blocks: impl IntoIterator<Item = BlockId>) -> Self {
        Self {
            stages,
            sweeps: blocks.into_iter().map(|block| Sweep { block, inner }).collect(),
            coupling: Coupling::GaussSeidel,
            detach: Detach::StageStart,
            trained: None,
        }
    }

    /// `steps` updates of one block.
    pub fn single(block: BlockId, steps: usize) -> Self {
        Self::alternating(1, steps, [block])
    }

    /// The same order with another coupling.
    pub fn with_coupling(mut self, coupling: Coupling) -> Self {
        self.coupling = coupling;
        self
    }

    /// The same order for rules that were trained for so many updates, see [`gain`](Self::gain).
    pub fn with_trained(mut self, updates: Option<usize>) -> Self {
        self.trained = updates;
        self
    }

    /// The part of an increment that a block takes after `update` updates of it: 1, but (`trained` / (`update` + 1))² in a run that goes on
    /// longer than its rules were trained for. What a rule says there is not what it learned, and whatever bias it has would add up with every
    /// update. The sum of these parts, however long the run, is less than `trained`.
    pub fn gain(&self, update: usize) -> f64 {
        let part = |trained| trained as f64 / (update as f64 + 1.0);
        self.trained.map_or(1.0, |trained| part(trained).min(1.0).powi(2))
    }

    /// Updates in all.
    pub fn steps(&self) -> usize {
        self.stages.saturating_mul(self.steps_per_stage())
    }

    /// Updates in one stage.
    pub fn steps_per_stage(&self) -> usize {
        self.sweeps.iter().fold(0, |sum, sweep| sum.saturating_add(sweep.inner))
    }

    pub(crate) fn check(&self, blocks: usize) -> Result<()> {
        match self.sweeps.iter().find(|s| s.block.0 >= blocks) {
            Some(s) => {
                Err(Error::argument("schedule", format!("blocks below #{blocks}"), format!("#{}", s.block.0)))
            }
            None => Ok(()),
        }
    }
}
