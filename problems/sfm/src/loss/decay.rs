//! How much each prediction along a run counts.

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
