//! A cost that counts: a line through points of which most are wrong, scored by how many it misses.
//!
//! The count is flat wherever it does not jump, so there is no gradient to follow. All methods run on it with the same
//! number of evaluations.
//!
//! `cargo run --example non_differentiable_cost`

use dro_core::{
    Block, Space,
    search::{Method, Run},
};

/// Points on y = 0.7 x − 0.2, but for six in ten that lie anywhere.
fn points() -> Vec<(f64, f64)> {
    let scatter = |i: usize, k: usize| ((i * k) % 211) as f64 / 105.0 - 1.0;
    (0..200)
        .map(|i| {
            let x = scatter(i, 73);
            if i % 5 < 2 { (x, 0.7 * x - 0.2 + 0.01 * scatter(i, 31)) } else { (x, 1.5 * scatter(i, 97)) }
        })
        .collect()
}

fn main() -> anyhow::Result<()> {
    let points = points();
    let missed = |v: &[f64]| {
        let near = points.iter().filter(|(x, y)| (v[0] * x + v[1] - y).abs() < 0.02).count();
        (points.len() - near) as f64
    };
    let space =
        Space::new(vec![Block::bounded("slope", [1], -3.0, 3.0), Block::bounded("offset", [1], -2.0, 2.0)])?;
    println!("the line that made the points misses {} of {}", missed(&[0.7, -0.2]), points.len());
    println!("{:24} {:>6} {:>8} {:>8}", "method", "missed", "slope", "offset");
    for method in Method::ALL {
        let found = Run::new(&space).method(*method).evaluations(400).seed(2).minimize(missed)?;
        if let Some(best) = &found.best {
            println!("{:24} {:6} {:8.3} {:8.3}", method.name(), found.best_cost, best[0], best[1]);
        }
    }
    Ok(())
}
