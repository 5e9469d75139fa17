//! Any learned rule on any family of tensor tasks, as an [`Unroll`].

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use dro_core::{BlockId, LearnedOptimizer, Memory};
use serde::{Deserialize, Serialize};

use super::{
    TaskFamily, TensorLoss, TensorTask,
    flat::Flat,
    objective::{SoFar, add, see_start},
};
use crate::{Error, Result, Unroll};

/// Trains a [`LearnedOptimizer`] on a [`TaskFamily`], by evolution strategies (values only) or by back-propagation
/// through candle's automatic differentiation.
///
/// A rule is built from named tensors, as candle's modules are; θ is all of them in the order of their names. One task is
/// a batch of problems.
///
/// ```
/// use dro_core::rules::DenseGru;
/// use dro_train::*;
///
/// # fn main() -> Result<()> {
/// let family = GpSamples { dim: 2, batch: 16, horizon: 10, ..GpSamples::default() };
/// let loss = TensorLoss::Regret { discount: 0.9 };
/// let unroll = TensorUnroll::new(|vb| DenseGru::new(2, 8, vb), family, loss)?;
/// let estimator = EstimatorConfig::Bptt(Bptt { tasks: 1, truncation: 10 });
/// let settings = Settings { steps: 30, schedule: RateSchedule { rate: 0.01, ..Default::default() }, ..Settings::default() };
/// let mut trainer = Trainer::new(&unroll, estimator.build()?, settings)?;
/// let before = trainer.validate()?;
/// for _ in 0..30 {
///     trainer.step()?;
/// }
/// assert!(trainer.validate()? < before);
/// # let _rule: DenseGru = unroll.rule(trainer.weights())?; Ok(()) }
/// ```
pub struct TensorUnroll<F, T> {
    build: F,
    tasks: T,
    loss: TensorLoss,
    flat: Flat,
    dtype: DType,
    device: Device,
}

/// A tensor as plain numbers, to be saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    fn of(tensor: &Tensor) -> Result<Self> {
        let values = tensor.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        Ok(Self { shape: tensor.dims().to_vec(), values })
    }

    fn tensor(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, self.shape.as_slice(), device)?.to_dtype(dtype)?)
    }
}

/// A roll-out of a [`TensorUnroll`] under way: plain numbers. The problem itself comes back from the task's seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorState {
    task: u64,
    left: usize,
    x: Numbers,
    hidden: Numbers,
    best: Numbers,
    worst: Numbers,
}

impl<R, F, T> TensorUnroll<F, T>
where
    R: LearnedOptimizer,
    F: Fn(VarBuilder) -> dro_core::Result<R> + Sync,
    T: TaskFamily,
{
    /// `build` makes the rule; it is called once here, to see which tensors it asks for. float32 on the CPU.
    ///
    /// # Errors
    /// If the rule cannot be built, or the loss is out of range.
    pub fn new(build: F, tasks: T, loss: TensorLoss) -> Result<Self> {
        loss.validate()?;
        let flat = Flat::of(&build)?;
        Ok(Self { build, tasks, loss, flat, dtype: DType::F32, device: Device::Cpu })
    }

    /// The same with numbers of another type, on another device. The tasks must be on the same.
    pub fn on(mut self, dtype: DType, device: &Device) -> Self {
        self.dtype = dtype;
        self.device = device.clone();
        self
    }

    /// The rule with parameters θ.
    pub fn rule(&self, theta: &[f32]) -> Result<R> {
        let (named, _) = self.flat.tensors(theta, self.dtype, &self.device, false)?;
        Ok((self.build)(VarBuilder::from_tensors(named, self.dtype, &self.device))?)
    }

    /// Runs `steps` updates; the loss is a scalar that may have gradients.
    fn run(&self, rule: &R, state: &mut TensorState, task: &TensorTask, steps: usize) -> Result<Tensor> {
        let (dtype, device) = (self.dtype, &self.device);
        let space = task.cost.space();
        let id = BlockId(0);
        let domain = &space.block(id)?.domain;
        let mut x = state.x.tensor(dtype, device)?;
        let hidden = state.hidden.tensor(dtype, device)?;
        let mut memory = Memory { hidden, context: task.context.clone() };
        let (best, worst) = (state.best.tensor(dtype, device)?, state.worst.tensor(dtype, device)?);
        let mut so_far = SoFar { best, worst };
        let mut loss = Tensor::zeros((), dtype, device)?;
        let evaluate = |x: &Tensor| task.cost.evaluate(&space.point(vec![x.clone()])?, id);
        let mut cost = if steps > 0 { Some(evaluate(&x)?) } else { None };
        if let Some(cost) = &cost {
            // The piece before has seen it already, unless this is the first; seeing it twice changes nothing.
            see_start(&mut so_far, &cost.total.to_dtype(dtype)?)?;
        }
        for step in 0..steps {
            let Some(now) = cost.take() else { break };
            let (next, increment) = rule.update(&memory, &x, &now)?;
            memory = next;
            x = domain.step(&x, &increment)?;
            state.left = state.left.saturating_sub(1);
            // The last evaluation is wanted only if the loss reads it.
            let last = step + 1 == steps;
            if !last || self.loss.passes_the_cost() {
                cost = Some(evaluate(&x)?);
            }
            let total = cost.as_ref().map(|cost| cost.total.to_dtype(dtype)).transpose()?;
            let added = add(&self.loss, &mut so_far, &x, total.as_ref(), task.target.as_ref(), state.left)?;
            loss = (loss + added)?;
        }
        state.x = Numbers::of(&x)?;
        state.hidden = Numbers::of(&memory.hidden)?;
        (state.best, state.worst) = (Numbers::of(&so_far.best)?, Numbers::of(&so_far.worst)?);
        Ok(loss)
    }

    fn value(&self, loss: &Tensor) -> Result<f64> {
        Ok(loss.detach().to_dtype(DType::F64)?.to_scalar()?)
    }
}

