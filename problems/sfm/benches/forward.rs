//! One forward of the full network, and its parts: 320x960, 1 neighbour, m = 3, n = 4, hidden 128. And generated scenes.
//!
//! `cargo bench -p dro-sfm --bench forward`
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dro_core::{Budget, CostFunction, Coupling, LearnedOptimizer};
use dro_sfm::{
    Solver, Unwatched, Views,
    cost::{INVERSE_DEPTH, POSES},
    network::{DroNet, DroSolver, Iterations},
    scene::{Generated, GeneratedConfig},
    weights::{ModelConfig, formula_weights},
};
use dro_vision::{Pinhole, intrinsics_tensor};

const SIZE: (usize, usize) = (320, 960);

fn forward(c: &mut Criterion) {
    let device = Device::Cpu;
    let config = ModelConfig::from_version("it12-h-out", 0.2, 80.0, SIZE).unwrap();
    let net = DroNet::new(&config, formula_weights(&config).unwrap().var_builder(&device)).unwrap();
    let image = |seed: f64| {
        let count = (3 * SIZE.0 * SIZE.1) as f64;
        let wave = Tensor::arange(0.0, count, &device).unwrap().affine(12.9898, seed).unwrap().sin().unwrap();
        wave.affine(0.5, 0.5).unwrap().reshape((1, 3, SIZE.0, SIZE.1)).unwrap().to_dtype(DType::F32).unwrap()
    };
    let camera = Pinhole::from_fov_deg(80.0, SIZE.0, SIZE.1).unwrap();
    let views = Views { target: image(0.0), neighbours: vec![image(1.0)], camera };
    let intrinsics = intrinsics_tensor(&camera, 1, &device).unwrap();

    let mut group = c.benchmark_group("320x960");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(5));

    group.bench_function("encode", |b| {
        b.iter(|| net.encode(&views.target, &views.neighbours, &intrinsics, false).unwrap());
    });
    let encoded = net.encode(&views.target, &views.neighbours, &intrinsics, false).unwrap();
    let cost = encoded.feature_metric_cost().unwrap();
    group.bench_function("cost", |b| b.iter(|| cost.evaluate(&encoded.start, INVERSE_DEPTH).unwrap()));
    let at_start = cost.evaluate(&encoded.start, INVERSE_DEPTH).unwrap();

    let depth = encoded.start.get(INVERSE_DEPTH);
    let memory = net.depth_rule().init(depth, Some(&encoded.depth_context)).unwrap();
    group.bench_function("depth update", |b| {
        b.iter(|| net.depth_rule().update(&memory, depth, &at_start).unwrap());
    });
    let poses = encoded.start.get(POSES);
    let pose_memory = net.pose_rule().init(poses, Some(&encoded.pose_context)).unwrap();
    group.bench_function("pose update", |b| {
        b.iter(|| net.pose_rule().update(&pose_memory, poses, &at_start).unwrap());
    });
    group.bench_function("upsampling", |b| b.iter(|| net.full_size(depth, &memory, None).unwrap()));

    let schedule = net.schedule(Iterations { stages: 3, inner: 4 }, Coupling::Jacobi);
    group.bench_function("24 updates", |b| {
        b.iter(|| net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut []).unwrap().0);
    });
    let solver = DroSolver::new(net.clone(), device.clone()).unwrap();
    group.bench_function("forward", |b| b.iter(|| solver.solve(&views, &mut Unwatched).unwrap()));
    group.finish();
}

/// Generated scenes: a target, a neighbour, and the target's depth.
fn scenes(c: &mut Criterion) {
    let generated = Generated::new(GeneratedConfig::default(), 5).unwrap();
    let mut group = c.benchmark_group("generated scene");
    group.throughput(Throughput::Elements(1));
    for size in [(64, 96), (96, 128), (240, 320)] {
        let mut index = 0;
        group.bench_function(format!("{}x{}", size.0, size.1), |b| {
            b.iter(|| {
                index += 1;
                generated.sample(index, 1, size).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forward, scenes);
criterion_main!(benches);
