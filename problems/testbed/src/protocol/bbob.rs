//! The 24 BBOB functions: how many targets are reached after how many evaluations.
//!
//! Targets are gaps to the optimum of 10², 10^1.8, … 10⁻⁸ (Hansen et al. 2021, *COCO: a platform for comparing continuous
//! optimizers in a black-box setting*). A run reaches a target at the first evaluation whose value is at or below
//! it. The share of all (function, instance, target) that are reached within an evaluation budget is the ECDF.

use dro_core::search::Method;

use super::{Settings, Watch, best_so_far, each, seed};
use crate::{
    Error, Result,
    functions::{Bbob, BlackBox},
};

mod report;

/// Budgets that tables show, in evaluations per dimension.
pub const BUDGETS: [usize; 3] = [10, 50, 100];

/// How many targets.
pub const TARGETS: usize = 51;

/// Target number `i` from 0: `10^(2 − i/5)`.
pub fn target(i: usize) -> f64 {
    10f64.powf(2.0 - i as f64 / 5.0)
}

/// The groups of Hansen et al. 2009 with their first and last function.
pub const GROUPS: [(&str, u8, u8); 5] = [
    ("separable", 1, 5),
    ("moderate", 6, 9),
    ("ill-conditioned", 10, 14),
    ("multi-modal", 15, 19),
    ("weak structure", 20, 24),
];

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Every search.
    pub runs: Vec<Searched>,
    methods: Vec<Method>,
    dims: Vec<usize>,
    instances: u32,
}

/// One search on one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// 1 to 24.
    pub function: u8,
    /// Dimension.
    pub dim: usize,
    /// Instance, from 1.
    pub instance: u32,
    /// Which method.
    pub method: Method,
    /// The gap to the optimum after each of [`BUDGETS`] evaluations per dimension.
    pub gaps: [f64; BUDGETS.len()],
    /// The evaluation, from 1, that reached each of the [`TARGETS`], as far as they were reached.
    pub hits: Vec<usize>,
}

impl Searched {
    /// The share of the targets that were reached within that many evaluations.
    pub fn share(&self, evaluations: usize) -> f64 {
        self.hits.iter().filter(|hit| **hit <= evaluations).count() as f64 / TARGETS as f64
    }
}

/// Runs every method on every problem with `100·D` evaluations.
///
/// # Errors
/// If the settings are no good, a search fails, or the watch interrupts.
pub fn run(settings: &Settings, watch: &dyn Watch) -> Result<Results> {
    settings.check()?;
    let mut tasks = Vec::new();
    // The longest first: the last threads to end are then soon done.
    let mut dims = settings.dims.clone();
    dims.sort_unstable_by(|a, b| b.cmp(a));
    for &dim in &dims {
        for &method in &settings.methods {
            for function in 1..=24 {
                tasks.extend((1..=settings.instances).map(|instance| (function, dim, instance, method)));
            }
        }
    }
    let runs = each("BBOB", &tasks, watch, |&(function, dim, instance, method)| {
        let f = Bbob::new(function, dim, instance)?;
        let number = seed(settings.seed, &[3, u64::from(function), dim as u64, u64::from(instance)]);
        let longest = BUDGETS.into_iter().max().unwrap_or(0) * dim;
        let curve = best_so_far(&f, method, longest, number)?;
        Ok(Searched::new(&f, method, &curve))
    })?;
    Ok(Results {
        runs,
        methods: settings.methods.clone(),
        dims: settings.dims.clone(),
        instances: settings.instances,
    })
}

impl Searched {
    fn new(f: &Bbob, method: Method, curve: &[f64]) -> Self {
        let gap = |value: &f64| value - f.value_of_optimum();
        let mut hits = Vec::new();
        for (value, evaluation) in curve.iter().zip(1..) {
            while hits.len() < TARGETS && gap(value) <= target(hits.len()) {
                hits.push(evaluation);
            }
        }
        let gaps = BUDGETS.map(|budget| curve.get(budget * f.dim() - 1).map_or(f64::NAN, gap));
        Self { function: f.function(), dim: f.dim(), instance: f.instance(), method, gaps, hits }
    }
}

impl Results {
    /// The ECDF of one method in one dimension: the mean share of targets over the functions `first..=last` after that many
    /// evaluations, one number per instance.
    fn ecdf(&self, method: Method, dim: usize, functions: (u8, u8), evaluations: usize) -> Result<Vec<f64>> {
        let mut shares = Vec::new();
        for instance in 1..=self.instances {
            let of_instance = self.runs.iter().filter(|run| {
                run.method == method
                    && run.dim == dim
                    && run.instance == instance
                    && (functions.0..=functions.1).contains(&run.function)
            });
            let (sum, count) = of_instance
                .fold((0.0, 0usize), |(sum, count), run| (sum + run.share(evaluations), count + 1));
            if count == 0 {
                return Err(Error::argument(
                    "BBOB results",
                    format!("runs of {method} in {dim} dimensions"),
                    "none",
                ));
            }
            shares.push(sum / count as f64);
        }
        Ok(shares)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_coco() {
        assert_eq!((target(0), target(10), target(TARGETS - 1)), (100.0, 1.0, 1e-8));
    }

    #[test]
    fn hits_and_gaps_are_read_off_the_curve() {
        let f = Bbob::new(1, 2, 1).unwrap();
        let mut curve = vec![f.value_of_optimum() + 1000.0; 200];
        curve[4..].fill(f.value_of_optimum() + 20.0);
        curve[150..].fill(f.value_of_optimum());
        let run = Searched::new(&f, Method::ALL[0], &curve);
        // 10^2, 10^1.8, 10^1.6, 10^1.4 are above 20.
        assert_eq!(run.hits[..5], [5, 5, 5, 5, 151]);
        assert_eq!(run.hits.len(), TARGETS);
        assert_eq!(
            (run.share(4), run.share(5), run.share(150), run.share(151)),
            (0.0, 4.0 / 51.0, 4.0 / 51.0, 1.0)
        );
        assert!((run.gaps[0] - 20.0).abs() < 1e-9 && (run.gaps[1] - 20.0).abs() < 1e-9 && run.gaps[2] == 0.0);
    }
}
