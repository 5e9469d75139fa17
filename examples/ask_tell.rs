//! Ask for trials and tell their costs whenever they are known: for costs that this program does not call itself.
//!
//! `cargo run --example ask_tell`

use dro_core::{
    Block, Space,
    search::{Encoding, Method},
};

fn main() -> anyhow::Result<()> {
    let space = Space::new(vec![
        Block::log("learning_rate", [1], 1e-5, 1.0),
        Block::integer("layers", [1], 1, 8),
        Block::categorical("activation", [1], ["relu", "tanh", "none"]),
    ])?;
    // A search works on coordinates in [0, 1]; the encoding turns them into values.
    let encoding = Encoding::new(&space)?;
    let mut search = Method::ALL[0].build(&encoding.frame(), 1)?;
    println!("method {search}, {dim} coordinates", search = search.name(), dim = search.dim());

    let (mut u, mut values) = (vec![0.0; search.dim()], Vec::new());
    for round in 0..25 {
        // Four trials at once, told in another order; the first one of every fifth round is lost on its way.
        let mut trials = Vec::new();
        for _ in 0..4 {
            let id = search.ask(&mut u)?;
            encoding.decode(&u, &mut values)?;
            trials.push((id, validation_error(&values)));
        }
        for (i, (id, cost)) in trials.into_iter().enumerate().rev() {
            search.tell(id, if round % 5 == 0 && i == 0 { f64::NAN } else { cost })?;
        }

        // The whole state is a JSON value: kill the program here and go on from the file.
        let text = search.state()?.to_string();
        search = Method::restore(serde_json::from_str(&text)?)?;

        if round % 6 == 0
            && let Some(best) = search.best()
        {
            encoding.decode(best.x, &mut values)?;
            println!(
                "after {:3} trials: {:.4} at {values:.4?} (trial {})",
                4 * (round + 1),
                best.cost,
                best.trial
            );
        }
    }
    Ok(())
}

/// What a training run would report: best at a rate of 3e-3, four layers and the second activation.
fn validation_error(v: &[f64]) -> f64 {
    let rate = (v[0].log10() - 3e-3f64.log10()).abs();
    0.05 + 0.1 * rate + 0.02 * (v[1] - 4.0).abs() + if v[2] == 1.0 { 0.0 } else { 0.08 }
}
