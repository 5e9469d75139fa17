//! Cost over updates, as a table and as a drawing.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

pub use super::plot::{Drawing, to_svg};
use super::write_atomically;
use crate::{Result, Update};
/// The cost before one update.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// Updates before this one.
    pub step: usize,
    /// The stage.
    pub stage: usize,
    /// Which block moved.
    pub block: String,
    /// Total cost of the values the update started from.
    pub cost: f64,
}

impl From<&Update> for CurvePoint {
    fn from(update: &Update) -> Self {
        let Update { step, stage, block, cost, .. } = update;
        Self { step: *step, stage: *stage, block: block.clone(), cost: *cost }
    }
}

/// One frame's costs, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// The frame's name.
    pub frame: String,
    /// The cost before each update.
    pub points: Vec<CurvePoint>,
    /// The cost of the answer, after the last update, if the solve came to its end.
    pub cost_end: Option<f64>,
}

impl Curve {
    /// `(updates done, cost)`: every point, then the end.
    pub fn costs(&self) -> Vec<(usize, f64)> {
        let updates = self.points.last().map_or(0, |last| last.step + 1);
        let end = self.cost_end.map(|cost| (updates, cost));
        self.points.iter().map(|point| (point.step, point.cost)).chain(end).collect()
    }
}

/// Writes `frame,step,stage,block,cost`, one row per update; the cost of the answer is a last row with block `end`
/// and the last stage.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(path: impl AsRef<Path>, curves: &[Curve]) -> Result<()> {
    write_atomically(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(["frame", "step", "stage", "block", "cost"])?;
        for curve in curves {
            for CurvePoint { step, stage, block, cost } in &curve.points {
                table.write_record([
                    &curve.frame,
                    &step.to_string(),
                    &stage.to_string(),
                    block,
                    &cost.to_string(),
                ])?;
            }
            if let Some(cost) = curve.cost_end {
                let (step, stage) = curve.points.last().map_or((0, 0), |last| (last.step + 1, last.stage));
                let (step, stage) = (step.to_string(), stage.to_string());
                table.write_record([&curve.frame, &step, &stage, "end", &cost.to_string()])?;
            }
        }
        table.flush()
    })
}

/// Writes [`to_svg`]'s drawing.
///
/// # Errors
/// If the drawing fails or the file cannot be written.
pub fn write_svg(path: impl AsRef<Path>, curves: &[Curve], drawing: &Drawing) -> Result<()> {
    let svg = to_svg(curves, drawing)?;
    write_atomically(path, |file| {
        let mut out = BufWriter::new(file);
        out.write_all(svg.as_bytes())?;
        out.flush()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn curve(frame: &str, costs: &[f64], cost_end: Option<f64>) -> Curve {
        let point = |(step, &cost): (usize, &f64)| {
            let block = if step % 2 == 0 { "inverse_depth" } else { "poses" };
            CurvePoint { step, stage: step / 4, block: block.into(), cost }
        };
        Curve { frame: frame.into(), points: costs.iter().enumerate().map(point).collect(), cost_end }
    }

    #[test]
    fn the_table_has_a_row_per_update_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.csv");
        write_csv(&path, &[curve("a, b", &[3.0, 2.5], Some(1.25)), curve("c", &[4.0], None)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "frame,step,stage,block,cost\n\"a, b\",0,0,inverse_depth,3\n\"a, b\",1,0,poses,2.5\n\
                        \"a, b\",2,0,end,1.25\nc,0,0,inverse_depth,4\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_drawing_has_a_line_per_frame_the_mean_and_the_stages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        let falling: Vec<f64> = (0..12).map(|i| 8.0 * 0.7f64.powi(i)).collect();
        let curves = [curve("f", &falling, Some(0.1)), curve("g <&>", &[5.0, f64::NAN, 3.0], None)];
        let drawing = Drawing { title: "Cost & updates".into(), ..Drawing::default() };
        write_svg(&path, &curves, &drawing).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for part in ["<svg", "</svg>", "Cost &amp; updates", "mean", "stage 2", "stage 3", "updates"] {
            assert!(svg.contains(part), "no {part:?} in {svg}");
        }
        assert!(!svg.contains("NaN") && svg.matches("<polyline").count() >= 3);
    }

    #[test]
    fn no_curves_or_odd_numbers_still_make_a_drawing() {
        for costs in [&[][..], &[0.0], &[f64::INFINITY, f64::NAN], &[-1.0, 1e300], &[1e-300, 1e300]] {
            let svg = to_svg(&[curve("odd", costs, None)], &Drawing::default()).unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf,"), "{costs:?}");
        }
        to_svg(&[], &Drawing::default()).unwrap();
    }
}
