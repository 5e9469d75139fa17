//! Back-propagation through rules on tensors: exact where there is a gradient, refused where there is none.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use dro_core::{
    Block, BlockId, Cost, CostFunction, LearnedOptimizer, Memory, Point, Space,
    rules::{ConvGruMap, DenseGru},
};

use crate::{
    Bptt, Error, Es, EstimatorConfig, GpSamples, RateSchedule, Result, Settings, TaskFamily, TensorLoss,
    TensorTask, TensorUnroll, Trainer, Unroll, Validation,
};

/// Maps that must become their targets; the cost is counted in steps of 0.1, and so has no gradient.
struct Maps;

struct Steps {
    space: Space,
    target: Tensor,
}

impl CostFunction for Steps {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let x = at.get(block).detach();
        let map = (((x - self.target.to_dtype(at.get(block).dtype())?)? * 10.0)?.round()? * 0.1)?;
        Ok(Cost { total: map.abs()?.mean((1, 2, 3))?, map: Some(map) })
    }
}

impl TaskFamily for Maps {
    fn sample(&self, seed: u64) -> Result<TensorTask> {
        let shift = (seed % 1000) as f64 / 1000.0;
        let ramp = Tensor::arange(0f32, 32.0, &Device::Cpu)?.affine(0.7, shift)?.sin()?;
        let target = ramp.reshape((2, 1, 4, 4))?;
        let space = Space::new(vec![Block::real("map", [1, 4, 4])])?;
        let start = space.point(vec![target.zeros_like()?])?;
        let cost = Box::new(Steps { space, target: target.clone() });
        Ok(TensorTask { cost, start, context: None, target: Some(target) })
    }

    fn horizon(&self) -> usize {
        4
    }
}

/// θ with no zero in it.
fn theta(unroll: &impl Unroll) -> Vec<f32> {
    let wobble = |i: usize| 0.3 * (1.7 * i as f32).sin();
    unroll.initial(1).iter().enumerate().map(|(i, t)| t + wobble(i)).collect()
}

/// All derivatives against central differences, relative to the gradient's size.
#[track_caller]
fn assert_gradient(unroll: &impl Unroll, steps: usize) {
    let theta = theta(unroll);
    let loss = |theta: &[f32]| {
        let mut state = unroll.begin(theta, 7, steps).unwrap();
        unroll.advance(theta, &mut state, steps).unwrap()
    };
    let mut gradient = vec![f32::NAN; theta.len()];
    let mut state = unroll.begin(&theta, 7, steps).unwrap();
    let value = unroll.gradient(&theta, &mut state, steps, &mut gradient).unwrap();
    assert_eq!(value, loss(&theta));
    let size = gradient.iter().fold(0f64, |size, g| size.max(f64::from(g.abs())));
    assert!(size > 1e-3, "{gradient:?}");
    for (i, g) in gradient.iter().enumerate() {
        let at = |h: f32| {
            let mut theta = theta.clone();
            theta[i] += h;
            (f64::from(theta[i]), loss(&theta))
        };
        let ((t0, l0), (t1, l1)) = (at(-1e-4), at(1e-4));
        let expected = (l1 - l0) / (t1 - t0);
        assert!((f64::from(*g) - expected).abs() < 1e-5 * size, "{i}: {g} {expected}");
    }
}

fn dense(loss: TensorLoss) -> impl Unroll {
    let family = GpSamples { dim: 2, batch: 3, horizon: 5, ..GpSamples::default() };
    let unroll = TensorUnroll::new(|vb| DenseGru::new(2, 3, vb), family, loss).unwrap();
    unroll.on(DType::F64, &Device::Cpu)
}

#[test]
fn gradients_through_the_cost_are_those_of_central_differences() {
    assert_gradient(&dense(TensorLoss::Sum {}), 5);
    assert_gradient(&dense(TensorLoss::Final {}), 5);
    assert_gradient(&dense(TensorLoss::ObservedImprovement {}), 5);
    assert_gradient(&dense(TensorLoss::Regret { discount: 0.8 }), 5);
    // A piece of one update reaches every parameter too.
    assert_gradient(&dense(TensorLoss::Sum {}), 1);
}

