//! One search on one function.

use dro_core::search::{Frame, Method};

use crate::{Result, functions::BlackBox};

/// The lowest value after each of `evaluations` evaluations, one trial at a time; infinite while none was finite.
///
/// # Errors
/// As the search's.
pub fn best_so_far(f: &dyn BlackBox, method: Method, evaluations: usize, seed: u64) -> Result<Vec<f64>> {
    let mut search = method.build(&Frame::unit(f.dim()), seed)?;
    let mut u = vec![0.5; f.dim()];
    let mut best = f64::INFINITY;
    let mut curve = Vec::with_capacity(evaluations);
    for _ in 0..evaluations {
        let trial = search.ask(&mut u)?;
        let value = f.value(&u);
        search.tell(trial, value)?;
        if value < best {
            best = value;
        }
        curve.push(best);
    }
    Ok(curve)
}
