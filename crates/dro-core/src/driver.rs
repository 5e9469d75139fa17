//! The one loop that everything runs through.

use std::{ops::ControlFlow, time::Instant};

use candle_core::{DType, Tensor};

use crate::{
    Budget, CostFunction, Coupling, Detach, Error, Observer, Optimizer, Pause, Point, Result, Schedule,
    Space, Step, Termination, Turn,
};

/// What a run found.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The newest value of every block. Learned rules are trained so that this is their answer; it has gradients if
    /// the rules have.
    pub last: Point,
    /// The values at the start of the last stage, which Jacobi coupling shows to the other blocks.
    pub stage_start: Point,
    /// Per batch element the evaluated point with the lowest finite total, detached; the start where there was none.
    pub best: Point,
    /// The totals of [`best`](Self::best), `[batch]`, float32; infinite where no evaluation was finite.
    pub best_total: Tensor,
    /// Evaluations of the cost (a batch counts once).
    pub evaluations: usize,
    /// Why the run ended.
    pub termination: Termination,
}

impl Solution {
    /// What [`resume`] goes on from, detached.
    pub fn pause(&self) -> Pause {
        Pause {
            last: self.last.detach(),
            stage_start: self.stage_start.detach(),
            best: self.best.clone(),
            best_total: self.best_total.clone(),
            evaluations: self.evaluations,
        }
    }
}

/// Runs `optimizer` on `cost` from `start` through `schedule`.
///
/// Per step: the optimizer is asked for a candidate of the block whose turn it is, the cost is evaluated with the other
/// blocks as the coupling has them, and the optimizer is told. Observers see every update.
///
/// # Errors
/// If the start does not fit the cost's space, the schedule names a block that the space does not have, the cost's
/// total is not `[batch]`, or the cost, the optimizer or an observer fails.
///
/// # Example: a hand-written recurrent rule on a cost with no gradient
///
/// Run and tumble, as bacteria do: while the cost falls keep the heading, else turn and shorten the stride. It has the
/// shape of a learned rule: memory in, memory and increment out.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use dro_core::*;
///
/// struct RunAndTumble;
///
/// impl LearnedOptimizer for RunAndTumble {
///     fn init(&self, start: &Tensor, _context: Option<&Tensor>) -> Result<Memory> {
///         // Heading and stride (dx, dy), and the last cost.
///         let hidden = Tensor::new(&[[0.5f32, 0.0, f32::INFINITY]], start.device())?;
///         Ok(Memory { hidden, context: None })
///     }
///
///     fn update(&self, memory: &Memory, _x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)> {
///         let (h, now) = (memory.hidden.to_vec2::<f32>()?, cost.total.to_vec1::<f32>()?[0]);
///         let (dx, dy, before) = (h[0][0], h[0][1], h[0][2]);
///         let (dx, dy) = if now < before { (dx, dy) } else { (-0.6 * dy - 0.6 * dx, 0.6 * dx - 0.6 * dy) };
///         let device = memory.hidden.device();
///         Ok((memory.next(Tensor::new(&[[dx, dy, now]], device)?), Tensor::new(&[[dx, dy]], device)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// // Steps of 0.01: the gradient is zero wherever it exists.
/// let cost = cost_fn(2, |x| ((x[0] - 1.0).hypot(x[1] + 2.0) * 100.0).floor() / 100.0)?;
/// let start = cost.space().point(vec![Tensor::new(&[[0f32, 0.0]], &Device::Cpu)?])?;
/// let x = cost.space().id("x")?;
///
/// let mut optimizer = Bound::new(cost.space()).with("x", &RunAndTumble, &start, None)?;
/// let mut curve = Trajectory::new();
/// let schedule = Schedule::single(x, 60);
/// let solution = minimize(&cost, &mut optimizer, &start, &schedule, &Budget::default(), &mut [&mut curve])?;
///
/// assert_eq!(solution.termination, Termination::ScheduleFinished { steps: 60 });
/// assert!(solution.best_total.to_vec1::<f32>()?[0] < 0.1 * curve.records[0].total[0]);
/// # Ok(()) }
/// ```
pub fn minimize(
    cost: &dyn CostFunction,
    optimizer: &mut dyn Optimizer,
    start: &Point,
    schedule: &Schedule,
    budget: &Budget,
    observers: &mut [&mut dyn Observer],
) -> Result<Solution> {
    resume(cost, optimizer, &Pause::before(start)?, schedule, budget, observers)
}

