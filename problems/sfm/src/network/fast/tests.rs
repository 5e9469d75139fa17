//! The prepared network against the plain one.

use candle_core::{DType, Device, Tensor};
use dro_core::{Budget, CostFunction, Coupling, LearnedOptimizer, Optimizer};
use proptest::prelude::*;

use crate::{
    cost::{Comparison, INVERSE_DEPTH, POSES, ProbeConfig},
    network::{DroNet, Encoded, Iterations},
    weights::{ModelConfig, formula_weights},
};

fn net(version: &str) -> DroNet {
    let config = ModelConfig::from_version(version, 0.2, 10.0, (32, 48)).unwrap();
    DroNet::new(&config, formula_weights(&config).unwrap().var_builder(&Device::Cpu)).unwrap()
}

fn image(batch: usize, (height, width): (usize, usize), seed: f64) -> Tensor {
    let count = (batch * 3 * height * width) as f64;
    let wave = Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(0.37, seed).unwrap().sin().unwrap();
    let wave = wave.affine(0.5, 0.5).unwrap().to_dtype(DType::F32).unwrap();
    wave.reshape((batch, 3, height, width)).unwrap()
}

fn intrinsics(batch: usize, (height, width): (usize, usize)) -> Tensor {
    let (f, cx, cy) = (0.6 * width as f32, width as f32 / 2.0 - 0.5, height as f32 / 2.0 - 0.5);
    let k = Tensor::new(&[[[f, 0.0, cx], [0.0, f, cy], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
    k.broadcast_as((batch, 3, 3)).unwrap().contiguous().unwrap()
}

/// ‖a − b‖ / ‖b‖.
fn relative(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();
    norm(&(a - b).unwrap()) / norm(b).max(1e-12)
}

fn check(version: &str, size: (usize, usize), batch: usize, count: usize, coupling: Coupling) {
    let plain = net(version);
    let prepared = plain.prepared().unwrap();
    let neighbours: Vec<Tensor> = (0..count).map(|i| image(batch, size, 1.0 + i as f64)).collect();
    let solve = |net: &DroNet| {
        let encoded =
            net.encode(&image(batch, size, 0.0), &neighbours, &intrinsics(batch, size), false).unwrap();
        let cost = encoded.cost().unwrap();
        assert_eq!(cost.is_differentiable(), !net.is_prepared());
        let schedule = net.schedule(Iterations { stages: 2, inner: 2 }, coupling);
        let (solution, optimizer) =
            net.optimize(&encoded, &*cost, &schedule, &Budget::default(), &mut []).unwrap();
        let full_size = net.full_size_of(&encoded, &solution, &optimizer).unwrap();
        let at_start = [INVERSE_DEPTH, POSES].map(|block| cost.evaluate(&encoded.start, block).unwrap());
        let [depth_cost, pose_cost] = at_start;
        [
            ("target features", encoded.target_features.clone()),
            ("neighbour features", encoded.neighbour_features.clone()),
            ("depth context", encoded.depth_context.clone()),
            ("pose context", encoded.pose_context.clone()),
            ("start depth", encoded.start.get(INVERSE_DEPTH).clone()),
            ("start poses", encoded.start.get(POSES).clone()),
            ("full-size start", net.full_size_start(&encoded).unwrap()),
            ("cost of depth", depth_cost.map.unwrap()),
            ("cost of poses", pose_cost.map.unwrap()),
            ("total", depth_cost.total),
            ("total again", pose_cost.total),
            ("best total", solution.best_total),
            ("depth", solution.last.get(INVERSE_DEPTH).clone()),
            ("poses", solution.last.get(POSES).clone()),
            ("hidden state", optimizer.memory(INVERSE_DEPTH).unwrap().hidden.clone()),
            ("hidden state of poses", optimizer.memory(POSES).unwrap().hidden.clone()),
            ("full size", full_size),
        ]
    };
    for ((what, expected), (_, found)) in solve(&plain).into_iter().zip(solve(&prepared)) {
        let error = relative(&found, &expected);
        assert!(error <= 1e-4, "{version} {size:?} {batch}x{count} {coupling:?}: {what}: {error:.1e}");
    }
}

proptest! {
    // Whole networks in a debug build: few but different.
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn same_numbers(
        hidden in prop_oneof![Just("it4-seq2-h-out"), Just("it4-seq2")],
        rows in 1usize..5,
        columns in 1usize..8,
        batch in 1usize..3,
        count in 1usize..4,
        coupling in prop_oneof![Just(Coupling::Jacobi), Just(Coupling::GaussSeidel)],
    ) {
        check(hidden, (16 * rows, 16 * columns), batch, count, coupling);
    }
}

#[test]
fn same_numbers_where_the_inside_is_larger_than_the_border() {
    check("it4-seq2", (112, 128), 1, 1, Coupling::Jacobi);
}

#[test]
fn same_numbers_with_probes_and_one_encoder() {
    for comparison in [Comparison::Features, Comparison::Census] {
        let probes = Some(ProbeConfig { comparison, ..ProbeConfig::default() });
        let config = ModelConfig {
            hidden: 32,
            encoder: [16, 24, 32],
            shared_context: true,
            probes,
            ..ModelConfig::default()
        };
        let weights = formula_weights(&config).unwrap();
        let net = DroNet::new(&config, weights.var_builder(&Device::Cpu)).unwrap();
        for (batch, count) in [(1, 1), (2, 2)] {
            same_updates(&net, batch, count);
        }
    }
}

/// Two updates of each rule on the same costs. Not a run: where a probe crosses the picture's border by less than
/// rounding, costs differ.
fn same_updates(plain: &DroNet, batch: usize, count: usize) {
    let (prepared, size) = (plain.prepared().unwrap(), (48, 64));
    let neighbours: Vec<Tensor> = (0..count).map(|i| image(batch, size, 1.0 + i as f64)).collect();
    let encoded = [plain, &prepared].map(|net| {
        net.encode(&image(batch, size, 0.0), &neighbours, &intrinsics(batch, size), false).unwrap()
    });
    let start = &encoded[0].start;
    for block in [INVERSE_DEPTH, POSES] {
        let cost = encoded[0].cost().unwrap().evaluate(start, block).unwrap();
        let run = |net: &DroNet, encoded: &Encoded| {
            let (rule, context): (&dyn LearnedOptimizer, _) = if block == INVERSE_DEPTH {
                (net.depth_rule(), &encoded.depth_context)
            } else {
                (net.pose_rule(), &encoded.pose_context)
            };
            let x = start.get(block);
            let memory = rule.init(x, Some(context)).unwrap();
            let (memory, first) = rule.update(&memory, x, &cost).unwrap();
            let (memory, second) = rule.update(&memory, &(x + first).unwrap(), &cost).unwrap();
            (memory.hidden, second, encoded.start.get(block).clone(), context.clone())
        };
        let (expected, found) = (run(plain, &encoded[0]), run(&prepared, &encoded[1]));
        for (a, b) in
            [(found.0, expected.0), (found.1, expected.1), (found.2, expected.2), (found.3, expected.3)]
        {
            assert!(relative(&a, &b) <= 1e-4, "{block:?}: {:?} {}", b.dims(), relative(&a, &b));
        }
    }
}

#[test]
fn what_a_prepared_network_cannot_do_is_named() {
    let prepared = net("it4-seq2").prepared().unwrap();
    let size = (16, 32);
    let encode =
        |train| prepared.encode(&image(1, size, 0.0), &[image(1, size, 1.0)], &intrinsics(1, size), train);
    let error = encode(true).unwrap_err().to_string();
    assert_eq!(error, "network: expected one that is not prepared for inference, found one that is");

    // A memory of the plain network.
    let plain = net("it4-seq2");
    let encoded = encode(false).unwrap();
    let cost = encoded.feature_metric_cost().unwrap();
    let start = encoded.start.get(INVERSE_DEPTH);
    let memory = plain.depth_rule().init(start, Some(&encoded.depth_context)).unwrap();
    let at_start = cost.evaluate(&encoded.start, INVERSE_DEPTH).unwrap();
    let error = prepared.depth_rule().update(&memory, start, &at_start).unwrap_err().to_string();
    assert!(error.contains("context of a prepared rule"), "{error}");
}
