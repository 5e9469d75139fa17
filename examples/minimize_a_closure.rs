//! Any cost that can be evaluated, minimized without its gradient.
//!
//! `cargo run --example minimize_a_closure`

use candle_core::{Device, Tensor};
use dro_core::{Budget, CostFunction, Schedule, Trajectory, baselines::OnePlusOneEs, cost_fn, minimize};

fn main() -> anyhow::Result<()> {
    // A staircase: its gradient is zero wherever it exists. It fails (NaN) on a part of the plane.
    let cost = cost_fn(2, |x| {
        let distance = (x[0] - 3.0).hypot(x[1] + 1.0);
        if x[0] < -4.5 { f64::NAN } else { (distance * 20.0).floor() / 20.0 }
    })?;

    // Eight independent starts travel in one batch.
    let starts: Vec<f32> = (0..8u8).flat_map(|i| [f32::from(i) - 4.0, 4.0 - f32::from(i)]).collect();
    let start = cost.space().point(vec![Tensor::from_vec(starts, (8, 2), &Device::Cpu)?])?;

    let x = cost.space().id("x")?;
    let mut optimizer = OnePlusOneEs::new(cost.space(), 1.0, 42);
    let mut curve = Trajectory::new();
    let schedule = Schedule::single(x, 300);
    let solution = minimize(&cost, &mut optimizer, &start, &schedule, &Budget::default(), &mut [&mut curve])?;

    println!("{}", solution.termination);
    let (best, total) = (solution.best.get(x).to_vec2::<f32>()?, solution.best_total.to_vec1::<f32>()?);
    for (i, (best, total)) in best.iter().zip(&total).enumerate() {
        let first = curve.records.first().map_or(f32::NAN, |record| record.total[i]);
        println!("start {i}: cost {first:.2} -> {total:.2} at ({:.2}, {:.2})", best[0], best[1]);
    }
    anyhow::ensure!(total.iter().all(|&t| t <= 0.05), "a start did not converge: {total:?}");
    Ok(())
}
