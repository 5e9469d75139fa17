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
    /// Per repeat, all toys.
    toys: Vec<Vec<Box<dyn Toy>>>,
    methods: Vec<Method>,
    /// Toy by toy, method by method, repeat by repeat.
    pub runs: Vec<Searched>,
}

/// One search on one toy.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// The toy's name.
    pub toy: &'static str,
    /// Which instance of it, from 0.
    pub repeat: usize,
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

/// Runs every method on [`Settings::repeats`] (at most [`MOST_REPEATS`]) instances of every toy.
///
/// # Errors
/// If the settings are no good, a search fails, or the watch interrupts.
pub fn run(settings: &Settings, watch: &dyn Watch) -> Result<Results> {
    settings.check()?;
    let repeats = settings.repeats.min(MOST_REPEATS);
    let toys: Vec<_> =
        (0..repeats as u64).map(|repeat| all(seed(settings.seed, &[5, repeat]))).collect::<Result<_>>()?;
    let mut tasks = Vec::new();
    for which in 0..toys.first().map_or(0, Vec::len) {
        for &method in &settings.methods {
            let instances = toys.iter().enumerate();
            tasks
                .extend(instances.filter_map(|(repeat, all)| Some((which, all.get(which)?, method, repeat))));
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
        Ok(Searched { toy: toy.name(), repeat, method, curve, best })
    })?;
    Ok(Results { toys, methods: settings.methods.clone(), runs })
}

impl Results {
    /// The costs at the end of all runs of a method on a toy.
    fn costs(&self, toy: &str, method: Method) -> Vec<f64> {
        self.of(toy, method).map(Searched::cost).collect()
    }

    fn of(&self, toy: &str, method: Method) -> impl Iterator<Item = &Searched> {
        self.runs.iter().filter(move |run| run.toy == toy && run.method == method)
    }

    /// One toy of each kind, in the order of tables.
    fn kinds(&self) -> impl Iterator<Item = &dyn Toy> {
        self.toys.first().into_iter().flatten().map(|toy| &**toy)
    }

    /// All instances of a toy.
    fn instances(&self, name: &str) -> impl Iterator<Item = &dyn Toy> {
        self.toys.iter().flatten().map(|toy| &**toy).filter(move |toy| toy.name() == name)
    }

    /// The median run of the first method, with its instance and the best values.
    fn typical(&self, name: &str) -> Option<(&dyn Toy, &[f64])> {
        let mut runs: Vec<_> = self.of(name, *self.methods.first()?).collect();
        runs.sort_by(|a, b| a.cost().total_cmp(&b.cost()));
        let run = runs.get(runs.len().saturating_sub(1) / 2)?;
        Some((self.instances(name).nth(run.repeat)?, run.best.as_deref()?))
    }

    /// Curves as CSV and SVG, pictures as PNG, and the tables.
    ///
    /// # Errors
    /// If the plotting library or the encoder refuses.
    pub fn report(&self) -> Result<Report> {
        let mut report = Report::new("toys");
        let mut csv = String::from("toy,method,evaluation,median_best,quartile_25,quartile_75\n");
        for toy in self.kinds() {
            let mut chart = Chart::new(
                format!("{}: median of {} instances", toy.name(), self.toys.len()),
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
            if let Some((toy, best)) = self.typical(toy.name()) {
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
            "Median of the lowest cost over {} instances, with the quartiles; lower is better.\n\n| |",
            self.toys.len()
        );
        let mut evaluations = String::from("\n| evaluations |");
        let mut start = String::from("\n| start |");
        let mut truth = String::from("\n| truth |");
        for toy in self.kinds() {
            table += &format!(" {} |", toy.name());
            evaluations += &format!(" {} |", toy.evaluations());
            let instances = || self.instances(toy.name());
            let starts: Vec<f64> =
                instances().map(|toy| Ok(toy.cost(&toy.start()?))).collect::<Result<_>>()?;
            start += &format!(" {:.3} |", quantile(starts, 0.5));
            let truths: Vec<f64> = instances().filter_map(|toy| Some(toy.cost(&toy.truth()?))).collect();
            truth +=
                &if truths.is_empty() { " |".into() } else { format!(" {:.3} |", quantile(truths, 0.5)) };
        }
        table += "\n| --- |";
        table += &" ---: |".repeat(self.kinds().count());
        table += &(evaluations + &start);
        for &method in &self.methods {
            table += &format!("\n| {method} |");
            for toy in self.kinds() {
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
        for toy in self.kinds() {
            if let Some((toy, best)) = self.typical(toy.name()) {
                words += &format!(
                    "* {}: {} at the start; {}.\n",
                    toy.name(),
                    toy.say(&toy.start()?),
                    toy.say(best)
                );
            }
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
        assert_eq!(results.runs.len(), 2 * 7);
        for run in &results.runs {
            let toy = results.instances(run.toy).nth(run.repeat).unwrap();
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
