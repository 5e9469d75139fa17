//! What estimators promise: the gradient in expectation, and the same bits on any number of threads.

use proptest::prelude::*;

use super::toy::{Toy, exact};
use crate::{
    Bptt, Error, Es, Estimate, Estimator, EstimatorConfig, Moment, Pes, Shaping, Tasks, Unroll,
    estimator::centred_ranks,
};

fn estimate<U: Unroll>(
    estimator: &mut dyn Estimator<U>,
    unroll: &U,
    theta: &[f32],
    step: u64,
    tasks: &mut Tasks,
) -> Estimate {
    let mut at = Moment { theta, step, seed: 5, horizon: usize::MAX, tasks };
    estimator.estimate(unroll, &mut at).unwrap()
}

/// The mean of `count` estimates at one θ, and the tasks that went in.
fn mean(config: &EstimatorConfig, toy: Toy, count: u64) -> [f64; 3] {
    let mut estimator = config.build::<Toy>().unwrap();
    let (theta, mut tasks, mut sum) = (toy.initial(3), Tasks::new(9), [0.0; 3]);
    for step in 0..count {
        let found = estimate(&mut *estimator, &toy, &theta, step, &mut tasks);
        sum.iter_mut().zip(found.gradient).for_each(|(s, g)| *s += f64::from(g) / count as f64);
    }
    sum
}

/// The expected gradient of a task.
fn expected(toy: Toy) -> [f64; 3] {
    let mut tasks = Tasks::new(77);
    let many: Vec<u64> = (0..20_000).map(|_| tasks.draw()).collect();
    exact(toy, &toy.initial(3), &many)
}

#[track_caller]
fn assert_near(found: [f64; 3], expected: [f64; 3], tolerance: f64) {
    let size = expected.iter().map(|e| e * e).sum::<f64>().sqrt();
    let error = found.iter().zip(expected).map(|(f, e)| (f - e).powi(2)).sum::<f64>().sqrt();
    assert!(error < tolerance * size, "{found:?} {expected:?}: off by {}", error / size);
}

#[test]
fn evolution_strategies_give_the_gradient_in_expectation() {
    let toy = Toy::new(6);
    let es = EstimatorConfig::Es(Es { pairs: 500, tasks: 2, sigma: 0.01, shaping: Shaping::None });
    assert_near(mean(&es, toy, 40), expected(toy), 0.05);
}

#[test]
fn persistent_evolution_strategies_give_the_whole_gradient_from_pieces() {
    // 6 steps in pieces of 2: three pieces make one gradient. Truncated back-propagation is far off here.
    let toy = Toy::new(6);
    let third = expected(toy).map(|g| g / 3.0);
    let pes = EstimatorConfig::Pes(Pes { pairs: 300, truncation: 2, sigma: 0.01 });
    assert_near(mean(&pes, toy, 300), third, 0.05);

    let cut = mean(&EstimatorConfig::Bptt(Bptt { tasks: 300, truncation: 2 }), toy, 60);
    let error = cut.iter().zip(third).map(|(f, e)| (f - e).powi(2)).sum::<f64>().sqrt();
    assert!(error > 0.2 * third.iter().map(|e| e * e).sum::<f64>().sqrt(), "{cut:?} {third:?}");
}

#[test]
fn back_propagation_over_whole_tasks_is_exact() {
    let toy = Toy::new(6);
    let (theta, mut tasks, mut same) = (toy.initial(3), Tasks::new(9), Tasks::new(9));
    let mut bptt = Bptt { tasks: 3, truncation: 10 }.build();
    for step in 0..3 {
        let found = estimate(&mut bptt, &toy, &theta, step, &mut tasks);
        let drawn: Vec<u64> = (0..3).map(|_| same.draw()).collect();
        let found: Vec<f64> = found.gradient.iter().map(|g| f64::from(*g)).collect();
        assert_near([found[0], found[1], found[2]], exact(toy, &theta, &drawn), 1e-6);
    }
}

#[test]
fn persistent_strategies_in_one_piece_are_evolution_strategies() {
    let toy = Toy::new(6);
    let theta = toy.initial(3);
    let mut es = Es { pairs: 7, tasks: 1, sigma: 0.1, shaping: Shaping::None };
    let mut pes = Pes { pairs: 7, truncation: 6, sigma: 0.1 }.build();
    let (mut one, mut two) = (Tasks::new(1), Tasks::new(1));
    for step in 0..4 {
        let es = estimate(&mut es, &toy, &theta, step, &mut one);
        assert_eq!(es, estimate(&mut pes, &toy, &theta, step, &mut two));
    }
}

