//! Errors of two-view depth in units of the baseline, as DeMoN's authors report them.

use serde::{Deserialize, Serialize};

use super::depth::resized;
use crate::{Map, Result};

/// Errors of one depth map in DeMoN's convention (Ummenhofer et al., CVPR 2017, section 6.1), or their mean over several.
///
/// With z = d / |t|, the predicted depth in units of the predicted baseline, and z* = d* / |t*|:
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DemonMetrics {
    /// mean |1/z − 1/z*|.
    pub l1_inv: f64,
    /// √(mean e² − (mean e)²), e = ln z − ln z*: no scale has any influence on it.
    pub sc_inv: f64,
    /// mean |z − z*| / z*.
    pub l1_rel: f64,
}

impl DemonMetrics {
    /// The mean of several; `None` of none.
    pub fn mean<'a>(metrics: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let (mut sum, mut count) = (Self::default(), 0.0);
        for one in metrics {
            sum.l1_inv += one.l1_inv;
            sum.sc_inv += one.sc_inv;
            sum.l1_rel += one.l1_rel;
            count += 1.0;
        }
        let Self { l1_inv, sc_inv, l1_rel } = sum;
        (count > 0.0).then(|| Self { l1_inv: l1_inv / count, sc_inv: sc_inv / count, l1_rel: l1_rel / count })
    }
}

/// Compares a predicted depth map with the truth, each in its own unit, given the lengths of the predicted and of the
/// true translation in these units. Pixels count where both depths are above 0 and finite. A prediction of another size
/// is first resized to the truth's, bilinear with aligned corners.
///
/// `None` if no pixel counts, or a translation has no length.
///
/// # Errors
/// If the prediction is empty while the truth is not.
///
/// # Example
/// ```
/// use dro_sfm::{Map, eval::demon_metrics};
/// // The truth in metres with a baseline of 0.5 m, the prediction in units of its own baseline and 10 % too far.
/// let truth = Map::new(1, 3, vec![1.0, 2.0, 0.0])?;
/// let prediction = Map::new(1, 3, vec![2.2, 4.4, 9.0])?;
/// let metrics = demon_metrics(&prediction, &truth, 1.0, 0.5)?;
/// assert!(metrics.is_some_and(|m| (m.l1_rel - 0.1).abs() < 1e-6 && m.sc_inv < 1e-6));
/// # Ok::<(), dro_sfm::Error>(())
/// ```
pub fn demon_metrics(
    predicted: &Map,
    truth: &Map,
    predicted_baseline: f64,
    true_baseline: f64,
) -> Result<Option<DemonMetrics>> {
    let usable = |length: f64| length > 0.0 && length.is_finite();
    if truth.values().is_empty() || !usable(predicted_baseline) || !usable(true_baseline) {
        return Ok(None);
    }
    let predicted = resized(predicted, truth.height(), truth.width())?;
    let (mut sum, mut logs, mut squares, mut count) = (DemonMetrics::default(), 0.0, 0.0, 0.0);
    for (&d, &truth) in predicted.values().iter().zip(truth.values()) {
        if !(d > 0.0 && d.is_finite() && truth > 0.0 && truth.is_finite()) {
            continue;
        }
        let (z, truth) = (f64::from(d) / predicted_baseline, f64::from(truth) / true_baseline);
        let log = z.ln() - truth.ln();
        sum.l1_inv += (1.0 / z - 1.0 / truth).abs();
        sum.l1_rel += (z - truth).abs() / truth;
        logs += log;
        squares += log * log;
        count += 1.0;
    }
    Ok((count > 0.0).then(|| DemonMetrics {
        l1_inv: sum.l1_inv / count,
        // Rounding may leave the variance of equal numbers slightly below 0.
        sc_inv: (squares / count - (logs / count).powi(2)).max(0.0).sqrt(),
        l1_rel: sum.l1_rel / count,
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_by_hand() {
        let truth = Map::new(2, 2, vec![1.0, 2.0, 4.0, 0.0]).unwrap();
        let predicted = Map::new(2, 2, vec![2.0, 2.0, 2.0, 5.0]).unwrap();
        let found = demon_metrics(&predicted, &truth, 1.0, 1.0).unwrap().unwrap();
        assert!((found.l1_inv - (0.5 + 0.0 + 0.25) / 3.0).abs() < 1e-12);
        assert!((found.l1_rel - (1.0 + 0.0 + 0.5) / 3.0).abs() < 1e-12);
        let ln2 = 2f64.ln();
        assert!((found.sc_inv - (2.0 * ln2 * ln2 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn units_do_not_matter_and_holes_do_not_count() {
        let truth = Map::new(1, 4, vec![1.0, 3.0, f32::NAN, 2.0]).unwrap();
        let other = truth.mapped(|d| 7.0 * d);
        let found = demon_metrics(&other, &truth, 0.7, 0.1).unwrap().unwrap();
        assert!(found.l1_inv < 1e-6 && found.sc_inv < 1e-6 && found.l1_rel < 1e-6, "{found:?}");
        let holes = Map::new(1, 4, vec![1.0, 0.0, 1.0, f32::INFINITY]).unwrap();
        assert!(demon_metrics(&holes, &truth, 1.0, 1.0).unwrap().unwrap().l1_rel < 1e-12);
        assert_eq!(demon_metrics(&truth, &truth, 0.0, 1.0).unwrap(), None);
        assert_eq!(demon_metrics(&truth, &truth, 1.0, f64::NAN).unwrap(), None);
        assert_eq!(demon_metrics(&truth, &truth.mapped(|_| 0.0), 1.0, 1.0).unwrap(), None);
    }

    #[test]
    fn means_are_over_maps() {
        let [a, b] = [1.0, 3.0].map(|x| DemonMetrics { l1_inv: x, sc_inv: 2.0 * x, l1_rel: 0.0 });
        let mean = DemonMetrics::mean([&a, &b]);
        assert_eq!(mean, Some(DemonMetrics { l1_inv: 2.0, sc_inv: 4.0, l1_rel: 0.0 }));
        assert_eq!(DemonMetrics::mean([]), None);
    }
}
