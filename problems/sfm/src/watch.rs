//! From the driver's steps to the [`Update`]s that a [`Watch`] sees.

use std::ops::ControlFlow;

use candle_core::DType;
use dro_core::{BlockId, Cost, CostFunction, Observer, Point, Step, Turn};
use nalgebra::Isometry3;

use crate::{
    Error, Map, Result, Update, Watch,
    cost::{INVERSE_DEPTH, POSES},
};

/// Sees nothing, and asks whether to go on.
pub(crate) struct Unshown<F>(pub(crate) F);

impl<F: Fn() -> bool> Watch for Unshown<F> {
    fn wants_updates(&self) -> bool {
        false
    }

    fn update(&mut self, _update: &Update) -> Result<()> {
        Ok(())
    }

    fn interrupted(&self) -> bool {
        (self.0)()
    }
}

/// An observer that decodes points by `decode` (inverse depth in 1/m, poses) and shows them to a [`Watch`].
///
/// One may serve several calls of [`dro_core::minimize`]: steps and stages count on.
pub(crate) struct WatchObserver<'w, D> {
    watch: &'w mut dyn Watch,
    decode: D,
    interrupted: bool,
    /// Steps and stages shown before the present call.
    first: (usize, usize),
}

impl<'w, D: FnMut(&Point) -> Result<(Map, Vec<Isometry3<f64>>)>> WatchObserver<'w, D> {
    pub(crate) fn new(watch: &'w mut dyn Watch, decode: D) -> Self {
        Self { watch, decode, interrupted: false, first: (0, 0) }
    }

    /// [`Error::Interrupted`] if the watch ended the run.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.interrupted { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// To the next stage, after `steps` shown; an error if the watch ended the run.
    pub(crate) fn next_stage(&mut self, steps: usize) -> Result<()> {
        self.first = (self.first.0 + steps, self.first.1 + 1);
        self.finish()
    }

    /// Shows a point that no run came by.
    pub(crate) fn show_point(&mut self, cost: &dyn CostFunction, at: &Point, block: BlockId) -> Result<()> {
        if self.watch.wants_updates() {
            let value = cost.evaluate(at, block).map_err(unwrapped)?;
            self.show(0, 0, block, &value, at)?;
        }
        self.first.0 += 1;
        Ok(())
    }

    fn show(&mut self, step: usize, stage: usize, block: BlockId, cost: &Cost, point: &Point) -> Result<()> {
        let (inv_depth, poses) = (self.decode)(point)?;
        let cost_map = match &cost.map {
            Some(map) => Map::from_tensor(&map.mean((0, 1))?)?,
            None => Map::new(0, 0, Vec::new())?,
        };
        let cost = first(&cost.total)?;
        let block = if block == INVERSE_DEPTH { "inverse_depth" } else { "poses" }.to_owned();
        let (step, stage) = (self.first.0 + step, self.first.1 + stage);
        self.watch.update(&Update { step, stage, block, cost, cost_map, inv_depth, poses })
    }
}

impl<D: FnMut(&Point) -> Result<(Map, Vec<Isometry3<f64>>)>> Observer for WatchObserver<'_, D> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        if self.watch.wants_updates() {
            let Turn { step: number, stage, block, .. } = step.turn;
            self.show(number, stage, block, step.cost, step.point).map_err(dro_core::Error::outside)?;
        }
        if self.watch.interrupted() {
            self.interrupted = true;
            return Ok(ControlFlow::Break("interrupted".into()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The total cost of the first batch element.
pub(crate) fn total_cost(cost: &dyn CostFunction, at: &Point) -> Result<f64> {
    // The total is the same for every block, and no cost averages or smooths its map for poses.
    first(&cost.evaluate(at, POSES).map_err(unwrapped)?.total)
}

fn first(total: &candle_core::Tensor) -> Result<f64> {
    Ok(f64::from(total.narrow(0, 0, 1)?.squeeze(0)?.to_dtype(DType::F32)?.to_scalar::<f32>()?))
}

/// Our own errors come back from the driver wrapped; a user should see them as they were.
pub(crate) fn unwrapped(error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Core(dro_core::Error::Outside(inner)) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => Error::Core(dro_core::Error::Outside(inner)),
        },
        other => other,
    }
}
