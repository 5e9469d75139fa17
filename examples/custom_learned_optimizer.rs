//! An update rule of one's own: what `LearnedOptimizer` asks for, trained by evolution strategies on a cost that counts.
//!
//! `cargo run --example custom_learned_optimizer`

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use dro_core::{Block, BlockId, Cost, CostFunction, LearnedOptimizer, Memory, Point, Space};
use dro_train::{
    Es, EstimatorConfig, RateSchedule, Settings, Shaping, TaskFamily, TensorLoss, TensorTask, TensorUnroll,
    Trainer, Unroll, Validation,
};

/// Run and tumble, as bacteria do, with its habits learned: while the cost falls keep the heading, else turn and change
/// the stride.
struct RunAndTumble {
    /// Turn in radians, the factor of the stride after a tumble, and the one after a success (as a logarithm).
    habits: Tensor,
}

impl RunAndTumble {
    fn new(vb: VarBuilder) -> dro_core::Result<Self> {
        Ok(Self { habits: vb.get(3, "habits")? })
    }
}

impl LearnedOptimizer for RunAndTumble {
    /// Per batch element: heading and stride (dx, dy), and the last cost.
    fn init(&self, start: &Tensor, _context: Option<&Tensor>) -> dro_core::Result<Memory> {
        let first = Tensor::new(&[[0.3f32, 0.0, f32::INFINITY]], start.device())?;
        Ok(Memory { hidden: first.repeat((start.dim(0)?, 1))?, context: None })
    }

    fn update(&self, memory: &Memory, _x: &Tensor, cost: &Cost) -> dro_core::Result<(Memory, Tensor)> {
        let habits = self.habits.to_vec1::<f32>()?;
        let (sin, cos) = habits[0].sin_cos();
        let mut hidden = memory.hidden.to_vec2::<f32>()?;
        for (h, now) in hidden.iter_mut().zip(cost.total.to_vec1::<f32>()?) {
            let (dx, dy) = (h[0], h[1]);
            let scale = if now < h[2] { habits[2].exp() } else { habits[1].exp() };
            (h[0], h[1]) = if now < h[2] {
                (scale * dx, scale * dy)
            } else {
                (scale * (cos * dx - sin * dy), scale * (sin * dx + cos * dy))
            };
            h[2] = now;
        }
        let hidden = Tensor::new(hidden, memory.hidden.device())?;
        Ok((memory.next(hidden.clone()), hidden.narrow(1, 0, 2)?))
    }
}

/// How many of 40 points are farther than 0.2 from a point: the cost of finding where most of them are. Flat almost
/// everywhere.
struct Crowd {
    space: Space,
    crowds: Vec<Vec<[f32; 2]>>,
}

impl CostFunction for Crowd {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let rows = at.get(block).to_vec2::<f32>()?;
        let far = |row: &[f32], crowd: &[[f32; 2]]| {
            crowd.iter().filter(|p| (p[0] - row[0]).hypot(p[1] - row[1]) > 0.2).count() as f32
        };
        let totals: Vec<f32> = rows.iter().zip(&self.crowds).map(|(row, crowd)| far(row, crowd)).collect();
        Ok(Cost { total: Tensor::new(totals, at.device())?, map: None })
    }
}

/// Crowds at random places.
struct Crowds;

impl TaskFamily for Crowds {
    fn sample(&self, seed: u64) -> dro_train::Result<TensorTask> {
        // A task's numbers follow from its seed and from nothing else.
        let number = |i: u64| {
            let x = (seed ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f32 / (1u64 << 24) as f32
        };
        let crowd = |b: u64| {
            let centre = [0.8 * number(1000 * b) - 0.4, 0.8 * number(1000 * b + 1) - 0.4];
            let spread = |i: u64| number(1000 * b + i) + number(1000 * b + i + 100) - 1.0;
            (1..41).map(|i| [centre[0] + 0.6 * spread(2 * i), centre[1] + 0.6 * spread(2 * i + 1)]).collect()
        };
        let space = Space::new(vec![Block::bounded("x", [2], -1.0, 1.0)])?;
        let start = space.point(vec![Tensor::zeros((16, 2), candle_core::DType::F32, &Device::Cpu)?])?;
        let cost = Box::new(Crowd { space, crowds: (0..16).map(crowd).collect() });
        Ok(TensorTask { cost, start, context: None, target: None })
    }

    fn horizon(&self) -> usize {
        20
    }
}

fn main() -> anyhow::Result<()> {
    let unroll = TensorUnroll::new(RunAndTumble::new, Crowds, TensorLoss::Regret { discount: 1.0 })?;

    // The cost counts, so that it has no gradient: evolution strategies need none.
    let estimator =
        EstimatorConfig::Es(Es { pairs: 8, tasks: 2, sigma: 0.1, shaping: Shaping::Rank }).build()?;
    let settings = Settings {
        steps: 100,
        schedule: RateSchedule { rate: 0.05, ..RateSchedule::default() },
        validation: Validation { every: 20, tasks: 16, ..Validation::default() },
        ..Settings::default()
    };
    // Hand-written habits to begin with: turn by 2.2, shorten the stride by a fifth, and keep it after a success.
    let mut trainer = Trainer::new(&unroll, estimator, settings)?.starting_from(vec![2.2, -0.2, 0.0])?;
    let before = trainer.validate()? / 20.0;
    for _ in 0..100 {
        trainer.step()?;
    }
    let after = trainer.best().map_or(before, |best| best.score / 20.0);
    println!("points missed, mean over a run: {before:.2} by hand, {after:.2} learned");
    println!("habits (turn, stride after a tumble, after a success): {:.2?}", trainer.weights());
    println!("{} parameters: {:?}", unroll.parameters(), unroll.layout());
    anyhow::ensure!(after < before - 0.5, "nothing was learned: {before} -> {after}");
    Ok(())
}
