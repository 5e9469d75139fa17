use std::{cell::Cell, ops::ControlFlow, time::Duration};

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use crate::{baselines::OnePlusOneEs, *};

fn start(cost: &dyn CostFunction, rows: &[Vec<f32>]) -> Point {
    cost.space().point(vec![Tensor::new(rows.to_vec(), &Device::Cpu).unwrap()]).unwrap()
}

fn x(cost: &dyn CostFunction) -> BlockId {
    cost.space().id("x").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn best_is_the_lowest_finite_evaluation(seed in 0u64..1000, holes in 0.0..0.9f64, batch in 1usize..4) {
        // A rugged cost that fails (NaN) on a share of the plane.
        let cost = cost_fn(2, move |v| {
            let wave = (7.0 * v[0]).sin() + (5.0 * v[1]).cos();
            if wave / 4.0 + 0.5 < holes { f64::NAN } else { wave + v[0].hypot(v[1]).floor() }
        }).unwrap();
        let start = start(&cost, &vec![vec![1.5, -2.0]; batch]);
        let mut es = OnePlusOneEs::new(cost.space(), 0.7, seed);
        let mut curve = Trajectory::with_points();
        let solution =
            minimize(&cost, &mut es, &start, &Schedule::single(x(&cost), 30), &Budget::default(), &mut [&mut curve])
                .unwrap();
        let best = solution.best_total.to_vec1::<f32>().unwrap();
        for (element, &best) in best.iter().enumerate() {
            let lowest = curve.records.iter().map(|r| r.total[element]).filter(|t| t.is_finite())
                .fold(f32::INFINITY, f32::min);
            prop_assert_eq!(best, lowest);
        }
        // The best point has the best total.
        let again = cost.evaluate(&solution.best, x(&cost)).unwrap().total.to_vec1::<f32>().unwrap();
        for (again, best) in again.iter().zip(&best) {
            prop_assert!(again == best || best.is_infinite());
        }
    }

    #[test]
    fn evaluations_never_exceed_the_budget(allowed in 0usize..20, stages in 0usize..4, inner in 0usize..6) {
        let calls = Cell::new(0);
        let cost = cost_fn(1, |v| { calls.set(calls.get() + 1); v[0] }).unwrap();
        let start = start(&cost, &[vec![0.0]]);
        let mut es = OnePlusOneEs::new(cost.space(), 1.0, 0);
        let schedule = Schedule::alternating(stages, inner, [x(&cost)]);
        let solution =
            minimize(&cost, &mut es, &start, &schedule, &Budget::evaluations(allowed), &mut []).unwrap();
        prop_assert_eq!(calls.get(), allowed.min(stages * inner));
        prop_assert_eq!(solution.evaluations, calls.get());
        let finished = stages * inner <= allowed;
        prop_assert_eq!(matches!(solution.termination, Termination::ScheduleFinished { .. }), finished);
    }

    #[test]
    fn bounds_hold(lower in -2.0..0.0f64, width in 0.0..1.0f64, seed in 0u64..100) {
        let space = Space::new(vec![Block::bounded("x", [2], lower, lower + width)]).unwrap();
        let domain = &space.blocks()[0].domain;
        let value = Tensor::full(lower as f32, (1, 2), &Device::Cpu).unwrap();
        let moved = domain.step(&value, &Tensor::new(&[[seed as f32 - 50.0, 0.5]], &Device::Cpu).unwrap()).unwrap();
        for v in moved.flatten_all().unwrap().to_vec1::<f32>().unwrap() {
            prop_assert!(v >= lower as f32 && v <= (lower + width) as f32);
        }
    }
}

#[test]
fn es_converges_from_random_starts() {
    // Quantised: no gradient anywhere.
    let cost =
        cost_fn(4, |v| (v.iter().map(|x| (x - 0.3).powi(2)).sum::<f64>() * 1e3).floor() / 1e3).unwrap();
    for seed in 0..10u64 {
        let at = (0..4).map(|i| ((seed * 7 + i * 3) % 11) as f32 - 5.0).collect::<Vec<_>>();
        let mut es = OnePlusOneEs::new(cost.space(), 1.0, seed);
        let schedule = Schedule::single(x(&cost), 800);
        let solution =
            minimize(&cost, &mut es, &start(&cost, &[at]), &schedule, &Budget::default(), &mut []).unwrap();
        let best = solution.best_total.to_vec1::<f32>().unwrap()[0];
        assert!(best < 0.02, "seed {seed}: {best}");
        assert!(es.step_sizes(x(&cost))[0] < 1.0);
    }
}

