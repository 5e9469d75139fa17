//! The loop around a search.

use std::{
    cell::RefCell,
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use candle_core::{DType, Device};
use proptest::prelude::*;

use super::search_laws::{Rugged, methods};
use crate::{
    Block, BlockId, Cost, CostFunction, Point, Result, Space, Termination,
    search::{Found, Method, Run, RunState},
};

fn space() -> Space {
    Space::new(vec![
        Block::bounded("x", [2], -5.0, 5.0),
        Block::log("rate", [1], 1e-4, 1.0),
        Block::integer("layers", [1], 1, 8),
        Block::categorical("kind", [1], ["a", "b", "c"]),
    ])
    .unwrap()
}

fn cost(holes: f64) -> impl Fn(&[f64]) -> f64 + Sync {
    let rugged = Rugged { holes, scale: 1.0 };
    move |v: &[f64]| {
        let steps = v[3] + 3.0 * (v[4] - 1.0).abs() + v[2].log10().round().abs();
        rugged.at(&v[..2]) + steps
    }
}

/// Everything but the clock.
fn told(found: &Found) -> (Option<Vec<u64>>, u64, usize) {
    let bits = found.best.as_ref().map(|best| best.iter().map(|v| v.to_bits()).collect());
    (bits, found.best_cost.to_bits(), found.evaluations)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn budgets_are_kept_and_the_best_never_rises(
        method in methods(), seed: u64, allowed in 0usize..90, batch in 1usize..12, holes in 0.0..1.5f64,
    ) {
        let calls = AtomicUsize::new(0);
        let f = cost(holes);
        let seen = RefCell::new(Vec::new());
        let found = Run::new(&space()).method(method).seed(seed).evaluations(allowed).batch(batch)
            .observe(|e| {
                seen.borrow_mut().push((e.trial, e.values.to_vec(), e.cost, e.best_cost));
                ControlFlow::Continue(())
            })
            .minimize(|v| { calls.fetch_add(1, Ordering::Relaxed); f(v) })
            .unwrap();
        prop_assert_eq!(calls.into_inner(), allowed);
        prop_assert_eq!(found.evaluations, allowed);
        prop_assert_eq!(&found.termination, &Termination::EvaluationsSpent { used: allowed, allowed });
        let seen = seen.into_inner();
        let mut lowest = None;
        for (i, (trial, values, value, best)) in seen.iter().enumerate() {
            prop_assert_eq!(*trial, i as u64);
            prop_assert!(f(values).to_bits() == value.to_bits() || (f(values).is_nan() && value.is_nan()));
            if value.is_finite() && lowest.is_none_or(|lowest| value < lowest) {
                lowest = Some(value);
            }
            prop_assert_eq!(best.as_ref(), lowest);
        }
        match &found.best {
            Some(best) => prop_assert_eq!((f(best), Some(&found.best_cost)), (found.best_cost, lowest)),
            None => prop_assert!(lowest.is_none() && found.best_cost == f64::INFINITY),
        }
    }

    #[test]
    fn threads_do_not_change_the_result(method in methods(), seed: u64, batch in 1usize..12) {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let f = cost(0.2);
            pool.install(|| Run::new(&space()).method(method).seed(seed).evaluations(70).batch(batch).minimize(&f))
        };
        let one = told(&run(1).unwrap());
        prop_assert_eq!(&one, &told(&run(2).unwrap()));
        prop_assert_eq!(&one, &told(&run(5).unwrap()));
    }

    #[test]
    fn resume_equals_no_interruption(
        method in methods(), seed: u64, batch in 1usize..7, every in 1usize..30, stop in 1usize..60,
    ) {
        let f = cost(0.2);
        let run = || Run::new(&space()).method(method).seed(seed).batch(batch).patience(50).evaluations(100);
        let whole = run().minimize(&f).unwrap();
        let mut states: Vec<String> = Vec::new();
        run().checkpoint(every, |state| { states.push(serde_json::to_string(&state).unwrap()); Ok(()) })
            .observe(|e| if e.trial as usize >= stop { ControlFlow::Break("killed".into()) } else { ControlFlow::Continue(()) })
            .minimize(&f).unwrap();
        prop_assert!(!states.is_empty());
        for state in states {
            let state: RunState = serde_json::from_str(&state).unwrap();
            // Method and seed are the state's.
            let again = Run::new(&space()).batch(batch).patience(50).evaluations(100).resume(state).minimize(&f).unwrap();
            prop_assert_eq!(told(&whole), told(&again));
            prop_assert_eq!(&whole.termination, &again.termination);
        }
    }
}

