//! How much each prediction along a run counts.

use candle_core::Tensor;

use crate::Result;

/// What a prediction counts less than the one after it (RAFT, Teed & Deng 2020, arXiv 2003.12039, equation 7, has 0.8;
/// DRO has this).
pub const DECAY: f64 = 0.85;

/// `0.85^(n − 1 − i)` for i in 0..n: later predictions count more, the last counts 1.
///
/// ```
/// assert_eq!(dro_sfm::loss::decay_weights(3), [0.85 * 0.85, 0.85, 1.0]);
/// ```
pub fn decay_weights(count: usize) -> Vec<f64> {
    let mut weights: Vec<f64> =
        std::iter::successors(Some(1.0), |weight| Some(weight * DECAY)).take(count).collect();
    weights.reverse();
    weights
}

/// The mean of the predictions' errors, scalars, weighted by [`decay_weights`].
pub(super) fn decayed_mean(
    predictions: &[Tensor],
    mut error: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let weights = decay_weights(predictions.len());
    let whole: f64 = weights.iter().sum();
    let terms = predictions.iter().zip(&weights).map(|(x, weight)| Ok((error(x)? * (weight / whole))?));
    Ok(Tensor::stack(&terms.collect::<Result<Vec<_>>>()?, 0)?.sum_all()?)
}
