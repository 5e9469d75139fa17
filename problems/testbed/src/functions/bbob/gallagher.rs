//! Functions 21 and 22: the highest of many random peaks (Gallagher & Yuan 2006).

use std::sync::Arc;

use super::{Formula, MAX_DIM, Setup, Vector, matrix::oscillated, matrix::outside, random};

/// How the peaks are drawn.
pub struct Peaks {
    count: usize,
    /// Conditioning of the best peak.
    condition: f64,
    /// Peaks are in `[−half, half]`, the best one in 0.8 of it.
    half: f64,
}

/// f21.
pub const MANY: Peaks = Peaks { count: 101, condition: 31.622776601683793, half: 5.0 };
/// f22.
pub const FEW: Peaks = Peaks { count: 21, condition: 1000.0, half: 4.9 };

/// Where one peak is, turned; how steep in each direction, and how high.
struct Peak {
    place: Vec<f64>,
    steepness: Vec<f64>,
    height: f64,
}

/// `10 − max` over the peaks, behind `T_osz`, squared.
pub fn peaks(setup: &Setup, kind: &Peaks) -> (Vector, Formula) {
    let (dim, turn) = (setup.dim, setup.q());
    let conditions = order(&random::uniform(kind.count - 1, setup.seed));
    let places = random::uniform(dim * kind.count, setup.seed);
    let mut best = [0.0; MAX_DIM];
    let mut peaks = Vec::with_capacity(kind.count);
    for (i, numbers) in places.chunks(dim).enumerate() {
        let share = |rank: usize| rank as f64 / (kind.count as f64 - 2.0);
        let (condition, height, squeeze) = match i.checked_sub(1) {
            None => (kind.condition, 10.0, 0.8),
            Some(rank) => (1000f64.powf(share(conditions[rank])), 1.1 + 8.0 * share(rank), 1.0),
        };
        let mut place = [0.0; MAX_DIM];
        for (place, u) in place.iter_mut().zip(numbers) {
            *place = squeeze * (2.0 * kind.half * u - kind.half);
        }
        if i == 0 {
            best = place;
        }
        let ranks = order(&random::uniform(dim, setup.seed + 1000 * i as i64));
        let steepness =
            ranks.iter().map(|&rank| condition.powf(rank as f64 / (dim as f64 - 1.0) - 0.5)).collect();
        peaks.push(Peak { place: turn.apply(&place)[..dim].to_vec(), steepness, height });
    }
    let formula = move |x: &[f64]| {
        let mut from = [0.0; MAX_DIM];
        from.iter_mut().zip(x).for_each(|(from, x)| *from = *x);
        let z = turn.apply(&from);
        let height = |peak: &Peak| {
            let terms = peak.place.iter().zip(&peak.steepness).zip(&z);
            let distance: f64 = terms.map(|((p, s), z)| s * (z - p).powi(2)).sum();
            peak.height * (-0.5 / x.len() as f64 * distance).exp()
        };
        let highest = peaks.iter().map(height).fold(0.0, f64::max);
        oscillated(10.0 - highest).powi(2) + outside(x)
    };
    (best, Arc::new(formula))
}

/// The places of the numbers from the smallest to the largest.
fn order(numbers: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..numbers.len()).collect();
    places.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    places
}