#[test]
fn a_run_says_why_it_ended() {
    let f = |v: &[f64]| v[0].abs();
    let space = Space::new(vec![Block::bounded("x", [1], -1.0, 1.0)]).unwrap();
    let run = || Run::new(&space).method(Method::OnePlusOneEs).seed(3).evaluations(100_000);

    let found = run().target(1e-3).minimize(f).unwrap();
    assert!(found.evaluations < 1000);
    assert!(matches!(found.termination, Termination::TargetReached { value, target } if value <= target));

    let found = run().patience(17).minimize(|_| 1.0).unwrap();
    assert_eq!(found.termination, Termination::Stalled { evaluations: 17, allowed: 17 });
    // The first is an improvement on nothing.
    assert_eq!(found.evaluations, 18);
    let found = run().patience(17).minimize(|_| f64::NAN).unwrap();
    assert_eq!((found.evaluations, found.best), (17, None));

    let found = run().time(Duration::ZERO).minimize(f).unwrap();
    assert!(matches!(found.termination, Termination::TimeSpent { .. }));
    assert_eq!((found.evaluations, found.best), (0, None));
    let slow = |_: &[f64]| {
        std::thread::sleep(Duration::from_millis(5));
        0.0
    };
    let found = run().time(Duration::from_millis(30)).minimize(slow).unwrap();
    assert!(matches!(found.termination, Termination::TimeSpent { .. }));
    assert!((1..=6).contains(&found.evaluations), "{}", found.evaluations);

    let mut after = 0;
    let found = run()
        .batch(4)
        .observe(|e| {
            after += 1;
            if e.trial == 5 { ControlFlow::Break("seen enough".into()) } else { ControlFlow::Continue(()) }
        })
        .minimize(f)
        .unwrap();
    assert_eq!(found.termination, Termination::Observer { reason: "seen enough".into() });
    // What was evaluated is told, whatever an observer says.
    assert_eq!((found.evaluations, after), (8, 8));
}

#[test]
fn a_resumed_run_that_is_done_evaluates_nothing() {
    let space = Space::new(vec![Block::bounded("x", [1], -1.0, 1.0)]).unwrap();
    let mut last = None;
    let run = Run::new(&space).evaluations(50).target(0.9);
    let keep = |state: RunState| {
        last = Some(state);
        Ok(())
    };
    let first = run.checkpoint(1000, keep).minimize(|v| v[0].abs()).unwrap();
    let calls = AtomicUsize::new(0);
    let count = |_: &[f64]| calls.fetch_add(1, Ordering::Relaxed) as f64;
    let again = Run::new(&space).target(0.9).resume(last.unwrap()).minimize(count).unwrap();
    assert_eq!(calls.into_inner(), 0);
    assert_eq!((again.best, again.termination), (first.best, first.termination));
}

#[test]
fn wrong_settings_are_named() {
    let space = space();
    let error = Run::new(&space).batch(0).minimize(|_| 0.0).unwrap_err().to_string();
    assert!(error.contains("batch"), "{error}");
    let mut state = None;
    let keep = |kept| {
        state = Some(kept);
        Ok(())
    };
    Run::new(&space).evaluations(5).checkpoint(1, keep).minimize(|_| 0.0).unwrap();
    let other = Space::new(vec![Block::real("x", [1])]).unwrap();
    let error = Run::new(&other).resume(state.unwrap()).minimize(|_| 0.0).unwrap_err().to_string();
    assert!(error.contains("1 coordinates") && error.contains('7'), "{error}");
    let one = Space::new(vec![Block::categorical("only", [1], ["choice"])]).unwrap();
    let error = Run::new(&one).minimize(|_| 0.0).unwrap_err().to_string();
    assert!(error.contains("something to choose"), "{error}");
}

/// The same cost on tensors.
struct Tensors(Space);

impl CostFunction for Tensors {
    fn space(&self) -> &Space {
        &self.0
    }

    fn evaluate(&self, at: &Point, _block: BlockId) -> Result<Cost> {
        let (x, n) = (at.get(BlockId(0)), at.get(BlockId(1)));
        let total = (x.sqr()?.sum(1)? + n.sqr()?.sum(1)?)?;
        Ok(Cost { total: total.to_dtype(DType::F32)?, map: None })
    }
}

#[test]
fn a_cost_function_is_minimized_by_batches() {
    let space =
        Space::new(vec![Block::bounded("x", [2], -1.0, 1.0), Block::integer("n", [1], -4, 4)]).unwrap();
    let run = || Run::new(&space).method(Method::CmaEs).seed(2).evaluations(400).batch(8);
    let tensors = run().minimize_cost(&Tensors(space.clone()), &Device::Cpu).unwrap();
    let closure = run().minimize(|v| f64::from((v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) as f32)).unwrap();
    assert!(tensors.best_cost < 1e-6 && closure.best_cost < 1e-6);
    assert_eq!(tensors.best.unwrap()[2], 0.0);
}
