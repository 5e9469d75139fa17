//! Searches and rules behind the block-wise driver, paused and resumed.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use super::search_laws::methods;
use crate::{
    baselines::OnePlusOneEs,
    search::{BlockSearch, Method},
    *,
};

/// Two blocks that matter to each other: `a` in a box, `b` anywhere; steps of 1e-3, and failures where `a` is large.
struct Coupled(Space);

impl Coupled {
    fn new() -> Self {
        Self(Space::new(vec![Block::bounded("a", [2], -1.0, 1.0), Block::real("b", [3])]).unwrap())
    }

    fn start(&self, batch: usize) -> Point {
        let full = |v: f32, shape| Tensor::full(v, shape, &Device::Cpu).unwrap();
        self.0.point(vec![full(-0.5, (batch, 2)), full(0.3, (batch, 3))]).unwrap()
    }

    fn schedule(&self, stages: usize) -> Schedule {
        Schedule::alternating(stages, 7, self.0.ids())
    }
}

impl CostFunction for Coupled {
    fn space(&self) -> &Space {
        &self.0
    }

    fn evaluate(&self, at: &Point, _block: BlockId) -> Result<Cost> {
        let rows = |id| at.get(BlockId(id)).to_vec2::<f32>();
        let totals = rows(0)?.into_iter().zip(rows(1)?).map(|(a, b)| {
            let sum = a[0] + a[1];
            let cost = (sum - b[0]).powi(2)
                + (b[1] - a[0]).powi(2)
                + (b[2] - 0.5).powi(2)
                + 0.1 * (a[1] - 0.2).abs();
            if a[0] > 0.9 { f32::NAN } else { (cost * 1e3).floor() / 1e3 }
        });
        Ok(Cost { total: Tensor::from_iter(totals, at.device())?, map: None })
    }
}

fn totals(solution: &Solution) -> Vec<f32> {
    solution.best_total.to_vec1().unwrap()
}

#[derive(Default)]
struct Record(Vec<Vec<f32>>);

