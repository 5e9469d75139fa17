//! Small real problems: what each method finds, with pictures.

use std::ops::ControlFlow;

use dro_core::search::{Method, Run};
use dro_record::{Chart, Line};

use super::{Report, Settings, Watch, each, seed, statistics::quantile};
use crate::{
    Result,
    toys::{Toy, all, side_by_side},
};

/// Runs are repeated at most so often: the toys are slower than formulas, and medians need fewer.
pub const MOST_REPEATS: usize = 21;

/// What was found.
pub struct Results {
    toys: Vec<Box<dyn Toy>>,
    methods: Vec<Method>,
    repeats: usize,
    /// Toy by toy, method by method, repeat by repeat.
    pub runs: Vec<Searched>,
}

/// One search on one toy.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// The toy's name.
    pub toy: &'static str,
    /// Which method.
    pub method: Method,
    /// The lowest cost after each evaluation.
    pub curve: Vec<f64>,
    /// The values of the lowest cost.
    pub best: Option<Vec<f64>>,
}

impl Searched {
    /// The lowest cost; infinite where no evaluation was finite.
    pub fn cost(&self) -> f64 {
        self.curve.last().copied().unwrap_or(f64::INFINITY)
    }
}

/// Runs every method on every toy, from [`Settings::repeats`] (at most [`MOST_REPEATS`]) seeds. The toys themselves are drawn from
/// [`Settings::seed`].
///
/// # Errors
/// If the settings are no good, a search fails, or the watch interrupts.
pub fn run(settings: &Settings, watch: &dyn Watch) -> Result<Results> {
    settings.check()?;
    let toys = all(settings.seed)?;
    let repeats = settings.repeats.min(MOST_REPEATS);
    let mut tasks = Vec::new();
    for (which, toy) in toys.iter().enumerate() {
        for &method in &settings.methods {
            tasks.extend((0..repeats).map(|repeat| (which, toy, method, repeat)));
        }
    }
    let runs = each("toys", &tasks, watch, |&(which, toy, method, repeat)| {
        let mut curve = Vec::with_capacity(toy.evaluations());
        let run = Run::of(toy.encoding())
            .method(method)
            .evaluations(toy.evaluations())
            .seed(seed(settings.seed, &[4, which as u64, repeat as u64]))
            .observe(|evaluation| {
                curve.push(evaluation.best_cost.unwrap_or(f64::INFINITY));
                ControlFlow::Continue(())
            });
        let best = run.minimize(|values| toy.cost(values))?.best;
        Ok(Searched { toy: toy.name(), method, curve, best })
    })?;
    Ok(Results { toys, methods: settings.methods.clone(), repeats, runs })
}

impl Results {
    /// The costs at the end of all runs of a method on a toy.
    fn costs(&self, toy: &str, method: Method) -> Vec<f64> {
        self.of(toy, method).map(Searched::cost).collect()
    }

    fn of(&self, toy: &str, method: Method) -> impl Iterator<Item = &Searched> {
        self.runs.iter().filter(move |run| run.toy == toy && run.method == method)
    }

    /// The run of the first method whose cost is the median one.
    fn typical(&self, toy: &str) -> Option<&Searched> {
        let mut runs: Vec<_> = self.of(toy, *self.methods.first()?).collect();
        runs.sort_by(|a, b| a.cost().total_cmp(&b.cost()));
        runs.get((runs.len().saturating_sub(1)) / 2).copied()
    }

