//! Predictions along the way, for losses on more than the last one.

use std::ops::ControlFlow;

use candle_core::Tensor;
use dro_core::{Observer, Step};

use super::{DroNet, Encoded};
use crate::{
    Result,
    cost::{INVERSE_DEPTH, POSES},
};

/// Which predictions are read. Each costs an upsampling mask, so nothing else is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last of every stage, as in the published training without `inter`.
    StageEnds,
    /// After every update (`inter` in published version strings).
    EveryUpdate,
}

/// Collects predictions at the image's size, with their gradients: pass it to [`DroNet::optimize`] as an observer.
#[derive(Debug)]
pub struct Predictions<'a> {
    net: &'a DroNet,
    keep: Keep,
    mask: Option<Tensor>,
    /// Inverse depth in 1/m, `[batch, 1, h, w]` each: the start, then those kept.
    pub inv_depth: Vec<Tensor>,
    /// Poses, `[batch, neighbours, 6]` each: the start, then those kept.
    pub poses: Vec<Tensor>,
}

impl<'a> Predictions<'a> {
    /// Begins with the start values.
    pub fn new(net: &'a DroNet, encoded: &Encoded, keep: Keep) -> Result<Self> {
        Ok(Self {
            net,
            keep,
            mask: encoded.mask.clone(),
            inv_depth: vec![net.full_size_start(encoded)?],
            poses: vec![encoded.start.get(POSES).clone()],
        })
    }
}

impl Observer for Predictions<'_> {
    fn on_step(&mut self, step: &Step<'_>) -> dro_core::Result<ControlFlow<String>> {
        if step.turn.last_inner || self.keep == Keep::EveryUpdate {
            match (step.turn.block, step.memory) {
                (INVERSE_DEPTH, Some(memory)) => {
                    let full_size = self.net.full_size(step.next, memory, self.mask.as_ref());
                    let full_size = full_size.map_err(dro_core::Error::outside)?;
                    self.inv_depth.push(full_size);
                    if self.net.config().fixed_poses {
                        self.poses.push(step.point.get(POSES).clone());
                    }
                }
                (POSES, _) => self.poses.push(step.next.clone()),
                _ => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
