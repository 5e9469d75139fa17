//! Curves drawn as SVG.

use plotters::prelude::*;

use super::curves::Curve;
use crate::{Error, Result};

/// The vertical axis is logarithmic when the largest cost is this many times the smallest.
const LOG_FROM: f64 = 50.0;

/// At most this many frames are named in the legend; more would hide the curves.
const NAMED: usize = 8;

/// At most this many stages are marked, evenly spread.
const MARKED: usize = 10;

/// What the drawing says.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Above the drawing.
    pub title: String,
    /// Beside the vertical axis.
    pub y_label: String,
    /// Width and height, pixels.
    pub size: (u32, u32),
}

impl Default for Drawing {
    fn default() -> Self {
        Self { title: "Cost over updates".into(), y_label: "cost".into(), size: (900, 540) }
    }
}

/// Draws the cost over updates as SVG: a line per frame, their mean in black, and a dashed line where a stage begins.
/// Costs that are not finite are left out.
///
/// # Errors
/// If the drawing library refuses.
pub fn to_svg(curves: &[Curve], drawing: &Drawing) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, curves, drawing)
        .map_err(|error| Error::argument("curves", "a drawing", format!("the plotting error {error}")))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    curves: &[Curve],
    drawing: &Drawing,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let lines: Vec<Vec<(usize, f64)>> = curves.iter().map(finite).collect();
    let axis = Axis::new(lines.iter().flatten().map(|point| point.1));
    // A solver may count updates that it does not show.
    let first = lines.iter().flatten().map(|point| point.0).min().unwrap_or(0);
    let last = lines.iter().flatten().map(|point| point.0).max().unwrap_or(1).max(first + 1);

    let root = SVGBackend::with_string(svg, drawing.size).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(&drawing.title, ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(first as f64..last as f64, axis.low..axis.high)?;
    chart
        .configure_mesh()
        .x_desc("updates")
        .y_desc(if axis.log { format!("{} (log)", drawing.y_label) } else { drawing.y_label.clone() })
        .x_labels((last - first).min(12) + 1)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| axis.label(*y))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.1))
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 16))
        .draw()?;

    let grey = BLACK.mix(0.6);
    let starts = stage_starts(curves);
    // Names of more stages than this would run into each other.
    let spacing = starts.len().div_ceil(MARKED).max(1);
    for (stage, start) in starts.into_iter().step_by(spacing) {
        let x = start as f64;
        if start > first {
            chart.draw_series(DashedLineSeries::new(
                [(x, axis.low), (x, axis.high)],
                5,
                4,
                BLACK.mix(0.45).stroke_width(1),
            ))?;
        }
        let style = TextStyle::from(("sans-serif", 13)).color(&grey);
        let label = Text::new(format!(" stage {}", stage + 1), (x, axis.high), style);
        chart.draw_series([label])?;
    }

    let scaled = |line: &[(usize, f64)]| -> Vec<(f64, f64)> {
        line.iter().map(|&(step, cost)| (step as f64, axis.place(cost))).collect()
    };
    for (index, (curve, line)) in curves.iter().zip(&lines).enumerate() {
        let colour = frame_colour(index, curves.len());
        let style = colour.mix(if curves.len() > NAMED { 0.5 } else { 0.9 }).stroke_width(2);
        let series = chart.draw_series(LineSeries::new(scaled(line), style))?;
        if curves.len() <= NAMED {
            series.label(&curve.frame).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
    }
    if curves.len() > 1 {
        let style = BLACK.stroke_width(3);
        chart
            .draw_series(LineSeries::new(scaled(&mean(&lines)), style))?
            .label(format!("mean of {} frames", curves.len()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    if !curves.is_empty() {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 14))
            .draw()?;
    }
    root.present()?;
    Ok(())
}

/// The vertical axis, in the drawing's own unit: the cost, or its decimal logarithm.
struct Axis {
    log: bool,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(costs: impl Iterator<Item = f64>) -> Self {
        let (min, max) =
            costs.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
        if min > max {
            return Self { log: false, low: 0.0, high: 1.0 };
        }
        let log = min > 0.0 && max > LOG_FROM * min;
        let (low, high) = if log { (min.log10(), max.log10()) } else { (min.min(0.0), max.max(0.0)) };
        let room = if high > low { 0.08 * (high - low) } else { 1.0 };
        // An axis from 0 is honest about how much a cost fell.
        Self { log, low: if log || low < 0.0 { low - room } else { low }, high: high + room }
    }

    fn place(&self, cost: f64) -> f64 {
        if self.log { cost.log10() } else { cost }
    }

    fn label(&self, place: f64) -> String {
        dro_record::tick(if self.log { 10f64.powf(place) } else { place })
    }
}

/// Keeps what can be drawn: the drawing library works in f64, whose range must not overflow either.
fn finite(curve: &Curve) -> Vec<(usize, f64)> {
    curve.costs().into_iter().filter(|(_, cost)| cost.abs() < 1e300).collect()
}

/// The mean over the frames that have a cost at a step. Frames have different cost levels, so a step counts only
/// where every frame that is drawn has one; else the mean would jump when a frame ends.
fn mean(lines: &[Vec<(usize, f64)>]) -> Vec<(usize, f64)> {
    let drawn: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
    let Some(first) = drawn.first() else { return Vec::new() };
    let at = |step: usize| -> Option<f64> {
        let costs = drawn.iter().map(|line| value_at(line, step));
        Some(costs.sum::<Option<f64>>()? / drawn.len() as f64)
    };
    first.iter().filter_map(|&(step, _)| Some((step, at(step)?))).collect()
}

/// The cost at a step; steps rise along a line.
fn value_at(line: &[(usize, f64)], step: usize) -> Option<f64> {
    let place = line.binary_search_by_key(&step, |point| point.0).ok()?;
    line.get(place).map(|point| point.1)
}

/// `(stage, its first step)` of the curve with the most updates.
fn stage_starts(curves: &[Curve]) -> Vec<(usize, usize)> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    if let Some(longest) = curves.iter().max_by_key(|curve| curve.points.len()) {
        for point in &longest.points {
            if starts.last().is_none_or(|(stage, _)| *stage != point.stage) {
                starts.push((point.stage, point.step));
            }
        }
    }
    starts
}

fn frame_colour(index: usize, frames: usize) -> RGBColor {
    // A cool range, so that the black mean stands out.
    let share = if frames > 1 { index as f64 / (frames - 1) as f64 } else { 0.35 };
    let (r, g, b) = colorous::VIRIDIS.eval_continuous(0.05 + 0.8 * share).as_tuple();
    RGBColor(r, g, b)
}
