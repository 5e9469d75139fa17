//! The gradient of one batch.

use std::collections::HashMap;

use dro_train::{Estimate, Estimator, Moment};

use super::{Batch, LossGradient, TrainedNet, outside, prefetch::Prefetch};
use crate::{Error, Result};

/// Back-propagation through the loss of one batch of the phase that the training is in.
///
/// A loss or a gradient that is not finite ends the training; the batch is written to `failed_batch.safetensors` in the
/// training's folder.
#[derive(Debug, Default)]
pub struct BatchGradient {
    /// The samples of the next step.
    next: Option<Prefetch>,
}

impl Estimator<TrainedNet> for BatchGradient {
    fn estimate(&mut self, net: &TrainedNet, at: &mut Moment<'_>) -> dro_train::Result<Estimate> {
        let phase = net.config().phase_at(at.step);
        let task = at.tasks.draw();
        let made = self.next.take().and_then(|next| next.finish(task, &phase));
        self.next = net.prefetch(at.tasks.peek(), net.config().phase_at(at.step + 1));
        let batch = match made {
            Some(samples) => samples.and_then(|samples| net.batch_of(samples, task)),
            None => net.batch(task, &phase),
        };
        let batch = batch.map_err(outside)?;
        let LossGradient { loss, parts, gradient } =
            net.gradient(at.theta, &batch, &phase).map_err(outside)?;
        if !(loss.is_finite() && gradient.iter().all(|g| g.is_finite())) {
            return Err(outside(failure(net, &batch, at.step, loss)));
        }
        let inner_steps = (2 * phase.stages * phase.inner) as u64;
        Ok(Estimate { loss, gradient, inner_steps, failed: batch.skipped, parts })
    }
}

/// Saves the batch; the error says where it is.
fn failure(net: &TrainedNet, batch: &Batch, step: u64, loss: f64) -> Error {
    let path = net.folder().join("failed_batch.safetensors");
    let save = || -> Result<()> {
        let tensors: HashMap<String, candle_core::Tensor> = batch.named().into_iter().collect();
        Ok(candle_core::safetensors::save(&tensors, &path)?)
    };
    let place = match save() {
        Ok(()) => format!("the batch is in {}", path.display()),
        Err(error) => format!("the batch could not be saved: {error}"),
    };
    Error::argument(
        format!("step {step}"),
        "a finite loss and gradient",
        format!("a loss of {loss} or a gradient that is not finite; {place}"),
    )
}