#[test]
fn threads_change_nothing() {
    let toy = Toy { horizon: 5, failing: 3 };
    for config in [
        EstimatorConfig::Es(Es { pairs: 9, tasks: 3, sigma: 0.1, shaping: Shaping::Rank }),
        EstimatorConfig::Es(Es { pairs: 9, tasks: 3, sigma: 0.1, shaping: Shaping::None }),
        EstimatorConfig::Pes(Pes { pairs: 11, truncation: 2, sigma: 0.1 }),
        EstimatorConfig::Bptt(Bptt { tasks: 11, truncation: 2 }),
    ] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut estimator = config.build::<Toy>().unwrap();
                let (theta, mut tasks) = (toy.initial(0), Tasks::new(2));
                let all: Vec<Estimate> =
                    (0..6).map(|step| estimate(&mut *estimator, &toy, &theta, step, &mut tasks)).collect();
                (all, tasks)
            })
        };
        assert_eq!(run(1), run(4), "{config:?}");
    }
}

#[test]
fn failures_are_counted_and_left_out() {
    let toy = Toy { horizon: 4, failing: 2 };
    for config in [
        EstimatorConfig::Es(Es { pairs: 20, tasks: 1, sigma: 0.1, shaping: Shaping::None }),
        EstimatorConfig::Pes(Pes { pairs: 20, truncation: 2, sigma: 0.1 }),
    ] {
        let mut estimator = config.build::<Toy>().unwrap();
        let found = estimate(&mut *estimator, &toy, &toy.initial(0), 0, &mut Tasks::new(2));
        assert!((2..38).contains(&found.failed) && found.failed % 2 == 0, "{found:?}");
        assert!(found.loss.is_finite() && found.gradient.iter().all(|g| g.is_finite()), "{found:?}");
    }
    let hopeless = Toy { horizon: 4, failing: 1 };
    let mut tasks = Tasks::new(0);
    let mut at = Moment { theta: &[0.1; 3], step: 4, seed: 0, horizon: 9, tasks: &mut tasks };
    let error = Estimator::<Toy>::estimate(&mut Es::default(), &hopeless, &mut at).unwrap_err();
    assert!(matches!(error, Error::AllFailed { step: 4, rollouts: 64 }), "{error}");
}

/// Only values: what [`Unroll::gradient`] is by default.
struct Opaque;

impl Unroll for Opaque {
    type State = ();

    fn parameters(&self) -> usize {
        1
    }

    fn initial(&self, _seed: u64) -> Vec<f32> {
        vec![0.0]
    }

    fn horizon(&self, _task: u64) -> usize {
        1
    }

    fn begin(&self, _theta: &[f32], _task: u64, _horizon: usize) -> crate::Result<()> {
        Ok(())
    }

    fn advance(&self, theta: &[f32], _state: &mut (), _steps: usize) -> crate::Result<f64> {
        Ok(f64::from(theta[0]).round())
    }
}

#[test]
fn back_propagation_without_a_gradient_is_refused_with_the_alternatives() {
    let mut tasks = Tasks::new(0);
    let mut at = Moment { theta: &[0.0], step: 0, seed: 0, horizon: 9, tasks: &mut tasks };
    let mut bptt = Bptt::default().build::<()>();
    let error = Estimator::<Opaque>::estimate(&mut bptt, &Opaque, &mut at).unwrap_err().to_string();
    for part in ["Opaque", "evolution strategies", "\"pes\"", "supervised targets"] {
        assert!(error.contains(part), "{error}");
    }
}

proptest! {
    #[test]
    fn ranks_are_centred_and_see_only_the_order(losses in prop::collection::vec(-50f64..50.0, 2..40)) {
        let ranks = centred_ranks(&losses);
        prop_assert!(ranks.iter().sum::<f64>().abs() < 1e-9);
        prop_assert!(ranks.iter().all(|r| r.abs() <= 0.5));
        let stretched: Vec<f64> = losses.iter().map(|l| (l / 10.0).exp()).collect();
        prop_assert_eq!(&ranks, &centred_ranks(&stretched));
        for (i, j) in (1..losses.len()).map(|i| (i - 1, i)) {
            prop_assert_eq!(losses[i] < losses[j], ranks[i] < ranks[j]);
        }
        let mut failed = losses.clone();
        failed[0] = f64::NAN;
        prop_assert!(centred_ranks(&failed)[0] >= ranks[0]);
        prop_assert_eq!(centred_ranks(&failed)[0], 0.5);
    }
}
