//! What one proposal costs.
//!
//! `cargo bench -p dro-core --bench ask_tell`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dro_core::search::{Fleet, Frame, Method, Search};

const DIM: usize = 10;
/// Evaluations before the clock starts.
const WARM_UP: usize = 50;
/// Searches in lock step.
const FLEET: usize = 1024;

fn quadratic(x: &[f64]) -> f64 {
    x.iter().enumerate().map(|(i, x)| (i + 1) as f64 * (x - 0.3).powi(2)).sum()
}

fn warm(method: Method, seed: u64) -> Box<dyn Search> {
    let mut search = match method.build(&Frame::unit(DIM), seed) {
        Ok(search) => search,
        Err(error) => unreachable!("{error}"),
    };
    let mut x = [0.0; DIM];
    (0..WARM_UP).for_each(|_| step(&mut *search, &mut x));
    search
}

fn step(search: &mut dyn Search, x: &mut [f64]) {
    let told = search.ask(x).and_then(|trial| search.tell(trial, quadratic(x)));
    assert!(told.is_ok());
}

/// One ask and one tell at d = 10, the cost included (a few nanoseconds).
fn one(c: &mut Criterion) {
    let mut group = c.benchmark_group("ask_tell_d10");
    for method in Method::ALL {
        let mut x = [0.0; DIM];
        // Fresh searches again and again, so that none runs into its restarts: the mean over 100 steps each.
        group.throughput(Throughput::Elements(100));
        group.bench_function(method.name(), |b| {
            b.iter_batched_ref(
                || warm(*method, 1),
                |search| (0..100).for_each(|_| step(&mut **search, black_box(&mut x))),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// 1,024 searches in lock step: proposals a second, all cores.
fn fleet(c: &mut Criterion) {
    let mut group = c.benchmark_group("fleet_1024_d10");
    group.sample_size(20);
    group.throughput(Throughput::Elements(10 * FLEET as u64));
    for method in Method::ALL {
        let mut costs = vec![0.0; FLEET];
        group.bench_function(method.name(), |b| {
            b.iter_batched_ref(
                || {
                    let mut xs = vec![0.0; FLEET * DIM];
                    let fleet = Fleet::new((0..FLEET as u64).map(|seed| warm(*method, seed)).collect());
                    let Ok(mut fleet) = fleet else { unreachable!("the fleet is not empty") };
                    assert!(fleet.ask(&mut xs).is_ok());
                    (fleet, xs)
                },
                |(fleet, xs)| {
                    for _ in 0..10 {
                        costs.iter_mut().zip(xs.chunks(DIM)).for_each(|(cost, x)| *cost = quadratic(x));
                        assert!(fleet.step(&costs, xs).is_ok());
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, one, fleet);
criterion_main!(benches);
