//! How far the searches get.

use nalgebra::DMatrix;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::search::{Frame, Method};

/// A bowl turned in space, its axes' curvatures from 1 to `condition`, in steps of `quantum`, its bottom (cost 0)
/// anywhere well inside the box.
pub(super) struct Bowl {
    axes: DMatrix<f64>,
    bottom: Vec<f64>,
    condition: f64,
    quantum: f64,
}

impl Bowl {
    pub(super) fn random(dim: usize, condition: f64, quantum: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let normal = DMatrix::from_fn(dim, dim, |_, _| rng.sample::<f64, _>(StandardNormal));
        let bottom = (0..dim).map(|_| rng.random_range(0.15..0.85)).collect();
        Self { axes: normal.qr().q(), bottom, condition, quantum }
    }

    pub(super) fn at(&self, x: &[f64]) -> f64 {
        let n = x.len();
        let cost = (0..n)
            .map(|k| {
                let along: f64 = (0..n).map(|j| self.axes[(j, k)] * (x[j] - self.bottom[j])).sum();
                self.condition.powf(k as f64 / (n.max(2) - 1) as f64) * along * along
            })
            .sum::<f64>();
        if self.quantum > 0.0 { (cost / self.quantum).floor() * self.quantum } else { cost }
    }
}

fn best(method: Method, bowl: &Bowl, evaluations: usize, seed: u64) -> f64 {
    let dim = bowl.bottom.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = (0..dim).map(|_| rng.random()).collect();
    let mut search = method.build(&Frame { start, boxed: vec![true; dim] }, seed).unwrap();
    let mut x = vec![0.0; dim];
    for _ in 0..evaluations {
        let id = search.ask(&mut x).unwrap();
        search.tell(id, bowl.at(&x)).unwrap();
    }
    search.best().unwrap().cost
}

/// The worst of twelve bowls, each from a random start.
fn worst(method: Method, (dim, condition, quantum): (usize, f64, f64), evaluations: usize) -> f64 {
    (0..12)
        .map(|seed| best(method, &Bowl::random(dim, condition, quantum, seed), evaluations, seed))
        .fold(0.0, f64::max)
}

#[test]
fn quantised_bowls_are_descended_from_random_starts() {
    // A random start costs about 1: a thousand steps above the bottom.
    let steps = (5, 10.0, 1e-3);
    for method in Method::ALL {
        let found = worst(*method, steps, 200 * 5);
        match method {
            // No descent: the baseline that shows that the others' is not luck.
            Method::Random => assert!(found > 0.02, "{found}"),
            _ => assert!(found <= 2e-3, "{method}: {found}"),
        }
    }
}

#[test]
fn smooth_bowls_are_descended_as_far_as_the_method_can() {
    for (method, evaluations, tolerance) in [
        (Method::CmaEs, 1000, 1e-9),
        (Method::NelderMead, 1000, 1e-9),
        (Method::OnePlusOneEs, 1000, 1e-3),
        (Method::DifferentialEvolution, 1000, 1e-3),
        // The swarm's speed and SPSA's gains shrink by their own clocks.
        (Method::ParticleSwarm, 1000, 1e-2),
        (Method::Spsa, 1000, 0.3),
    ] {
        let found = worst(method, (5, 100.0, 0.0), evaluations);
        assert!(found <= tolerance, "{method}: {found}");
    }
}

#[test]
fn only_the_covariance_follows_a_narrow_valley() {
    let valley = (8, 1e6, 0.0);
    let with = worst(Method::CmaEs, valley, 3000);
    let without = worst(Method::OnePlusOneEs, valley, 3000);
    assert!(with < 1e-3 && without > 100.0 * with, "{with} {without}");
}

#[test]
fn cma_es_leaves_a_local_minimum_by_restarting() {
    // Rastrigin in two dimensions, 121 minima; the lowest is at 0.62.
    let cost = |x: &[f64]| {
        x.iter()
            .map(|x| {
                let v = 10.0 * (x - 0.62);
                v * v + 10.0 * (1.0 - (std::f64::consts::TAU * v).cos())
            })
            .sum::<f64>()
    };
    for seed in 0..6 {
        let mut search =
            Method::CmaEs.build(&Frame { start: vec![0.05; 2], boxed: vec![true; 2] }, seed).unwrap();
        let mut x = [0.0; 2];
        for _ in 0..6000 {
            let id = search.ask(&mut x).unwrap();
            search.tell(id, cost(&x)).unwrap();
        }
        let found = search.best().unwrap().cost;
        assert!(found < 1e-6, "seed {seed}: {found}");
    }
}

#[test]
fn a_minimum_in_a_corner_of_the_box_is_reached() {
    for method in Method::ALL {
        let mut search = method.build(&Frame::unit(4), 3).unwrap();
        let mut x = [0.0; 4];
        for _ in 0..1200 {
            let id = search.ask(&mut x).unwrap();
            search.tell(id, x.iter().sum()).unwrap();
        }
        let found = search.best().unwrap().cost;
        let tolerance = if *method == Method::Random { 1.0 } else { 0.02 };
        assert!(found < tolerance, "{method}: {found}");
    }
}

#[test]
fn batches_and_late_tells_still_converge() {
    // Sixteen workers, told in the order of their trials' costs modulo something: any order.
    for method in Method::ALL {
        if *method == Method::Random {
            continue;
        }
        let bowl = Bowl::random(4, 10.0, 1e-3, 5);
        let mut search = method.build(&Frame::unit(4), 5).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut x, mut open) = (vec![0.0; 4], Vec::new());
        for _ in 0..6000 {
            let id = search.ask(&mut x).unwrap();
            open.push((id, bowl.at(&x)));
            if open.len() == 16 {
                let (id, cost) = open.swap_remove(rng.random_range(0..16));
                search.tell(id, cost).unwrap();
            }
        }
        let found = search.best().unwrap().cost;
        assert!(found <= 5e-3, "{method}: {found}");
    }
}
