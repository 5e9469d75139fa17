//! Curves and tables of the BBOB suite.

use dro_core::search::Method;
use dro_record::{Chart, Line};

use super::{BUDGETS, GROUPS, Results};
use crate::{
    Result,
    protocol::{
        Report,
        statistics::{mean, quantile},
    },
};

const ALL: (u8, u8) = (1, 24);

impl Results {
    /// Curves as CSV and SVG, gaps of every run, and the tables.
    ///
    /// # Errors
    /// If the plotting library refuses.
    pub fn report(&self) -> Result<Report> {
        let mut report = Report::new("bbob");
        report.file("bbob-runs.csv", self.runs_csv());
        let mut csv = String::from("dimension,method,evaluations,share_of_targets,half_width_95\n");
        for &dim in &self.dims {
            let mut chart = Chart::new(
                format!("BBOB, 24 functions, {dim} dimensions, {} instances", self.instances),
                "evaluations / dimension",
                "share of targets reached",
            )
            .log_x();
            let mut highest: f64 = 0.0;
            for &method in &self.methods {
                let mut points = Vec::new();
                for evaluations in steps(100 * dim) {
                    let share = mean(self.ecdf(method, dim, ALL, evaluations)?.into_iter());
                    let half = share.half_width;
                    csv += &format!("{dim},{method},{evaluations},{},{half}\n", share.mean);
                    points.push((evaluations as f64 / dim as f64, share.mean));
                    highest = highest.max(share.mean);
                }
                chart = chart.line(Line::new(method.name(), points));
            }
            // The names stand in the upper right corner, where these curves end.
            report.svg(format!("bbob-{dim}d"), &chart.y_range(0.0, 1.6 * highest))?;
        }
        report.file("bbob.csv", csv);
        report.table = format!("{}\n{}\n{}", self.budgets()?, self.groups()?, self.gaps());
        Ok(report)
    }

    fn runs_csv(&self) -> String {
        let mut csv = String::from("function,dimension,instance,method,targets_reached");
        BUDGETS.iter().for_each(|budget| csv += &format!(",gap_{budget}d"));
        csv += "\n";
        for run in &self.runs {
            csv +=
                &format!("{},{},{},{},{}", run.function, run.dim, run.instance, run.method, run.hits.len());
            run.gaps.iter().for_each(|gap| csv += &format!(",{gap:e}"));
            csv += "\n";
        }
        csv
    }

    /// One row per method, one column per dimension and budget.
    fn budgets(&self) -> Result<String> {
        let columns = || self.dims.iter().flat_map(|dim| BUDGETS.map(|budget| (*dim, budget)));
        let mut table = format!(
            "Share of the (function, target) pairs reached, in percent, over 24 functions and {} instances, with the 95 % interval over instances; higher is better.\n\n| |",
            self.instances
        );
        columns().for_each(|(dim, budget)| table += &format!(" {dim}-D, {budget}·D |"));
        table += "\n| --- |";
        columns().for_each(|_| table += " ---: |");
        for &method in &self.methods {
            table += &format!("\n| {method} |");
            for (dim, budget) in columns() {
                table += &percent(self.ecdf(method, dim, ALL, budget * dim)?);
            }
        }
        Ok(table + "\n")
    }

    /// One row per method, one column per group of functions, all dimensions together.
    fn groups(&self) -> Result<String> {
        let budget = BUDGETS[1];
        let mut table =
            format!("The same at {budget}·D by group of functions, mean over the dimensions.\n\n| |");
        GROUPS.iter().for_each(|(name, ..)| table += &format!(" {name} |"));
        table += "\n| --- |";
        GROUPS.iter().for_each(|_| table += " ---: |");
        for &method in &self.methods {
            table += &format!("\n| {method} |");
            for (_, first, last) in GROUPS {
                let mut per_instance = vec![0.0; self.instances as usize];
                for &dim in &self.dims {
                    let shares = self.ecdf(method, dim, (first, last), budget * dim)?;
                    per_instance
                        .iter_mut()
                        .zip(shares)
                        .for_each(|(sum, s)| *sum += s / self.dims.len() as f64);
                }
                table += &percent(per_instance);
            }
        }
        Ok(table + "\n")
    }

    /// One row per method, one column per dimension: gaps to the optimum.
    fn gaps(&self) -> String {
        let (which, budget) = (1, BUDGETS[1]);
        let mut table =
            format!("Median gap to the optimum after {budget}·D evaluations; lower is better.\n\n| |");
        self.dims.iter().for_each(|dim| table += &format!(" {dim}-D |"));
        table += "\n| --- |";
        self.dims.iter().for_each(|_| table += " ---: |");
        for &method in &self.methods {
            table += &format!("\n| {method} |");
            for &dim in &self.dims {
                table += &format!(" {:.2} |", self.median_gap(method, dim, which));
            }
        }
        table + "\n"
    }

    fn median_gap(&self, method: Method, dim: usize, which: usize) -> f64 {
        let runs = self.runs.iter().filter(|run| run.method == method && run.dim == dim);
        quantile(runs.filter_map(|run| run.gaps.get(which)).copied().collect(), 0.5)
    }
}

/// `45.2 ± 1.3`, or without an interval where there is one number.
fn percent(shares: Vec<f64>) -> String {
    let share = mean(shares.into_iter());
    if share.half_width.is_finite() {
        format!(" {:.1} ± {:.1} |", 100.0 * share.mean, 100.0 * share.half_width)
    } else {
        format!(" {:.1} |", 100.0 * share.mean)
    }
}

/// Evaluations at which curves have a point: about 60, evenly on a logarithmic axis.
fn steps(last: usize) -> Vec<usize> {
    let mut steps: Vec<usize> =
        (0..=60).map(|i| (last as f64).powf(f64::from(i) / 60.0).round() as usize).collect();
    steps.dedup();
    steps
}
