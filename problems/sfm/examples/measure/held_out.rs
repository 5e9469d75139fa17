//! How good the bundled network is on generated scenes that nothing was trained on, from images alone.

use candle_core::{Device, Tensor};
use dro_sfm::{
    Sample, Unwatched, Views,
    eval::{rotation_error_rad, translation_direction_error_rad},
    network::{DroNet, DroSolver, Encoded, Iterations},
    scene::{Generated, GeneratedConfig},
    weights::Weights,
};
use serde_json::{Value, json};

/// Pairs of images; depth, scaled by medians, after each number of updates, and poses, which are the search's.
pub fn held_out(size: (usize, usize), scenes: u64) -> Value {
    let weights = Weights::bundled().unwrap();
    let net = DroNet::new(&weights.config, weights.var_builder(&Device::Cpu)).unwrap();
    let solver = DroSolver::new(net, Device::Cpu).unwrap();
    let config = GeneratedConfig { baseline: [0.05, 0.3], photo: 0.7, ..GeneratedConfig::default() };
    let generated = Generated::new(config, 990_001).unwrap();
    let samples: Vec<Sample> = (0..scenes).map(|i| generated.sample(i, 1, size).unwrap()).collect();
    let mut found = serde_json::Map::new();
    let encoded: Vec<Encoded> = samples.iter().map(|sample| solver.encode(&views(sample)).unwrap()).collect();
    for stages in [0, 2, 4, 8, 12, 24] {
        let solver = solver.clone().with_iterations(Iterations { stages, inner: 1 });
        let (mut depths, mut costs) = (Vec::new(), Vec::new());
        let (mut rotations, mut directions) = (Vec::new(), Vec::new());
        for (sample, encoded) in samples.iter().zip(&encoded) {
            let estimate = solver.optimize(encoded, &mut Unwatched).unwrap();
            depths.push(abs_rel(sample, estimate.inv_depth.values()));
            costs.push(estimate.cost_end);
            let (ours, truth) = (&estimate.poses[0], &sample.poses[0]);
            rotations.extend(rotation_error_rad(&ours.rotation, &truth.rotation).map(f64::to_degrees));
            let (ours, truth) = (&ours.translation.vector, &truth.translation.vector);
            directions.extend(translation_direction_error_rad(ours, truth).map(f64::to_degrees));
        }
        let both = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            json!({
                "mean": values.iter().sum::<f64>() / values.len() as f64,
                "median": values[values.len() / 2],
            })
        };
        found.insert(format!("abs_rel_{stages}"), both(&mut depths));
        found.insert(format!("cost_{stages}"), both(&mut costs));
        found.insert("rotation_deg".into(), both(&mut rotations));
        found.insert("translation_deg".into(), both(&mut directions));
    }
    Value::Object(found)
}

fn views(sample: &Sample) -> Views {
    let (height, width) = sample.size;
    let image =
        |i: usize| Tensor::from_slice(&sample.images[i], (1, 3, height, width), &Device::Cpu).unwrap();
    Views { target: image(0), neighbours: vec![image(1)], camera: sample.camera }
}

fn abs_rel(sample: &Sample, inverse: &[f32]) -> f64 {
    let pairs = sample.depth.values().iter().zip(inverse).filter(|(depth, _)| **depth > 0.0);
    let mut ratios: Vec<f64> = pairs.map(|(d, x)| 1.0 / (f64::from(*d) * f64::from(*x))).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios[ratios.len() / 2];
    ratios.iter().map(|ratio| (ratio / middle - 1.0).abs()).sum::<f64>() / ratios.len() as f64
}