impl<R, F, T> Unroll for TensorUnroll<F, T>
where
    R: LearnedOptimizer,
    F: Fn(VarBuilder) -> dro_core::Result<R> + Sync,
    T: TaskFamily,
{
    type State = TensorState;

    fn parameters(&self) -> usize {
        self.flat.count
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        self.flat.initial(seed)
    }

    fn horizon(&self, _task: u64) -> usize {
        self.tasks.horizon()
    }

    fn begin(&self, theta: &[f32], task: u64, horizon: usize) -> Result<TensorState> {
        let sampled = self.tasks.sample(task)?;
        let blocks = sampled.cost.space().blocks().len();
        if blocks != 1 {
            return Err(Error::setting("tasks", "costs of one block", format!("{blocks} blocks")));
        }
        let start = sampled.start.get(BlockId(0)).to_dtype(self.dtype)?;
        let memory = self.rule(theta)?.init(&start, sampled.context.as_ref())?;
        let nothing = SoFar::new(sampled.start.batch(), self.dtype, &self.device)?;
        Ok(TensorState {
            task,
            left: horizon,
            x: Numbers::of(&start)?,
            hidden: Numbers::of(&memory.hidden)?,
            best: Numbers::of(&nothing.best)?,
            worst: Numbers::of(&nothing.worst)?,
        })
    }

    fn advance(&self, theta: &[f32], state: &mut TensorState, steps: usize) -> Result<f64> {
        let task = self.tasks.sample(state.task)?;
        let loss = self.run(&self.rule(theta)?, state, &task, steps)?;
        self.value(&loss)
    }

    /// # Errors
    /// [`Error::NoGradient`] if the loss is one of costs and the cost says that it is not differentiable;
    /// [`Error::Unreached`] if a parameter gets no gradient.
    fn gradient(
        &self,
        theta: &[f32],
        state: &mut TensorState,
        steps: usize,
        gradient: &mut [f32],
    ) -> Result<f64> {
        if gradient.len() != self.flat.count {
            return Err(Error::setting("gradient", format!("{} numbers", self.flat.count), gradient.len()));
        }
        let task = self.tasks.sample(state.task)?;
        if self.loss.passes_the_cost() && !task.cost.is_differentiable() {
            return Err(Error::NoGradient {
                what: "the tasks' cost".into(),
                reason: "it is opaque to automatic differentiation (`is_differentiable()` is false)".into(),
            });
        }
        let (named, vars): (_, Vec<Var>) = self.flat.tensors(theta, self.dtype, &self.device, true)?;
        let rule = (self.build)(VarBuilder::from_tensors(named, self.dtype, &self.device))?;
        let loss = self.run(&rule, state, &task, steps)?;
        self.flat.collect(&loss.backward()?, &vars, gradient)?;
        self.value(&loss)
    }

    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        self.flat.layout.clone()
    }
}
