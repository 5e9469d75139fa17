//! Coupling, order and detachment, seen through a cost that writes down where it was evaluated.

use std::cell::RefCell;

use candle_core::{Device, Tensor, Var};

use crate::*;

/// Two scalar blocks; remembers every evaluation as (block, a, b).
struct Log {
    space: Space,
    seen: RefCell<Vec<(usize, f32, f32)>>,
}

impl Log {
    fn new() -> Self {
        let space = Space::new(vec![Block::real("a", [1]), Block::real("b", [1])]).unwrap();
        Self { space, seen: RefCell::default() }
    }
}

fn scalar(x: &Tensor) -> f32 {
    x.flatten_all().unwrap().to_vec1().unwrap()[0]
}

impl CostFunction for Log {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> Result<Cost> {
        self.seen.borrow_mut().push((block.0, scalar(at.get(BlockId(0))), scalar(at.get(BlockId(1)))));
        Ok(Cost { total: (at.get(BlockId(0)) + at.get(BlockId(1)))?.squeeze(1)?, map: None })
    }
}

/// Adds a constant, and remembers how often it was asked.
struct Add(Tensor);

impl LearnedOptimizer for Add {
    fn init(&self, start: &Tensor, _context: Option<&Tensor>) -> Result<Memory> {
        Ok(Memory { hidden: start.zeros_like()?, context: None })
    }

    fn update(&self, memory: &Memory, x: &Tensor, _cost: &Cost) -> Result<(Memory, Tensor)> {
        Ok((memory.next((&memory.hidden + 1.0)?), self.0.broadcast_as(x.dims())?))
    }
}

fn run(coupling: Coupling) -> (Vec<(usize, f32, f32)>, Vec<f32>) {
    let log = Log::new();
    let add = |by: f32| Add(Tensor::new(&[[by]], &Device::Cpu).unwrap());
    let (one, ten) = (add(1.0), add(10.0));
    let zero = Tensor::new(&[[0f32]], &Device::Cpu).unwrap();
    let start = log.space.point(vec![zero.clone(), zero]).unwrap();
    let mut bound = Bound::new(&log.space).with("a", &one, &start, None).unwrap();
    bound = bound.with("b", &ten, &start, None).unwrap();
    let schedule = Schedule::alternating(2, 2, [BlockId(0), BlockId(1)]).with_coupling(coupling);
    let solution = minimize(&log, &mut bound, &start, &schedule, &Budget::default(), &mut []).unwrap();
    assert_eq!(scalar(&bound.memory(BlockId(0)).unwrap().hidden), 4.0);
    let last = solution.last.values().iter().map(scalar).collect();
    (log.seen.into_inner(), last)
}

#[test]
fn gauss_seidel_sees_the_newest_values() {
    let (seen, last) = run(Coupling::GaussSeidel);
    let expected = [
        (0, 0., 0.),
        (0, 1., 0.),
        (1, 2., 0.),
        (1, 2., 10.),
        (0, 2., 20.),
        (0, 3., 20.),
        (1, 4., 20.),
        (1, 4., 30.),
    ];
    assert_eq!(seen, expected);
    assert_eq!(last, [4.0, 40.0]);
}

#[test]
fn jacobi_sees_the_values_of_the_stages_start() {
    let (seen, last) = run(Coupling::Jacobi);
    let expected = [
        (0, 0., 0.),
        (0, 1., 0.),
        (1, 0., 0.),
        (1, 0., 10.),
        (0, 2., 20.),
        (0, 3., 20.),
        (1, 2., 20.),
        (1, 2., 30.),
    ];
    assert_eq!(seen, expected);
    assert_eq!(last, [4.0, 40.0]);
}

#[test]
fn variables_are_detached_where_the_schedule_says() {
    // Every update adds w, so d last / d w counts the updates whose graph is kept.
    let slope = |detach| {
        let log = Log::new();
        let w = Var::new(&[[0.5f32]], &Device::Cpu).unwrap();
        let add = Add(w.as_tensor().clone());
        let zero = Tensor::new(&[[0f32]], &Device::Cpu).unwrap();
        let start = log.space.point(vec![zero.clone(), zero]).unwrap();
        let mut bound = Bound::new(&log.space).with("a", &add, &start, None).unwrap();
        let mut schedule = Schedule::alternating(3, 2, [BlockId(0)]);
        schedule.detach = detach;
        let solution = minimize(&log, &mut bound, &start, &schedule, &Budget::default(), &mut []).unwrap();
        let gradients = solution.last.get(BlockId(0)).sum_all().unwrap().backward().unwrap();
        scalar(gradients.get(&w).unwrap())
    };
    assert_eq!(slope(Detach::StageStart), 2.0);
    assert_eq!(slope(Detach::Never), 6.0);
}

/// Each block counts its own updates, over stages and over a pause.
#[test]
fn a_run_that_is_longer_than_its_rules_were_trained_for_settles() {
    let log = Log::new();
    let add = Add(Tensor::new(&[[1f32]], &Device::Cpu).unwrap());
    let zero = Tensor::new(&[[0f32]], &Device::Cpu).unwrap();
    let start = log.space.point(vec![zero.clone(), zero]).unwrap();
    let bound = || {
        let bound = Bound::new(&log.space).with("a", &add, &start, None).unwrap();
        bound.with("b", &add, &start, None).unwrap()
    };
    let schedule = Schedule {
        sweeps: vec![Sweep { block: BlockId(0), inner: 2 }, Sweep { block: BlockId(1), inner: 1 }],
        ..Schedule::alternating(3, 0, [])
    };
    let schedule = schedule.with_trained(Some(2));
    let run = |pause: &Pause, budget: &Budget, optimizer: &mut Bound<'_>| {
        resume(&log, optimizer, pause, &schedule, budget, &mut []).unwrap()
    };
    let begin = Pause::before(&start).unwrap();
    let whole = run(&begin, &Budget::default(), &mut bound());
    let [a, b] = [BlockId(0), BlockId(1)].map(|block| scalar(whole.last.get(block)));
    let expected = [2.0 + 4.0 / 9.0 + 4.0 / 16.0 + 4.0 / 25.0 + 4.0 / 36.0, 2.0 + 4.0 / 9.0];
    assert!((a - expected[0]).abs() < 1e-6 && (b - expected[1]).abs() < 1e-6, "{a} {b}");

    let mut optimizer = bound();
    let part = run(&begin, &Budget::evaluations(4), &mut optimizer);
    let rest = run(&part.pause(), &Budget::default(), &mut optimizer);
    assert_eq!([BlockId(0), BlockId(1)].map(|block| scalar(rest.last.get(block))), [a, b]);

    // However long it goes on, it moves at most as far again.
    let later: f64 =
        (7..100_000).map(|update| Schedule::single(BlockId(0), 1).with_trained(Some(7)).gain(update)).sum();
    assert!(later > 6.0 && later < 7.0, "{later}");
}

#[test]
fn an_unbound_block_and_a_missing_map_are_named() {
    let log = Log::new();
    let zero = Tensor::new(&[[0f32]], &Device::Cpu).unwrap();
    let start = log.space.point(vec![zero.clone(), zero.clone()]).unwrap();
    let mut bound = Bound::new(&log.space);
    let schedule = Schedule::single(BlockId(1), 1);
    let error = minimize(&log, &mut bound, &start, &schedule, &Budget::default(), &mut []).unwrap_err();
    assert_eq!(error.to_string(), "optimizer: expected a rule bound to block \"b\", found none");

    let cost = Cost { total: zero, map: None };
    assert!(cost.map_for("depth").unwrap_err().to_string().contains("block \"depth\" reads a cost map"));
}
