//! The error of less precise convolutions, on any device: `conv2d` rounds on a CPU as tensor cores do.

use candle_core::{Device, Tensor};
use dro_core::{Budget, Precision, select_precision};
use dro_sfm::{
    cost::POSES,
    network::{DroNet, Iterations},
    scene::{Generated, GeneratedConfig},
    training::Batch,
    weights::{ModelConfig, Weights, formula_weights},
};
use serde_json::{Value, json};

/// Means over generated scenes of the largest differences to float32, for weights by formula, or those that
/// `DRO_WEIGHTS` names.
pub fn error(size: (usize, usize), neighbours: usize, scenes: usize) -> Value {
    let device = crate::device::open();
    let weights = match std::env::var_os("DRO_WEIGHTS") {
        Some(path) => Weights::load_network(path).unwrap(),
        None => formula_weights(&ModelConfig::from_version("it12-h-out", 0.2, 10.0, size).unwrap()).unwrap(),
    };
    let net = DroNet::new(&weights.config, weights.var_builder(&device)).unwrap();
    let config = GeneratedConfig { median_depth_m: Some(2.5), ..GeneratedConfig::default() };
    let generated = Generated::new(config, 17).unwrap();
    let mut found = json!({ "scenes": scenes });
    for (name, precision) in [("tf32", Precision::Tf32), ("bf16", Precision::Bf16)] {
        let (mut depth, mut poses) = (0.0, 0.0);
        for index in 0..scenes as u64 {
            let sample = generated.sample(index, neighbours, size).unwrap();
            let one = std::slice::from_ref(&sample);
            let batch = Batch::new(one, one, &device).unwrap();
            select_precision(Precision::Float32);
            let expected = run(&net, &batch);
            select_precision(precision);
            let found = run(&net, &batch);
            depth += largest(&(&found[0] - &expected[0]).unwrap().broadcast_div(&expected[0]).unwrap());
            poses += largest(&(&found[1] - &expected[1]).unwrap());
        }
        let mean = |sum: f64| sum / scenes.max(1) as f64;
        found[name] = json!({ "inverse_depth_relative": mean(depth), "poses": mean(poses) });
    }
    select_precision(Precision::Float32);
    found
}

/// Inverse depth at the images' size, and poses.
fn run(net: &DroNet, batch: &Batch) -> [Tensor; 2] {
    let encoded = net.encode(&batch.target, &batch.neighbours, &batch.intrinsics, false).unwrap();
    let cost = encoded.feature_metric_cost().unwrap();
    let schedule = net.schedule(Iterations { stages: 3, inner: 4 }, net.config().coupling);
    let (solution, optimizer) =
        net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut []).unwrap();
    let poses = solution.last.get(POSES).clone();
    [net.full_size_of(&encoded, &solution, &optimizer).unwrap(), poses]
}

fn largest(x: &Tensor) -> f64 {
    let values = x.to_device(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most))
}
