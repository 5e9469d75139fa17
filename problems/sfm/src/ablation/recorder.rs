//! Answers along a run.

use std::ops::ControlFlow;

use dro_core::{CostFunction, Memory, Observer, Step};
use nalgebra::Isometry3;

use crate::{
    Map, Result,
    cost::{INVERSE_DEPTH, POSES},
    network::{DroNet, Encoded, isometries},
    pipeline::Reporter,
    watch::total_cost,
};

/// What a run would have answered, had it ended here.
pub(super) struct Record {
    /// Updates done, of depth and poses together.
    pub(super) step: usize,
    /// In 1/m, at the image's size.
    pub(super) inv_depth: Map,
    pub(super) poses: Vec<Isometry3<f64>>,
    /// Of these values, by the true cost whatever the rules see.
    pub(super) cost: f64,
}

/// Records the start and every `every`-th update; ends the run when the reporter is interrupted.
pub(super) struct Recorder<'a> {
    net: &'a DroNet,
    cost: &'a dyn CostFunction,
    every: usize,
    reporter: &'a dyn Reporter,
    /// Of the depth rule after its last update: the answer's upsampling follows from it.
    memory: Option<Memory>,
    start: Map,
    encoded: &'a Encoded,
    pub(super) records: Vec<Record>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        net: &'a DroNet,
        encoded: &'a Encoded,
        cost: &'a dyn CostFunction,
        every: usize,
        reporter: &'a dyn Reporter,
    ) -> Result<Self> {
        let start = Map::from_tensor(&encoded.answer(&net.full_size_start(encoded)?)?)?;
        let first = Record {
            step: 0,
            inv_depth: start.clone(),
            poses: isometries(encoded.start.get(POSES))?,
            cost: total_cost(cost, &encoded.start)?,
        };
        Ok(Self {
            net,
            cost,
            every: every.max(1),
            reporter,
            encoded,
            memory: None,
            start,
            records: vec![first],
        })
    }

    fn record(&mut self, step: &Step<'_>) -> Result<()> {
        let inv_depth = match &self.memory {
            Some(memory) => {
                let (x, mask) = (step.point.get(INVERSE_DEPTH), self.encoded.mask.as_ref());
                Map::from_tensor(&self.encoded.answer(&self.net.full_size(x, memory, mask)?)?)?
            }
            None => self.start.clone(),
        };
        self.records.push(Record {
            step: step.turn.step + 1,
            inv_depth,
            poses: isometries(step.point.get(POSES))?,
            cost: total_cost(self.cost, step.point)?,
        });
        Ok(())
    }
}

impl Observer for Recorder<'_> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        if step.turn.block == INVERSE_DEPTH {
            self.memory = step.memory.cloned();
        }
        if (step.turn.step + 1).is_multiple_of(self.every) {
            self.record(step).map_err(dro_core::Error::outside)?;
        }
        Ok(match self.reporter.interrupted() {
            true => ControlFlow::Break("interrupted".into()),
            false => ControlFlow::Continue(()),
        })
    }
}
