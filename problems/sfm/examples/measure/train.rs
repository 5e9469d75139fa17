//! One training step: forward with batch statistics, supervised loss, backward, Adam.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use dro_core::{Budget, Coupling};
use dro_sfm::{
    loss::{DepthBounds, Predicted, supervised_loss},
    network::{DroNet, Iterations, Keep, Predictions},
    weights::{ModelConfig, Weights, formula_weights},
};
use dro_vision::euler_to_matrix;
use serde_json::{Value, json};

use crate::{device, network::views, peak_mb, seconds};

/// m = 3, n = 4, hidden 128, as the PyTorch side.
pub fn train(size: (usize, usize), neighbours: usize, batch: usize, repeats: usize) -> Value {
    let device = device::open();
    let config = ModelConfig::from_version("it12-h-out", 0.2, 80.0, size).unwrap();
    let vars: BTreeMap<String, Var> = formula_weights(&config)
        .unwrap()
        .tensors
        .into_iter()
        .map(|(name, tensor)| (name, Var::from_tensor(&tensor.to_device(&device).unwrap()).unwrap()))
        .collect();
    let tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let net = DroNet::new(&config, Weights::new(config.clone(), tensors).var_builder(&device)).unwrap();
    let learned = vars.iter().filter(|(name, _)| !name.contains(".running_")).map(|(_, var)| var.clone());
    let settings = ParamsAdamW { lr: 2e-4, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(learned.collect(), settings).unwrap();

    let views = views(size, neighbours, batch, &device);
    let depth_m = Tensor::full(3f32, (batch, 1, size.0, size.1), &device).unwrap();
    let pose = Tensor::full(0.02f32, (batch * neighbours, 6), &device).unwrap();
    let truth = euler_to_matrix(&pose).unwrap().reshape((batch, neighbours, 3, 4)).unwrap();
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 80.0 };
    let schedule = net.schedule(Iterations { stages: 3, inner: 4 }, Coupling::Jacobi);
    let mut found = seconds(repeats, || {
        let encoded = net.encode(&views.target, &views.neighbours, &views.intrinsics, true).unwrap();
        let cost = encoded.feature_metric_cost().unwrap();
        let mut predictions = Predictions::new(&net, &encoded, Keep::StageEnds).unwrap();
        net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut [&mut predictions]).unwrap();
        let predicted = Predicted::from(&predictions);
        let loss = supervised_loss(predicted, &depth_m, &truth, &views.intrinsics, bounds).unwrap();
        adam.backward_step(&loss.total).unwrap();
        device.synchronize().unwrap();
    });
    found["peak_mb"] = json!(peak_mb());
    found
}
