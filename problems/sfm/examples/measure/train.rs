//! One training step: forward with batch statistics, supervised loss, backward, Adam.

use dro_sfm::{
    training::{Phase, TrainedNet, TrainingConfig},
    weights::ModelConfig,
};
use dro_train::{Descent, Unroll};
use serde_json::{Value, json};

use crate::{device, peak_mb, seconds};

/// m = 3, n = 4, hidden 128, as the PyTorch side; `shards` parts of the batch at the same time.
pub fn train(size: (usize, usize), neighbours: usize, batch: usize, repeats: usize) -> Value {
    let shards = std::env::var("DRO_SHARDS").map_or(1, |shards| shards.parse().expect("a number of shards"));
    let phase = Phase { size, neighbours, batch, shards, stages: 3, inner: 4, ..Phase::default() };
    let config = TrainingConfig {
        model: ModelConfig::from_version("it12-h-out", 0.2, 80.0, size).unwrap(),
        phases: vec![phase],
        ..TrainingConfig::default()
    };
    let device = device::open();
    let net = TrainedNet::new(config.clone(), std::env::temp_dir(), &device).unwrap();
    let mut theta = net.initial(0);
    let mut descent = Descent::new(&config.optimizer, theta.len());
    let batch = net.batch(0, &phase).unwrap();
    let mut found = seconds(repeats, || {
        let found = net.gradient(&theta, &batch, &phase).unwrap();
        descent.step(&mut theta, &found.gradient, 1e-6);
    });
    found["peak_mb"] = json!(peak_mb());
    found["shards"] = json!(shards);
    found
}
