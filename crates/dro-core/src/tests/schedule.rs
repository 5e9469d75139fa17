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
