//! Rows, tables and curves of an ablation.

use dro_record::{Chart, Line};
use serde::{Deserialize, Serialize};

use super::{Curve, variant::Variant};
use crate::{
    Error, Result,
    benchmark::{ImageErrors, Means, Skipped, mean, short, table, write_json, write_text},
    export::write_atomically,
    pipeline::OutputFolder,
};

/// Means over the images of one set, for one way of running and one number of updates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationRow {
    /// The data set.
    pub set: String,
    /// What was done.
    pub name: String,
    /// Updates of the inverse depth.
    pub depth_updates: usize,
    /// Updates of the poses.
    pub pose_updates: usize,
    /// Means of the errors.
    pub means: Means,
    /// Mean total cost of the answers.
    pub cost: Option<f64>,
}

/// `summary.json` of an ablation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AblationReport {
    /// The program's name.
    pub program: String,
    /// The program's version.
    pub version: String,
    /// All settings, as given and by default.
    pub settings: serde_json::Value,
    /// The table's rows, set by set.
    pub rows: Vec<AblationRow>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// Wall-clock time, seconds.
    pub total_seconds: f64,
    /// Largest resident memory so far, MiB, where the system says it.
    pub peak_memory_mb: Option<f64>,
    /// Whether the user stopped it; what was finished is in it.
    pub interrupted: bool,
    /// Anything else worth saying, one sentence each.
    pub notes: Vec<String>,
}

impl AblationReport {
    pub(super) fn write(&self, folder: &OutputFolder) -> Result<()> {
        write_json(&folder.file("summary.json"), self)
    }

    /// The table that is printed and written to `table.md`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut sets: Vec<&str> = self.rows.iter().map(|row| row.set.as_str()).collect();
        sets.dedup();
        for set in sets {
            let head = "run|depth updates|pose updates|images|abs rel|rotation (°)|translation (°)|translation (cm)|cost";
            let rows = self.rows.iter().filter(|row| row.set == set).map(|row| {
                let means = &row.means;
                let mut cells = vec![row.name.clone()];
                cells.extend([row.depth_updates, row.pose_updates, means.images].map(|n| n.to_string()));
                cells.push(short(means.depth.map(|depth| depth.abs_rel), 4));
                cells.extend(
                    [means.rotation_deg, means.translation_deg, means.translation_cm].map(|x| short(x, 3)),
                );
                cells.push(short(row.cost, 5));
                cells
            });
            table(&mut text, &format!("Ablation on {set}"), head, rows);
        }
        text
    }
}

/// What was seen of every variant so far: per set and image a curve each.
pub(super) struct Tally<'a> {
    variants: &'a [Variant],
    sets: Vec<(String, Vec<Vec<Curve>>)>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(variants: &'a [Variant]) -> Self {
        Self { variants, sets: Vec::new() }
    }

    /// The curves of one image, one per variant.
    pub(super) fn add(&mut self, set: &str, curves: Vec<Curve>) {
        match self.sets.iter_mut().find(|(name, _)| name == set) {
            Some((_, images)) => images.push(curves),
            None => self.sets.push((set.to_owned(), vec![curves])),
        }
    }

    pub(super) fn rows(&self) -> Vec<AblationRow> {
        let mut rows = Vec::new();
        for (set, images) in &self.sets {
            for (index, variant) in self.variants.iter().enumerate() {
                rows.extend(
                    variant.rows.iter().map(|(name, steps)| row(set, name, variant, index, *steps, images)),
                );
            }
        }
        rows
    }

    /// Every point of every curve, per set.
    fn points(&self) -> Vec<AblationRow> {
        let mut rows = Vec::new();
        for (set, images) in &self.sets {
            for (index, variant) in self.variants.iter().enumerate() {
                rows.extend(
                    steps(images, index)
                        .iter()
                        .map(|steps| row(set, variant.name, variant, index, *steps, images)),
                );
            }
        }
        rows
    }

    /// Means over the images of all sets, as curves over updates.
    fn chart(&self, title: &str, label: &str, value: impl Fn(&AblationRow) -> Option<f64>) -> Result<String> {
        let images: Vec<Vec<Curve>> =
            self.sets.iter().flat_map(|(_, images)| images.iter().cloned()).collect();
        let mut chart = Chart::new(title, "updates of depth and poses together", label).log_y();
        for (index, variant) in self.variants.iter().enumerate() {
            let points = steps(&images, index).into_iter().filter_map(|steps| {
                Some((steps as f64, value(&row("", variant.name, variant, index, steps, &images))?))
            });
            chart = chart.line(Line::new(variant.name, points.collect::<Vec<_>>()));
        }
        chart.to_svg().map_err(|error| Error::argument("curves", "a drawing", error))
    }
}

/// The numbers of steps at which a variant's curves have points.
fn steps(images: &[Vec<Curve>], variant: usize) -> Vec<usize> {
    let first = images.first().and_then(|curves| curves.get(variant));
    first.map_or_else(Vec::new, |curve| curve.iter().map(|(step, ..)| *step).collect())
}

fn row(
    set: &str,
    name: &str,
    variant: &Variant,
    index: usize,
    steps: usize,
    images: &[Vec<Curve>],
) -> AblationRow {
    let at = |curves: &'_ Vec<Curve>| -> Option<(ImageErrors, f64)> {
        let (_, errors, cost) = curves.get(index)?.iter().find(|(step, ..)| *step == steps)?;
        Some((errors.clone(), *cost))
    };
    let (errors, costs): (Vec<ImageErrors>, Vec<f64>) = images.iter().filter_map(at).unzip();
    let [depth_updates, pose_updates] = variant.updates(steps);
    AblationRow {
        set: set.to_owned(),
        name: name.to_owned(),
        depth_updates,
        pose_updates,
        means: Means::of(&errors),
        cost: mean(costs.into_iter()),
    }
}

pub(super) fn write_all(folder: &OutputFolder, report: &AblationReport, tally: &Tally<'_>) -> Result<()> {
    let text = |value: Option<f64>| value.map_or_else(String::new, |x| x.to_string());
    write_atomically(folder.file("ablation.csv"), |file| {
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record([
            "set",
            "variant",
            "depth_updates",
            "pose_updates",
            "images",
            "abs_rel",
            "rotation_deg",
            "translation_deg",
            "translation_cm",
            "cost",
        ])?;
        for row in tally.points() {
            let means = &row.means;
            let counts = [row.depth_updates, row.pose_updates, means.images].map(|n| n.to_string());
            let values = [
                means.depth.map(|depth| depth.abs_rel),
                means.rotation_deg,
                means.translation_deg,
                means.translation_cm,
                row.cost,
            ];
            let names = [row.set.clone(), row.name.clone()];
            csv.write_record(names.into_iter().chain(counts).chain(values.map(text)))?;
        }
        csv.flush()
    })?;
    type Value = fn(&AblationRow) -> Option<f64>;
    let charts: [(&str, &str, &str, Value); 4] = [
        ("abs_rel.svg", "Depth over updates", "abs rel", |row| row.means.depth.map(|depth| depth.abs_rel)),
        ("rotation.svg", "Rotation over updates", "degrees", |row| row.means.rotation_deg),
        ("translation.svg", "Direction of translation over updates", "degrees", |row| {
            row.means.translation_deg
        }),
        ("cost.svg", "Cost over updates", "cost", |row| row.cost),
    ];
    for (file, title, label, value) in charts {
        write_text(&folder.file(file), &tally.chart(title, label, value)?)?;
    }
    write_text(&folder.file("table.md"), &report.to_markdown())?;
    report.write(folder)
}