impl Observer for Record {
    fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>> {
        self.0.push(step.candidate.flatten_all()?.to_vec1()?);
        self.0.push(step.next.flatten_all()?.to_vec1()?);
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn every_method_moves_two_coupled_blocks_down() {
    let cost = Coupled::new();
    for method in Method::ALL {
        let mut search = BlockSearch::new(&cost.0, *method, 3);
        let schedule = Schedule::alternating(8, 60, cost.0.ids());
        let mut none = BlockSearch::new(&cost.0, *method, 3);
        let start = cost.start(2);
        let first = minimize(&cost, &mut none, &start, &schedule, &Budget::evaluations(1), &mut []).unwrap();
        let solution = minimize(&cost, &mut search, &start, &schedule, &Budget::default(), &mut []).unwrap();
        for (best, first) in totals(&solution).iter().zip(totals(&first)) {
            assert!(*best < 0.2 * first, "{method}: {first} -> {best}");
        }
        // Every element has random numbers of its own; a simplex uses none until it is renewed.
        let b = solution.best.get(BlockId(1)).to_vec2::<f32>().unwrap();
        assert!(b[0] != b[1] || *method == Method::NelderMead, "{method}");
    }
}

#[test]
fn the_value_of_a_block_is_its_incumbent() {
    let cost = Coupled::new();
    struct Falls(f32);
    impl Observer for Falls {
        fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>> {
            let now = Coupled::new().evaluate(step.point, step.turn.block)?.total.to_vec1::<f32>()?[0];
            assert!(now <= self.0, "{now} after {}", self.0);
            self.0 = now;
            Ok(ControlFlow::Continue(()))
        }
    }
    let mut search = BlockSearch::new(&cost.0, Method::DifferentialEvolution, 1);
    let mut falls = Falls(f32::INFINITY);
    let schedule = cost.schedule(6);
    minimize(&cost, &mut search, &cost.start(1), &schedule, &Budget::default(), &mut [&mut falls]).unwrap();
}

#[test]
fn blocks_with_one_value_and_wrong_batches() {
    let space = Space::new(vec![Block::categorical("only", [1], ["choice"]), Block::real("x", [1])]).unwrap();
    let zeros = |batch| {
        let zeros = Tensor::zeros((batch, 1), DType::F32, &Device::Cpu).unwrap();
        space.point(vec![zeros.clone(), zeros]).unwrap()
    };
    let mut search = BlockSearch::new(&space, Method::CmaEs, 0);
    let cost = |total: f32, n| Cost { total: Tensor::full(total, n, &Device::Cpu).unwrap(), map: None };
    let (at, three) = (zeros(2), zeros(3));
    let turn = |block, inner, at| Turn {
        step: 0,
        stage: 0,
        block: BlockId(block),
        inner,
        gain: 1.0,
        last_inner: false,
        at,
    };
    for inner in 0..3 {
        let x = search.ask(&turn(0, inner, &at)).unwrap();
        let next = search.tell(&turn(0, inner, &at), &x, &cost(1.0, 2)).unwrap();
        assert_eq!(next.to_vec2::<f32>().unwrap(), [[0.0], [0.0]]);
    }
    let x = search.ask(&turn(1, 0, &at)).unwrap();
    search.tell(&turn(1, 0, &at), &x, &cost(1.0, 2)).unwrap();
    let error = search.ask(&turn(1, 1, &three)).unwrap_err().to_string();
    assert!(error.contains("2 elements") && error.contains('3'), "{error}");
    assert!(search.ask(&turn(2, 0, &at)).is_err());
    assert!(BlockSearch::new(&space, Method::CmaEs, 0).scale("y", 1.0).is_err());
    assert!(BlockSearch::new(&space, Method::CmaEs, 0).scale("x", f64::NAN).is_err());
}

/// A rule with a memory that matters: a heavy ball that turns round when the cost rises.
struct Ball;

impl LearnedOptimizer for Ball {
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> Result<Memory> {
        Ok(Memory { hidden: start.affine(0.0, 0.01)?, context: context.cloned() })
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)> {
        let total = cost.total.to_vec1::<f32>()?[0];
        let context = memory.context.as_ref().map_or(Ok(0.0), |c| c.sum_all()?.to_scalar::<f32>())?;
        let k = if total.is_finite() && total > 0.3 { -0.7 } else { 0.9 };
        let hidden = ((&memory.hidden * k)? + (x * (0.01 * f64::from(context)))?)?;
        Ok((memory.next(hidden.clone()), hidden))
    }
}

/// The run without a pause, and the same run paused after `at` evaluations and resumed by another optimizer.
fn paused<O: Optimizer>(
    mut make: impl FnMut() -> O,
    at: usize,
    coupling: Coupling,
) -> [(Vec<Vec<f32>>, Vec<f32>); 2] {
    let cost = Coupled::new();
    let (start, schedule) = (cost.start(2), cost.schedule(3).with_coupling(coupling));
    let mut whole = Record::default();
    let solution =
        minimize(&cost, &mut make(), &start, &schedule, &Budget::default(), &mut [&mut whole]).unwrap();

    let mut parts = Record::default();
    let mut first = make();
    let early =
        minimize(&cost, &mut first, &start, &schedule, &Budget::evaluations(at), &mut [&mut parts]).unwrap();
    let (run, state) = (early.pause().to_bytes().unwrap(), first.save().unwrap());
    drop(first);
    let mut second = make();
    second.load(&state).unwrap();
    let pause = Pause::from_bytes(&cost.0, &run, &Device::Cpu).unwrap();
    let late = resume(&cost, &mut second, &pause, &schedule, &Budget::default(), &mut [&mut parts]).unwrap();
    assert_eq!(late.evaluations, solution.evaluations);
    assert_eq!(late.termination, solution.termination);
    [(whole.0, totals(&solution)), (parts.0, totals(&late))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_pause_changes_nothing(method in methods(), seed: u64, at in 0usize..=42, jacobi: bool) {
        let cost = Coupled::new();
        let coupling = if jacobi { Coupling::Jacobi } else { Coupling::GaussSeidel };
        let [whole, parts] = paused(|| BlockSearch::new(&cost.0, method, seed), at, coupling);
        prop_assert_eq!(whole, parts);
        let [whole, parts] = paused(|| OnePlusOneEs::new(&cost.0, 0.3, seed), at, coupling);
        prop_assert_eq!(whole, parts);
        let context = Tensor::new(&[0.5f32, 0.25], &Device::Cpu).unwrap();
        let rules = || {
            let bound = Bound::new(&cost.0).with("a", &Ball, &cost.start(2), Some(&context)).unwrap();
            bound.with("b", &Ball, &cost.start(2), None).unwrap()
        };
        let [whole, parts] = paused(rules, at, coupling);
        prop_assert_eq!(whole, parts);
    }
}

#[test]
fn foreign_states_are_refused_and_change_nothing() {
    let cost = Coupled::new();
    let start = cost.start(1);
    let bound = |context: Option<&Tensor>| Bound::new(&cost.0).with("a", &Ball, &start, context).unwrap();
    let context = Tensor::new(&[1f32], &Device::Cpu).unwrap();
    let error = bound(Some(&context)).load(&bound(None).save().unwrap()).unwrap_err().to_string();
    assert!(error.contains("0.context") && error.contains("0.hidden"), "{error}");
    assert!(bound(None).load(&bound(Some(&context)).save().unwrap()).is_err());
    assert!(bound(None).load(b"garbage").is_err());
    let mut search = BlockSearch::new(&cost.0, Method::Spsa, 0);
    assert!(search.load(b"[[]]").unwrap_err().to_string().contains("2 blocks"));
    assert!(search.load(b"{").is_err());
    assert!(Pause::from_bytes(&cost.0, &bound(None).save().unwrap(), &Device::Cpu).is_err());

    struct Fixed;
    impl Optimizer for Fixed {
        fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor> {
            Ok(turn.value().clone())
        }
        fn tell(&mut self, _: &Turn<'_>, candidate: &Tensor, _: &Cost) -> Result<Tensor> {
            Ok(candidate.clone())
        }
    }
    assert!(Fixed.save().unwrap_err().to_string().contains("Fixed"));
}
