//! `curve.svg`: the cost of each evaluation and the best so far.

use dro_record::{Chart, Line};

use crate::{Entry, Result};

/// Costs over more than this factor are drawn on a logarithmic axis.
const DECADES: f64 = 100.0;

pub(crate) fn draw(evaluations: &[Entry], title: &str) -> Result<String> {
    let mut best = f64::INFINITY;
    let (mut each, mut steps) = (Vec::new(), Vec::new());
    for (i, entry) in evaluations.iter().enumerate() {
        let x = (i + 1) as f64;
        if let Some(cost) = entry.cost {
            each.push((x, cost));
        }
        let now = best.min(entry.cost.unwrap_or(f64::INFINITY));
        if now < best && best.is_finite() {
            steps.push((x, best));
        }
        best = now;
        if best.is_finite() {
            steps.push((x, best));
        }
    }
    let range = Range::of(&each);
    let title = match title.char_indices().nth(70) {
        Some((cut, _)) => format!("{}…", &title[..cut]),
        None => title.to_owned(),
    };
    let above = each.iter().filter(|(_, cost)| *cost > range.high).count();
    let name = match above {
        0 => "each evaluation".into(),
        n => format!("each evaluation ({n} above {:.3e}, drawn at the top)", range.high),
    };
    let shown = each.into_iter().map(|(x, cost)| (x, cost.min(range.high)));
    let mut chart = Chart::new(title, "evaluation", "cost").line(Line::new(name, shown));
    chart = chart.line(Line::new("best so far", steps));
    if range.log {
        chart = chart.log_y();
    }
    Ok(chart.y_range(range.low, range.high).to_svg()?)
}

/// What the axis of costs shows.
struct Range {
    low: f64,
    high: f64,
    log: bool,
}

impl Range {
    /// From the best cost up; what is far above all others must not press them into one line.
    fn of(costs: &[(f64, f64)]) -> Self {
        let mut sorted: Vec<f64> = costs.iter().map(|(_, cost)| *cost).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted.get((share * sorted.len().saturating_sub(1) as f64) as usize).copied();
        let (Some(low), Some(most), Some(high)) = (at(0.0), at(0.9), at(1.0)) else {
            return Self { low: 0.0, high: 1.0, log: false };
        };
        if low > 0.0 && high / low > DECADES {
            return Self { low: low / 1.2, high: high * 1.2, log: true };
        }
        let high =
            if high - low > 4.0 * (most - low) && most > low { low + 1.5 * (most - low) } else { high };
        let room = match high - low {
            0.0 => 0.1 * low.abs().max(1.0),
            width => 0.05 * width,
        };
        Self { low: low - room, high: high + room, log: false }
    }
}
