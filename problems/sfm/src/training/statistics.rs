//! Batch-norm statistics of weights.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};

use super::Batch;
use crate::{Result, network::DroNet};

/// What a pass in training mode moves the running statistics by.
const MOMENTUM: f64 = 0.1;

/// Means over batches of each batch norm's mean and variance.
///
/// With running statistics of zero, one pass in training mode leaves 0.1 times those of its batch.
pub(super) fn over_batches(
    net: &DroNet,
    running: &BTreeMap<String, Var>,
    batches: impl ExactSizeIterator<Item = Result<Batch>>,
) -> Result<BTreeMap<String, Tensor>> {
    let part = 1.0 / (MOMENTUM * batches.len().max(1) as f64);
    let mut sums: BTreeMap<String, Tensor> = BTreeMap::new();
    for batch in batches {
        let batch = batch?;
        for var in running.values() {
            var.set(&var.zeros_like()?)?;
        }
        net.encode(&batch.target, &batch.neighbours, &batch.intrinsics, true)?;
        for (name, var) in running {
            let added = (var.as_tensor().detach() * part)?;
            let sum = match sums.remove(name) {
                Some(sum) => (sum + added)?,
                None => added,
            };
            sums.insert(name.clone(), sum);
        }
    }
    Ok(sums)
}
