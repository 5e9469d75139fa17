//! An expensive simulation, evaluated on all cores: a batch of trials at a time, with a time limit, patience and a
//! checkpoint to go on from.
//!
//! `cargo run --example parallel_expensive_cost`

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use dro_core::{
    Block, Space,
    search::{Method, Run},
};

/// A ball thrown with drag: how far from the target it lands, in metres. One trial takes some milliseconds.
fn miss_m(v: &[f64]) -> f64 {
    let (speed, angle_rad, spin) = (v[0], v[1], v[2]);
    let dt = 1e-5;
    let (mut x, mut y, mut vx, mut vy) = (0.0, 1.5, speed * angle_rad.cos(), speed * angle_rad.sin());
    while y > 0.0 {
        let drag = 0.01 * f64::hypot(vx, vy);
        (vx, vy) = (vx - dt * (drag * vx + spin * vy), vy - dt * (9.81 + drag * vy - spin * vx));
        (x, y) = (x + dt * vx, y + dt * vy);
        if x > 500.0 {
            // It never comes down: a failed evaluation is data.
            return f64::NAN;
        }
    }
    // Measured to the centimetre, plus a price for speed.
    ((x - 60.0).abs() * 100.0).round() / 100.0 + 0.02 * speed
}

fn main() -> anyhow::Result<()> {
    let space = Space::new(vec![
        Block::bounded("speed", [1], 5.0, 80.0),
        Block::bounded("angle_rad", [1], 0.0, 1.5),
        Block::bounded("spin", [1], 0.0, 0.3),
    ])?;
    let calls = AtomicUsize::new(0);
    let cost = |v: &[f64]| {
        calls.fetch_add(1, Ordering::Relaxed);
        miss_m(v)
    };
    // The result depends on the batch and the seed, and not on the number of threads.
    let run = || {
        Run::new(&space).method(Method::CmaEs).seed(4).batch(8).patience(200).time(Duration::from_secs(30))
    };

    let mut saved = None;
    let early = run()
        .evaluations(80)
        .checkpoint(40, |state| {
            saved = Some(serde_json::to_string(&state).map_err(dro_core::Error::outside)?);
            Ok(())
        })
        .minimize(cost)?;
    println!("{}: best {:.3}", early.termination, early.best_cost);

    let state = serde_json::from_str(&saved.ok_or_else(|| anyhow::anyhow!("no checkpoint was written"))?)?;
    let found = run()
        .evaluations(400)
        .resume(state)
        .observe(|e| {
            if e.trial % 80 == 0 {
                println!("trial {:3}: {:8.3}, best {:?}", e.trial, e.cost, e.best_cost);
            }
            ControlFlow::Continue(())
        })
        .minimize(cost)?;
    println!("{}: best {:.3} at {:.3?}", found.termination, found.best_cost, found.best);
    println!("{} calls for {} evaluations", calls.into_inner(), found.evaluations);
    Ok(())
}