    /// Curves as CSV and SVG, pictures as PNG, and the tables.
    ///
    /// # Errors
    /// If the plotting library or the encoder refuses.
    pub fn report(&self) -> Result<Report> {
        let mut report = Report::new("toys");
        let mut csv = String::from("toy,method,evaluation,median_best,quartile_25,quartile_75\n");
        for toy in &self.toys {
            let mut chart = Chart::new(
                format!("{}: median of {} runs", toy.name(), self.repeats),
                "evaluations",
                "lowest cost so far",
            );
            for &method in &self.methods {
                let curves: Vec<_> = self.of(toy.name(), method).map(|run| &run.curve).collect();
                let at =
                    |t: usize| curves.iter().filter_map(|curve| curve.get(t)).copied().collect::<Vec<_>>();
                let mut points = Vec::new();
                for t in 0..toy.evaluations() {
                    let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(at(t), share));
                    csv += &format!("{},{method},{},{median},{low},{high}\n", toy.name(), t + 1);
                    points.push(((t + 1) as f64, median));
                }
                chart = chart.line(Line::new(method.name(), points));
            }
            report.svg(format!("toy-{}", toy.name()), &chart)?;
            if let Some(best) = self.typical(toy.name()).and_then(|run| run.best.as_ref()) {
                let mut panels = vec![toy.draw(&toy.start()?), toy.draw(best)];
                panels.extend(toy.draw_truth());
                report.file(format!("toy-{}.png", toy.name()), side_by_side(&panels).png()?);
            }
        }
        report.file("toys.csv", csv);
        report.table = format!("{}\n{}", self.table()?, self.words()?);
        Ok(report)
    }

    /// One row per method, one column per toy.
    fn table(&self) -> Result<String> {
        let mut table = format!(
            "Median of the lowest cost over {} runs, with the quartiles; lower is better.\n\n| |",
            self.repeats
        );
        let mut evaluations = String::from("\n| evaluations |");
        let mut start = String::from("\n| start |");
        let mut truth = String::from("\n| truth |");
        for toy in &self.toys {
            table += &format!(" {} |", toy.name());
            evaluations += &format!(" {} |", toy.evaluations());
            start += &format!(" {:.3} |", toy.cost(&toy.start()?));
            truth +=
                &toy.truth().map_or_else(|| " |".into(), |values| format!(" {:.3} |", toy.cost(&values)));
        }
        table += "\n| --- |";
        table += &" ---: |".repeat(self.toys.len());
        table += &(evaluations + &start);
        for &method in &self.methods {
            table += &format!("\n| {method} |");
            for toy in &self.toys {
                let [low, median, high] =
                    [0.25, 0.5, 0.75].map(|share| quantile(self.costs(toy.name(), method), share));
                table += &format!(" {median:.3} ({low:.3}–{high:.3}) |");
            }
        }
        Ok(table + &truth + "\n")
    }

    /// A line per toy: where the search starts, and what a median run of the first method finds.
    fn words(&self) -> Result<String> {
        let method = self.methods.first().map_or("", |method| method.name());
        let mut words = format!("In words, for the median run of `{method}`:\n\n");
        for toy in &self.toys {
            let found = self.typical(toy.name()).and_then(|run| run.best.as_ref());
            let found = found.map_or_else(|| "nothing".into(), |best| toy.say(best));
            words += &format!("* {}: {} at the start; {found}.\n", toy.name(), toy.say(&toy.start()?));
        }
        Ok(words)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::Quiet;

    #[test]
    fn curves_fall_and_end_at_the_best() {
        let settings = Settings { methods: vec![Method::Random], repeats: 2, ..Settings::default() };
        let results = run(&settings, &Quiet).unwrap();
        assert_eq!(results.runs.len(), 2 * results.toys.len());
        for run in &results.runs {
            let toy = results.toys.iter().find(|toy| toy.name() == run.toy).unwrap();
            assert_eq!(run.curve.len(), toy.evaluations());
            assert!(run.curve.windows(2).all(|pair| pair[1] <= pair[0]));
            assert_eq!(toy.cost(run.best.as_ref().unwrap()), run.cost());
        }
        let report = results.report().unwrap();
        for name in ["toy-staircase.svg", "toy-localisation.png", "toys.csv"] {
            assert!(report.names().any(|found| found == name), "{name}");
        }
        assert!(
            report.table.contains("| random |") && report.table.contains("registration"),
            "{}",
            report.table
        );
    }
}