#[test]
fn same_seed_same_trajectory() {
    let cost = cost_fn(3, |v| v.iter().map(|x| x.abs()).sum()).unwrap();
    let run = || {
        let mut es = OnePlusOneEs::new(cost.space(), 0.3, 42);
        let mut curve = Trajectory::new();
        let schedule = Schedule::single(x(&cost), 50);
        let at = start(&cost, &[vec![1.0, 2.0, 3.0]]);
        minimize(&cost, &mut es, &at, &schedule, &Budget::default(), &mut [&mut curve]).unwrap();
        curve.records.iter().map(|r| r.total[0]).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn target_time_and_observers_end_a_run() {
    let cost = cost_fn(1, |v| v[0].abs()).unwrap();
    let schedule = Schedule::single(x(&cost), 10_000);
    let at = start(&cost, &[vec![3.0]]);
    let run = |budget: Budget, observers: &mut [&mut dyn Observer]| {
        let mut es = OnePlusOneEs::new(cost.space(), 1.0, 1);
        minimize(&cost, &mut es, &at, &schedule, &budget, observers).unwrap().termination
    };
    match run(Budget { target: Some(0.1), ..Budget::default() }, &mut []) {
        Termination::TargetReached { value, target } => assert!(value <= target && target == 0.1),
        other => panic!("{other}"),
    }
    let spent = run(Budget { time: Some(Duration::ZERO), ..Budget::default() }, &mut []);
    assert!(matches!(spent, Termination::TimeSpent { .. }));

    struct StopAt(usize);
    impl Observer for StopAt {
        fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>> {
            Ok(if step.turn.step == self.0 {
                ControlFlow::Break("enough".into())
            } else {
                ControlFlow::Continue(())
            })
        }
    }
    let stopped = run(Budget::default(), &mut [&mut StopAt(3)]);
    assert_eq!(stopped, Termination::Observer { reason: "enough".into() });
}

#[test]
fn wrong_shapes_are_named() {
    let cost = cost_fn(2, |v| v[0]).unwrap();
    let space = Space::new(vec![Block::real("x", [3])]).unwrap();
    let wrong = space.point(vec![Tensor::zeros((1, 3), DType::F32, &Device::Cpu).unwrap()]).unwrap();
    let mut es = OnePlusOneEs::new(cost.space(), 1.0, 0);
    let schedule = Schedule::single(x(&cost), 1);
    let error = minimize(&cost, &mut es, &wrong, &schedule, &Budget::default(), &mut []).unwrap_err();
    assert_eq!(error.to_string(), "block \"x\": expected shape [1, 2], found [1, 3]");

    let unknown = cost.space().id("y").unwrap_err();
    assert_eq!(unknown.to_string(), "no block is named \"y\"; the blocks are [\"x\"]");
    assert!(Space::new(vec![Block::real("a", [1]), Block::real("a", [1])]).is_err());
    assert!(Space::new(vec![Block::bounded("a", [1], f64::NAN, 1.0)]).is_err());
    let far = Schedule::single(BlockId(5), 1);
    let start = start(&cost, &[vec![0.0, 0.0]]);
    assert!(minimize(&cost, &mut es, &start, &far, &Budget::default(), &mut []).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Each cell has the newest of what cost least, and no point that was seen costs less than all of them together.
    #[test]
    fn cells_keep_what_cost_least(
        points in proptest::collection::vec(proptest::collection::vec((-3i8..4, 0u8..6), 6), 1..8),
    ) {
        // Few different costs, so that equal ones are common; 5 is a failure.
        let cost_of = |cost: u8| if cost == 5 { f32::NAN } else { f32::from(cost) };
        let tensor = |values: Vec<f32>| Tensor::from_vec(values, (1, 1, 2, 3), &Device::Cpu).unwrap();
        let mut cheapest = CheapestCells::new(BlockId(0), |cost: &Cost| Ok(cost.map_for("x")?.clone()));
        for point in &points {
            let map = tensor(point.iter().map(|cell| cost_of(cell.1)).collect());
            let cost = Cost { total: map.mean((1, 2, 3)).unwrap(), map: Some(map) };
            cheapest.offer(&tensor(point.iter().map(|cell| f32::from(cell.0)).collect()), &cost).unwrap();
        }
        let (values, costs) = cheapest.found().unwrap();
        let all = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (values, costs) = (all(values), all(costs));
        for cell in 0..6 {
            let seen = points.iter().map(|point| point[cell]).filter(|(_, cost)| *cost < 5);
            match seen.reduce(|best, new| if new.1 <= best.1 { new } else { best }) {
                Some((value, cost)) => {
                    prop_assert_eq!((values[cell], costs[cell]), (f32::from(value), cost_of(cost)));
                }
                None => {
                    prop_assert_eq!((values[cell], costs[cell]), (f32::from(points[0][cell].0), f32::INFINITY));
                }
            }
        }
    }
}
