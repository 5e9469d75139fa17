//! Watching a run: called at every update with the variables, the cost and the increment.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use crate::{BlockId, Cost, Memory, Point, Result, Turn};

/// One finished update.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Whose turn it was, and the point before.
    pub turn: Turn<'a>,
    /// The value of the moving block that was evaluated.
    pub candidate: &'a Tensor,
    /// What the cost function said of it.
    pub cost: &'a Cost,
    /// The moving block's new value.
    pub next: &'a Tensor,
    /// All blocks after the update, at their newest values.
    pub point: &'a Point,
    /// The moving block's recurrent memory after the update, if the optimizer has one.
    pub memory: Option<&'a Memory>,
}

impl Step<'_> {
    /// What the block's value changed by, `next − current`, in its stored coordinates.
    pub fn increment(&self) -> Result<Tensor> {
        Ok((self.next - self.turn.value())?)
    }
}

/// Called after every update; may end the run.
pub trait Observer {
    /// `Break(reason)` ends the run with [`Termination::Observer`](crate::Termination::Observer).
    fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>>;
}

/// The curve of a run: pass it to [`minimize`](crate::minimize) as an observer.
///
/// Recording reads the totals at every step, which synchronises with the device; do not record in a timed loop.
#[derive(Debug, Clone, Default)]
pub struct Trajectory {
    /// One entry per update, in order.
    pub records: Vec<Record>,
    keep_points: bool,
}

/// One update in a [`Trajectory`].
#[derive(Debug, Clone)]
pub struct Record {
    /// Steps before this one.
    pub step: usize,
    /// The stage.
    pub stage: usize,
    /// The block that moved.
    pub block: BlockId,
    /// The update within the stage.
    pub inner: usize,
    /// The candidate's total cost per batch element.
    pub total: Vec<f32>,
    /// Euclidean norm of the increment, over the whole batch.
    pub increment_norm: f32,
    /// All blocks after the update, detached, if they are kept.
    pub point: Option<Point>,
}

impl Trajectory {
    /// Costs and increment norms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every point as well.
    pub fn with_points() -> Self {
        Self { keep_points: true, ..Self::default() }
    }
}

impl Observer for Trajectory {
    fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>> {
        self.records.push(Record {
            step: step.turn.step,
            stage: step.turn.stage,
            block: step.turn.block,
            inner: step.turn.inner,
            total: step.cost.total.to_dtype(DType::F32)?.to_vec1()?,
            increment_norm: step.increment()?.sqr()?.sum_all()?.sqrt()?.to_dtype(DType::F32)?.to_scalar()?,
            point: self.keep_points.then(|| step.point.detach()),
        });
        Ok(ControlFlow::Continue(()))
    }
}
