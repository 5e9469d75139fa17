//! How long a start by search takes, and how good it is.

use std::time::Instant;

use dro_sfm::{
    scene::GeneratedConfig,
    training::{GuideConfig, Source},
};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Generated scenes with starts at poses that are off by so much (degrees, parts), as many at once as there are threads. Scenes are made before the clock runs.
pub fn starts(size: (usize, usize), scenes: u64, rotation_deg: f64, translation: f64) -> Value {
    let config = GeneratedConfig {
        pool: 1_000_000,
        median_depth_m: Some(2.5),
        baseline: [0.05, 0.3],
        photo: 0.7,
        ..GeneratedConfig::default()
    };
    let plain = Source::new(&config, 1.0, &[], false, 0).unwrap();
    let guide = GuideConfig { search: true, rotation_deg, translation, ..GuideConfig::default() };
    let searched = plain.with_starts(&guide);
    let all = |source: &Source| -> Vec<_> {
        (0..scenes)
            .collect::<Vec<_>>()
            .into_par_iter()
            .with_max_len(1)
            .map(|i| source.sample([i, 0], 1, size).unwrap().0)
            .collect()
    };
    all(&plain);
    let begun = Instant::now();
    let samples = all(&searched);
    let seconds = begun.elapsed().as_secs_f64() / scenes as f64;
    let errors = samples.iter().map(|sample| {
        let map = &sample.start.as_ref().unwrap().inv_depth;
        let pairs = map.values().iter().zip(sample.depth.values()).filter(|(_, d)| (0.3..30.0).contains(*d));
        let errors: Vec<f64> = pairs.map(|(x, d)| f64::from((1.0 / x - d).abs() / d)).collect();
        errors.iter().sum::<f64>() / errors.len().max(1) as f64
    });
    let mut errors: Vec<f64> = errors.collect();
    errors.sort_by(f64::total_cmp);
    json!({
        "seconds_per_start": seconds,
        "abs_rel_mean": errors.iter().sum::<f64>() / errors.len() as f64,
        "abs_rel_median": errors[errors.len() / 2],
        "abs_rel": errors.iter().map(|x| (x * 1e3).round() / 1e3).collect::<Vec<_>>(),
    })
}
