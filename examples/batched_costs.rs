//! Many tasks in lock step, with one tensor expression for all their costs.
//!
//! `cargo run --example batched_costs`

use candle_core::{DType, Device, Tensor};
use dro_core::search::{Fleet, Frame, Method};

const TASKS: usize = 64;
const CANDIDATES: usize = 8;
const DIM: usize = 4;

fn main() -> anyhow::Result<()> {
    // Any device: the candidates are made there and the costs stay there; only the totals come back.
    let device = Device::Cpu;
    // Every task hides its own point in the box.
    let hidden: Vec<f32> = (0..TASKS * DIM).map(|i| 0.1 + 0.8 * ((i * 37 % 101) as f32 / 101.0)).collect();
    let hidden = Tensor::from_vec(hidden, (TASKS, 1, DIM), &device)?;

    for method in [Method::CmaEs, Method::Random] {
        let searches =
            (0..TASKS as u64).map(|seed| method.build(&Frame::unit(DIM), seed)).collect::<Result<_, _>>()?;
        let mut fleet = Fleet::new(searches)?;
        for round in 0..40 {
            // [task, candidate, dim] in, [task, candidate] out: a staircase of 0.001.
            let xs = fleet.ask_tensor(CANDIDATES, DType::F32, &device)?;
            let totals = (xs.broadcast_sub(&hidden)?.sqr()?.sum(2)? * 1e3)?.floor()?;
            fleet.tell_tensor(&(totals / 1e3)?)?;
            if round % 13 == 0 {
                let best = fleet.searches().iter().filter_map(|search| Some(search.best()?.cost));
                let mean = best.sum::<f64>() / TASKS as f64;
                println!(
                    "{method}: mean best of {TASKS} tasks after {:3} trials each: {mean:.4}",
                    (round + 1) * CANDIDATES
                );
            }
        }
    }
    Ok(())
}
