//! One rule under all three estimators.

use candle_core::{DType, Device};
use dro_core::rules::DenseGru;

use crate::{
    Bptt, Es, EstimatorConfig, GpSamples, Moment, Pes, Result, Shaping, TaskFamily, Tasks, TensorLoss,
    TensorState, TensorTask, TensorUnroll, Unroll,
};

/// Every seed gives the same functions: then evolution strategies have one right answer.
struct One(GpSamples);

impl TaskFamily for One {
    fn sample(&self, _seed: u64) -> Result<TensorTask> {
        self.0.sample(11)
    }

    fn horizon(&self) -> usize {
        self.0.horizon
    }
}

/// The mean of the estimates of `steps` training steps at one θ.
fn mean<U: Unroll<State = TensorState>>(unroll: &U, config: EstimatorConfig, steps: u64) -> Vec<f64> {
    let mut estimator = config.build::<U>().unwrap();
    let wobble = |i: usize| 0.5 * (1.7 * i as f32).sin();
    let theta: Vec<f32> = unroll.initial(1).iter().enumerate().map(|(i, t)| t + wobble(i)).collect();
    let (mut tasks, mut sum) = (Tasks::new(0), vec![0.0; theta.len()]);
    for step in 0..steps {
        let mut at = Moment { theta: &theta, step, seed: 21, horizon: usize::MAX, tasks: &mut tasks };
        let found = estimator.estimate(unroll, &mut at).unwrap();
        assert_eq!(found.failed, 0);
        sum.iter_mut().zip(found.gradient).for_each(|(s, g)| *s += f64::from(g) / steps as f64);
    }
    sum
}

/// ‖found − expected‖ / ‖expected‖.
fn error(found: &[f64], expected: &[f64]) -> f64 {
    let apart: f64 = found.iter().zip(expected).map(|(f, e)| (f - e).powi(2)).sum();
    (apart / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
}

#[test]
fn evolution_strategies_agree_with_back_propagation() {
    let family = One(GpSamples { dim: 1, batch: 2, horizon: 4, features: 16, ..GpSamples::default() });
    let unroll = TensorUnroll::new(|vb| DenseGru::new(1, 1, vb), family, TensorLoss::Sum {}).unwrap();
    let unroll = unroll.on(DType::F64, &Device::Cpu);
    let exact = mean(&unroll, EstimatorConfig::Bptt(Bptt { tasks: 1, truncation: 4 }), 1);
    assert_eq!(exact.len(), 14);

    // With N pairs in all the relative error is near √(14/N): 0.12 for 1,000. The perturbations are small, as the
    // normalised second cost is a sign and jumps where the first two costs are equal.
    let es = EstimatorConfig::Es(Es { pairs: 100, tasks: 1, sigma: 0.001, shaping: Shaping::None });
    let off = error(&mean(&unroll, es, 10), &exact);
    assert!(off < 0.25, "{off}");

    // Two pieces of two updates make one gradient.
    let pes = EstimatorConfig::Pes(Pes { pairs: 100, truncation: 2, sigma: 0.001 });
    let found: Vec<f64> = mean(&unroll, pes, 16).iter().map(|g| 2.0 * g).collect();
    let off = error(&found, &exact);
    assert!(off < 0.25, "{off}");
}
