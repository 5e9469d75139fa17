//! A learned optimizer of one's own: trained in seconds on one kind of problem, then used on one it has not seen.
//!
//! `cargo run --example train_your_own`

use dro_core::{Bound, Budget, Schedule, minimize, rules::DenseGru};
use dro_train::{
    Bptt, EstimatorConfig, GpSamples, RateKind, RateSchedule, Settings, TaskFamily, TensorLoss, TensorUnroll,
    Trainer, Unroll, Validation, load_weights, save_weights,
};

/// Evaluations that a run may spend beyond the start.
const EVALUATIONS: usize = 20;

fn main() -> anyhow::Result<()> {
    // What it is trained on: smooth random functions of two variables in [0, 1]. A family of your own is a
    // `TaskFamily` that samples your costs.
    let family = GpSamples { dim: 2, batch: 32, horizon: EVALUATIONS, ..GpSamples::default() };

    // What is trained, and what it must make small: the best cost so far, summed over the run.
    let loss = TensorLoss::Regret { discount: 0.95 };
    let unroll = TensorUnroll::new(|vb| DenseGru::new(2, 16, vb), family.clone(), loss)?;

    // How: back-propagation through whole runs. Costs without a gradient take `Es` or `Pes` here, and nothing else
    // changes.
    let estimator = EstimatorConfig::Bptt(Bptt { tasks: 1, truncation: EVALUATIONS }).build()?;
    let settings = Settings {
        seed: 1,
        steps: 200,
        schedule: RateSchedule { kind: RateKind::Cosine, rate: 0.02, warm_up: 10, ..RateSchedule::default() },
        validation: Validation { every: 50, tasks: 4, ..Validation::default() },
        ..Settings::default()
    };
    let mut trainer = Trainer::new(&unroll, estimator, settings)?;
    let before = trainer.validate()?;
    println!("before: {before:.3} on held-out tasks");
    for _ in 0..200 {
        if let (step, Some(validation)) = trainer.step().map(|report| (report.step, report.validation))? {
            println!("step {step}: {validation:.3}");
        }
    }

    // The weights as a file, and back.
    let folder = std::env::temp_dir().join(format!("dro-train-your-own-{}", std::process::id()));
    let path = folder.join("weights.safetensors");
    save_weights(&path, &unroll.layout(), trainer.weights(), &[("about", "an example")])?;
    let rule = unroll.rule(&load_weights(&path, &unroll.layout())?)?;
    std::fs::remove_dir_all(&folder)?;

    // Used on functions that training has not seen.
    let task = family.sample(123_456_789)?;
    let space = task.cost.space();
    let x = space.id("x")?;
    let mut optimizer = Bound::new(space).with("x", &rule, &task.start, None)?;
    let schedule = Schedule::single(x, EVALUATIONS + 1);
    let found = minimize(&*task.cost, &mut optimizer, &task.start, &schedule, &Budget::default(), &mut [])?;
    let mean = |totals: Vec<f32>| totals.iter().sum::<f32>() / totals.len() as f32;
    let start = mean(task.cost.evaluate(&task.start, x)?.total.to_vec1()?);
    let end = mean(found.best_total.to_vec1()?);
    println!(
        "mean cost of 32 new functions: {start:.3} at the start, {end:.3} after {EVALUATIONS} evaluations"
    );
    anyhow::ensure!(end < start - 0.8, "nothing was learned: {start} -> {end}");
    Ok(())
}
