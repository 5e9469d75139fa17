//! The whole forward, and its parts.

use candle_core::{DType, Device, Tensor};
use dro_core::{Budget, CostFunction, Coupling, Kernels, LearnedOptimizer, kernels};
use dro_sfm::{
    cost::{INVERSE_DEPTH, POSES},
    network::{DroNet, Iterations},
    weights::{ModelConfig, formula_weights},
};
use dro_vision::{Pinhole, intrinsics_tensor};
use serde_json::{Value, json};

use crate::{device, peak_mb, seconds};

/// The same images as the PyTorch side: a wave over all numbers, another phase per view.
pub struct Views {
    pub target: Tensor,
    pub neighbours: Vec<Tensor>,
    pub intrinsics: Tensor,
}

pub fn views(size: (usize, usize), neighbours: usize, batch: usize, device: &Device) -> Views {
    let image = |seed: f64| {
        let count = (batch * 3 * size.0 * size.1) as f64;
        let wave =
            Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(12.9898, seed).unwrap().sin().unwrap();
        let wave = wave.affine(0.5, 0.5).unwrap().reshape((batch, 3, size.0, size.1)).unwrap();
        wave.to_dtype(DType::F32).unwrap().to_device(device).unwrap()
    };
    let focal = 0.6 * size.1 as f64;
    let camera = Pinhole::new(focal, focal, size.1 as f64 / 2.0 - 0.5, size.0 as f64 / 2.0 - 0.5).unwrap();
    Views {
        target: image(0.0),
        neighbours: (0..neighbours).map(|i| image(1.0 + i as f64)).collect(),
        intrinsics: intrinsics_tensor(&camera, batch, device).unwrap(),
    }
}

fn network(size: (usize, usize), device: &Device) -> DroNet {
    let config = ModelConfig::from_version("it12-h-out", 0.2, 80.0, size).unwrap();
    let net = DroNet::new(&config, formula_weights(&config).unwrap().var_builder(device)).unwrap();
    match kernels() {
        Kernels::Fast if device.is_cpu() => net.prepared().unwrap(),
        _ => net,
    }
}

/// From images to the depth map at the images' size.
pub fn forward(
    size: (usize, usize),
    neighbours: usize,
    stages: usize,
    inner: usize,
    repeats: usize,
) -> Value {
    let device = device::open();
    let (net, views) = (network(size, &device), views(size, neighbours, device::batch(), &device));
    let schedule = net.schedule(Iterations { stages, inner }, Coupling::Jacobi);
    let before = peak_mb();
    let mut found = seconds(repeats, || {
        let encoded = net.encode(&views.target, &views.neighbours, &views.intrinsics, false).unwrap();
        let cost = encoded.feature_metric_cost().unwrap();
        let (solution, optimizer) =
            net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut []).unwrap();
        net.full_size_of(&encoded, &solution, &optimizer).unwrap();
        device.synchronize().unwrap();
    });
    found["before_mb"] = json!(before);
    found["peak_mb"] = json!(peak_mb());
    found
}

/// Milliseconds of each part.
pub fn profile(size: (usize, usize), neighbours: usize, repeats: usize) -> Value {
    let (net, views) = (network(size, &Device::Cpu), views(size, neighbours, 1, &Device::Cpu));
    let time = |run: &mut dyn FnMut()| seconds(repeats, run)["min_s"].as_f64().unwrap() * 1e3;
    let encode = || net.encode(&views.target, &views.neighbours, &views.intrinsics, false).unwrap();
    let encoded = encode();
    let cost = encoded.feature_metric_cost().unwrap();
    let [depth, poses] = [INVERSE_DEPTH, POSES].map(|block| encoded.start.get(block));
    let [depth_cost, pose_cost] =
        [INVERSE_DEPTH, POSES].map(|block| cost.evaluate(&encoded.start, block).unwrap());
    let depth_memory = net.depth_rule().init(depth, Some(&encoded.depth_context)).unwrap();
    let pose_memory = net.pose_rule().init(poses, Some(&encoded.pose_context)).unwrap();
    json!({ "milliseconds": {
        "encode": time(&mut || drop(encode())),
        "prepare the cost": time(&mut || drop(encoded.feature_metric_cost().unwrap())),
        "start of both rules": time(&mut || {
            net.depth_rule().init(depth, Some(&encoded.depth_context)).unwrap();
            net.pose_rule().init(poses, Some(&encoded.pose_context)).unwrap();
        }),
        "cost of depth": time(&mut || drop(cost.evaluate(&encoded.start, INVERSE_DEPTH).unwrap())),
        "cost of poses": time(&mut || drop(cost.evaluate(&encoded.start, POSES).unwrap())),
        "update of depth": time(&mut || {
            net.depth_rule().update(&depth_memory, depth, &depth_cost).unwrap();
        }),
        "update of poses": time(&mut || {
            net.pose_rule().update(&pose_memory, poses, &pose_cost).unwrap();
        }),
        "upsampling": time(&mut || drop(net.full_size(depth, &depth_memory, None).unwrap())),
    } })
}