/// Goes on with a run of [`minimize`] that ended early, or with a longer schedule of the same sweeps.
///
/// With the optimizer as it was then ([`Optimizer::save`] and [`load`](Optimizer::load)) the rest is what it would have
/// been without the pause. Evaluations of the budget count from the very start, its time from now.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use dro_core::{baselines::OnePlusOneEs, *};
///
/// # fn main() -> Result<()> {
/// let cost = cost_fn(2, |x| (x[0] - 1.0).abs() + x[1].abs().floor())?;
/// let start = cost.space().point(vec![Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?])?;
/// let schedule = Schedule::single(cost.space().id("x")?, 100);
///
/// let mut optimizer = OnePlusOneEs::new(cost.space(), 0.5, 7);
/// let first = minimize(&cost, &mut optimizer, &start, &schedule, &Budget::evaluations(40), &mut [])?;
/// let (run, state) = (first.pause().to_bytes()?, optimizer.save()?);
///
/// // Later, in another process:
/// let mut optimizer = OnePlusOneEs::new(cost.space(), 0.5, 7);
/// optimizer.load(&state)?;
/// let pause = Pause::from_bytes(cost.space(), &run, &Device::Cpu)?;
/// let solution = resume(&cost, &mut optimizer, &pause, &schedule, &Budget::default(), &mut [])?;
/// assert_eq!(solution.evaluations, 100);
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`minimize`].
pub fn resume(
    cost: &dyn CostFunction,
    optimizer: &mut dyn Optimizer,
    pause: &Pause,
    schedule: &Schedule,
    budget: &Budget,
    observers: &mut [&mut dyn Observer],
) -> Result<Solution> {
    let space = cost.space();
    space.point(pause.last.values().to_vec())?;
    schedule.check(space.blocks().len())?;

    let began = Instant::now();
    let mut point = pause.last.clone();
    let mut stage_start = pause.stage_start.clone();
    let mut best = Best::new(pause)?;
    let mut step = 0;
    let mut updates = vec![0; space.blocks().len()];
    for stage in 0..schedule.stages {
        // A stage that was paused in the middle keeps its start.
        if step >= pause.evaluations {
            if schedule.detach == Detach::StageStart {
                point = point.detach();
            }
            stage_start = point.clone();
        }
        for sweep in &schedule.sweeps {
            for inner in 0..sweep.inner {
                let gain = schedule.gain(updates[sweep.block.0]);
                updates[sweep.block.0] += 1;
                if step < pause.evaluations {
                    step += 1;
                    continue;
                }
                if let Some(termination) = spent(budget, step, began) {
                    return Ok(best.into_solution(point, stage_start, step, termination));
                }
                let at = match schedule.coupling {
                    Coupling::GaussSeidel => point.clone(),
                    Coupling::Jacobi => stage_start.with(sweep.block, point.get(sweep.block).clone())?,
                };
                let last_inner = inner + 1 == sweep.inner;
                let turn = Turn { step, stage, block: sweep.block, inner, gain, last_inner, at: &at };

                let candidate = optimizer.ask(&turn)?;
                let evaluated = at.with(sweep.block, candidate.clone())?;
                let value = cost.evaluate(&evaluated, sweep.block)?;
                best.offer(space, &evaluated, &value.total)?;
                let next = optimizer.tell(&turn, &candidate, &value)?;
                point = point.with(sweep.block, next)?;
                step += 1;

                let seen = Step {
                    turn,
                    candidate: &candidate,
                    cost: &value,
                    next: point.get(sweep.block),
                    point: &point,
                    memory: optimizer.memory(sweep.block),
                };
                for observer in observers.iter_mut() {
                    if let ControlFlow::Break(reason) = observer.on_step(&seen)? {
                        return Ok(best.into_solution(
                            point,
                            stage_start,
                            step,
                            Termination::Observer { reason },
                        ));
                    }
                }
                if let Some(termination) = best.reached(budget.target)? {
                    return Ok(best.into_solution(point, stage_start, step, termination));
                }
            }
        }
    }
    Ok(best.into_solution(point, stage_start, step, Termination::ScheduleFinished { steps: step }))
}

fn spent(budget: &Budget, used: usize, began: Instant) -> Option<Termination> {
    match (budget.evaluations, budget.time) {
        (Some(allowed), _) if used >= allowed => Some(Termination::EvaluationsSpent { used, allowed }),
        (_, Some(allowed)) if began.elapsed() >= allowed => {
            Some(Termination::TimeSpent { used: began.elapsed(), allowed })
        }
        _ => None,
    }
}

/// The best evaluated point per batch element, kept on the device without reading it back.
struct Best {
    point: Point,
    total: Tensor,
    /// −∞ per batch element: made once, because a number takes a copy to the device.
    below_all: Tensor,
}

impl Best {
    fn new(pause: &Pause) -> Result<Self> {
        let total = pause.best_total.clone();
        let below_all = Tensor::full(f32::NEG_INFINITY, total.dims(), total.device())?;
        Ok(Self { point: pause.best.clone(), total, below_all })
    }

    fn offer(&mut self, space: &Space, at: &Point, total: &Tensor) -> Result<()> {
        if total.dims() != [at.batch()] {
            return Err(Error::Shape {
                name: "cost total".into(),
                expected: vec![at.batch()],
                found: total.dims().to_vec(),
            });
        }
        let total = total.detach().to_dtype(DType::F32)?;
        // NaN and +∞ compare false with any best; −∞ is not finite either and must not win.
        let lower = total.lt(&self.total)?.mul(&total.gt(&self.below_all)?)?;
        let values = at.values().iter().zip(self.point.values()).map(|(new, old)| {
            let mut shape = vec![at.batch()];
            shape.resize(new.rank(), 1);
            Ok(lower.reshape(shape)?.broadcast_as(new.dims())?.where_cond(&new.detach(), old)?)
        });
        self.point = space.point(values.collect::<Result<_>>()?)?;
        self.total = lower.where_cond(&total, &self.total)?;
        Ok(())
    }

    fn reached(&self, target: Option<f64>) -> Result<Option<Termination>> {
        let Some(target) = target else { return Ok(None) };
        let worst = self.total.to_vec1::<f32>()?.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let value = f64::from(worst);
        Ok((value <= target).then_some(Termination::TargetReached { value, target }))
    }

    fn into_solution(
        self,
        last: Point,
        stage_start: Point,
        evaluations: usize,
        termination: Termination,
    ) -> Solution {
        Solution { last, stage_start, best: self.point, best_total: self.total, evaluations, termination }
    }
}