#[test]
fn supervised_gradients_pass_an_opaque_cost_by() {
    let loss = TensorLoss::Supervised { discount: 0.8 };
    let maps = TensorUnroll::new(|vb| ConvGruMap::new(1, 1, 0, 2, vb), Maps, loss).unwrap();
    let maps = maps.on(DType::F64, &Device::Cpu);
    // The first update sees only the start: the cost's steps play no part in how the loss changes.
    assert_gradient(&maps, 1);

    let maps = TensorUnroll::new(|vb| ConvGruMap::new(1, 1, 0, 6, vb), Maps, loss).unwrap();
    let estimator = EstimatorConfig::Bptt(Bptt { tasks: 2, truncation: 4 });
    let schedule = RateSchedule { rate: 0.01, ..RateSchedule::default() };
    let validation = Validation { every: 20, tasks: 3, ..Validation::default() };
    let settings = Settings { steps: 60, schedule, validation, ..Settings::default() };
    let mut trainer = Trainer::new(&maps, estimator.build().unwrap(), settings).unwrap();
    let before = trainer.validate().unwrap();
    (0..60).for_each(|_| assert!(trainer.step().unwrap().loss.is_finite()));
    let after = trainer.best().unwrap().score;
    assert!(after < 0.3 * before, "{after} from {before}");
}

#[test]
fn an_opaque_cost_is_refused_and_never_silently_flat() {
    let unroll = TensorUnroll::new(|vb| ConvGruMap::new(1, 1, 0, 2, vb), Maps, TensorLoss::Sum {}).unwrap();
    let theta = unroll.initial(0);
    let mut state = unroll.begin(&theta, 1, 4).unwrap();
    let mut gradient = vec![0.0; theta.len()];
    let error = unroll.gradient(&theta, &mut state, 4, &mut gradient).unwrap_err();
    assert!(matches!(error, Error::NoGradient { .. }), "{error}");
    for part in ["\"es\"", "\"pes\"", "supervised", "is_differentiable"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // By its values it can be trained.
    let es = EstimatorConfig::Es(Es { pairs: 2, ..Es::default() });
    let mut trainer = Trainer::new(&unroll, es.build().unwrap(), Settings::default()).unwrap();
    assert!(trainer.step().unwrap().gradient_norm > 0.0);
}

/// Has a parameter that it never uses.
struct Idle(DenseGru);

impl LearnedOptimizer for Idle {
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> dro_core::Result<Memory> {
        self.0.init(start, context)
    }

    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        self.0.update(memory, x, cost)
    }
}

#[test]
fn a_parameter_without_a_gradient_is_named() {
    let build = |vb: VarBuilder| {
        vb.get(3, "idle.bias")?;
        Ok(Idle(DenseGru::new(2, 3, vb)?))
    };
    let unroll = TensorUnroll::new(build, GpSamples::default(), TensorLoss::Sum {}).unwrap();
    let theta = unroll.initial(0);
    let mut state = unroll.begin(&theta, 1, 4).unwrap();
    let error = unroll.gradient(&theta, &mut state, 4, &mut vec![0.0; theta.len()]).unwrap_err();
    assert!(matches!(&error, Error::Unreached { name } if name == "idle.bias"), "{error}");
}

#[test]
fn pieces_and_saved_states_add_up_to_the_whole() {
    for loss in [TensorLoss::Regret { discount: 0.8 }, TensorLoss::ObservedImprovement {}, TensorLoss::Sum {}]
    {
        let unroll = dense(loss);
        let theta = theta(&unroll);
        let mut whole = unroll.begin(&theta, 3, 5).unwrap();
        let total = unroll.advance(&theta, &mut whole, 5).unwrap();
        let mut state = unroll.begin(&theta, 3, 5).unwrap();
        let mut sum = unroll.advance(&theta, &mut state, 2).unwrap();
        sum += unroll.advance(&theta, &mut state, 3).unwrap();
        assert!((total - sum).abs() < 1e-9, "{total} {sum}");
        assert!(total.abs() > 1e-3);
    }
}

#[test]
fn parameters_are_in_the_order_of_their_names_and_start_the_same_every_time() {
    let build = || TensorUnroll::new(|vb| DenseGru::new(2, 3, vb), GpSamples::default(), TensorLoss::Sum {});
    let (one, two) = (build().unwrap(), build().unwrap());
    let names: Vec<String> = one.layout().into_iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted() && names[0] == "gru.convq.bias" && names.len() == 8, "{names:?}");
    assert_eq!(one.layout(), two.layout());
    assert_eq!(one.initial(5), two.initial(5));
    assert_ne!(one.initial(5), one.initial(6));
    assert!(one.rule(&[0.0; 3]).is_err());
}
