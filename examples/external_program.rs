//! The cost is another program, here a shell script; four copies run side by side.
//!
//! `cargo run --example external_program`

use std::{path::Path, time::Duration};

use dro_external::{ExternalCost, Program, Study, Variable, Variables};

fn main() -> anyhow::Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("external_program.sh");
    let program = Program::new(format!("sh '{}'", script.display())).jobs(4).timeout(Duration::from_secs(30));
    let variables = Variables::new(vec![
        Variable::real("a", -2.0, 2.0),
        Variable::real("b", -2.0, 2.0),
        Variable::categorical("mode", ["slow", "fast"]),
    ])?;

    // A few points by hand: two numbers and the index of the choice.
    let cost = ExternalCost::new(variables.clone(), &program)?;
    let points = [vec![1.0, -0.5, 1.0], vec![0.0, 0.0, 0.0], vec![-2.0, 0.0, 0.0]];
    for (x, finished) in points.iter().zip(cost.evaluate_all(&points)?) {
        match finished.cost {
            Ok(cost) => println!("{x:?}: {cost}"),
            Err(failure) => println!("{x:?}: failed, {}", failure.reason),
        }
    }

    // The whole search. What it finds depends on the seed and the batch, not on the number of copies.
    let report = Study::new(variables).seed(1).batch(4).evaluations(80).minimize(&program, None, &mut ())?;
    let best = report.best()?;
    println!("{}", report.termination);
    println!("best of {}: {} at {}", report.evaluations.len(), best.cost.unwrap_or(f64::NAN), best.x);
    anyhow::ensure!(best.cost.is_some_and(|cost| cost < 0.5), "not found: {best:?}");
    Ok(())
}
