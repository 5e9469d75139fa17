//! From the driver's steps to the [`Update`]s that a [`Watch`] sees.

use std::ops::ControlFlow;

use candle_core::DType;
use dro_core::{CostFunction, Observer, Point, Step};
use nalgebra::Isometry3;

use crate::{Error, Map, Result, Update, Watch, cost::INVERSE_DEPTH};

/// An observer that decodes points by `decode` (inverse depth in 1/m, poses) and shows them to a [`Watch`].
pub(crate) struct WatchObserver<'w, D> {
    watch: &'w mut dyn Watch,
    decode: D,
    interrupted: bool,
}

impl<'w, D: FnMut(&Point) -> Result<(Map, Vec<Isometry3<f64>>)>> WatchObserver<'w, D> {
    pub(crate) fn new(watch: &'w mut dyn Watch, decode: D) -> Self {
        Self { watch, decode, interrupted: false }
    }

    /// [`Error::Interrupted`] if the watch ended the run.
    pub(crate) fn finish(self) -> Result<()> {
        if self.interrupted { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn show(&mut self, step: &Step<'_>) -> Result<()> {
        let (inv_depth, poses) = (self.decode)(step.point)?;
        let cost = first(&step.cost.total)?;
        let cost_map = match &step.cost.map {
            Some(map) => Map::from_tensor(&map.mean((0, 1))?)?,
            None => Map::new(0, 0, Vec::new())?,
        };
        let block = if step.turn.block == INVERSE_DEPTH { "inverse_depth" } else { "poses" }.to_owned();
        let (step, stage) = (step.turn.step, step.turn.stage);
        self.watch.update(&Update { step, stage, block, cost, cost_map, inv_depth, poses })
    }
}

impl<D: FnMut(&Point) -> Result<(Map, Vec<Isometry3<f64>>)>> Observer for WatchObserver<'_, D> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        if self.watch.wants_updates() {
            self.show(step).map_err(dro_core::Error::outside)?;
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
    first(&cost.evaluate(at, INVERSE_DEPTH).map_err(unwrapped)?.total)
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
