//! The protocol of Chen et al. 2017: four functions, 100 evaluations, many instances.

use dro_core::search::Method;
use dro_record::{Chart, Line};

use super::{Report, Settings, Watch, best_so_far, each, seed, statistics::mean};
use crate::{
    Result,
    functions::{BlackBox, Classic, Instance},
};

/// Evaluations of each search: T.
pub const EVALUATIONS: usize = 100;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Per function, in the order of [`Classic::CHEN`].
    pub functions: Vec<Function>,
    repeats: usize,
}

/// All methods on one function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The lowest value there is.
    pub optimum: f64,
    /// Per method.
    pub curves: Vec<Curve>,
}

/// One method on one function.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Which.
    pub method: Method,
    /// The lowest value after each evaluation, as a mean over instances.
    pub mean: Vec<f64>,
    /// Half the width of the mean's 95 % interval.
    pub half_width: Vec<f64>,
    /// The lowest value at the end, per instance.
    pub last: Vec<f64>,
}

/// The instances that every method meets, function by function.
pub fn instances(settings: &Settings) -> Vec<Vec<Instance>> {
    let one = |which: usize, function, i: usize| {
        Instance::new(function, seed(settings.seed, &[1, which as u64, i as u64]))
    };
    let functions = Classic::CHEN.into_iter().enumerate();
    functions.map(|(which, f)| (0..settings.repeats).map(|i| one(which, f, i)).collect()).collect()
}

/// Runs every method on every instance.
///
/// # Errors
/// If the settings are no good, a search fails, or the watch interrupts.
pub fn run(settings: &Settings, watch: &dyn Watch) -> Result<Results> {
    settings.check()?;
    let instances = instances(settings);
    let mut tasks = Vec::new();
    for (which, instances) in instances.iter().enumerate() {
        for &method in &settings.methods {
            tasks.extend(instances.iter().enumerate().map(|(i, instance)| (which, i, instance, method)));
        }
    }
    let curves = each("Chen et al.", &tasks, watch, |(which, i, instance, method)| {
        best_so_far(*instance, *method, EVALUATIONS, seed(settings.seed, &[2, *which as u64, *i as u64]))
    })?;
    let mut curves = curves.chunks(settings.repeats);
    let functions = Classic::CHEN.iter().map(|function| Function {
        name: function.name(),
        optimum: function.optimum().unwrap_or(f64::NAN),
        curves: settings
            .methods
            .iter()
            .zip(&mut curves)
            .map(|(method, runs)| summary(*method, runs))
            .collect(),
    });
    Ok(Results { functions: functions.collect(), repeats: settings.repeats })
}

fn summary(method: Method, runs: &[Vec<f64>]) -> Curve {
    let at = |t: usize| mean(runs.iter().filter_map(move |run| run.get(t)).copied());
    let (mean, half_width) = (0..EVALUATIONS).map(|t| (at(t).mean, at(t).half_width)).unzip();
    let last = runs.iter().filter_map(|run| run.last()).copied().collect();
    Curve { method, mean, half_width, last }
}

impl Results {
    /// Curves as CSV and SVG, and the table.
    ///
    /// # Errors
    /// If the plotting library refuses.
    pub fn report(&self) -> Result<Report> {
        let mut report = Report::new("chen");
        let mut csv = String::from("function,method,evaluation,mean_best,half_width_95\n");
        let mut last = String::from("function,method,instance,best\n");
        for function in &self.functions {
            let mut chart = Chart::new(
                format!(
                    "{}: mean of {} instances, optimum {:.3}",
                    function.name, self.repeats, function.optimum
                ),
                "evaluations",
                "lowest value so far",
            );
            for curve in &function.curves {
                let points = || curve.mean.iter().zip(&curve.half_width).zip(1..);
                for ((mean, half), t) in points() {
                    csv += &format!("{},{},{t},{mean},{half}\n", function.name, curve.method);
                }
                for (i, value) in curve.last.iter().enumerate() {
                    last += &format!("{},{},{i},{value}\n", function.name, curve.method);
                }
                let line = Line::new(curve.method.name(), points().map(|((m, _), t)| (f64::from(t), *m)));
                chart = chart.line(line.band(points().map(|((m, h), t)| (f64::from(t), m - h, m + h))));
            }
            report.svg(format!("chen-{}", function.name), &chart)?;
        }
        report.file("chen.csv", csv).file("chen-last.csv", last);
        report.svg("chen-all", &self.together())?;
        report.table = self.table();
        Ok(report)
    }

    /// The geometric mean over the functions of how far the mean is above the optimum.
    fn together(&self) -> Chart {
        let mut chart =
            Chart::new("All four functions", "evaluations", "gap to the optimum, geometric mean").log_y();
        let methods = self.functions.first().map_or(0, |function| function.curves.len());
        for which in 0..methods {
            let curves: Vec<_> =
                self.functions.iter().filter_map(|f| Some((f.curves.get(which)?, f.optimum))).collect();
            let gap = |t: usize| {
                let logs =
                    curves.iter().filter_map(|(c, optimum)| Some((c.mean.get(t)? - optimum).max(1e-12).ln()));
                (logs.sum::<f64>() / curves.len() as f64).exp()
            };
            let name = curves.first().map_or("", |(curve, _)| curve.method.name());
            chart = chart.line(Line::new(name, (0..EVALUATIONS).map(|t| ((t + 1) as f64, gap(t)))));
        }
        chart
    }

    fn table(&self) -> String {
        let mut table = format!(
            "Mean of the lowest value after {EVALUATIONS} evaluations, {} instances, with its 95 % interval; lower is better.\n\n| |",
            self.repeats
        );
        self.functions.iter().for_each(|f| table += &format!(" {} |", f.name));
        table += "\n| --- |";
        table += &" ---: |".repeat(self.functions.len());
        let methods = self.functions.first().map_or(0, |function| function.curves.len());
        for which in 0..methods {
            for (column, curve) in self.functions.iter().filter_map(|f| f.curves.get(which)).enumerate() {
                if column == 0 {
                    table += &format!("\n| {} |", curve.method);
                }
                let (mean, half) = (curve.mean.last(), curve.half_width.last());
                table += &format!(" {:.3} ± {:.3} |", mean.unwrap_or(&f64::NAN), half.unwrap_or(&f64::NAN));
            }
        }
        table += "\n| optimum |";
        self.functions.iter().for_each(|f| table += &format!(" {:.3} |", f.optimum));
        table + "\n"
    }
}
