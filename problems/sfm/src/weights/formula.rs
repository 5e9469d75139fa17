//! Weights made from their own names: for tests, and for trying the program without a checkpoint.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::{ModelConfig, Weights, expected_shapes};
use crate::Result;

/// The network's weights by formula: each tensor is filled in row-major order from its own name.
///
/// A SplitMix64 stream (Steele, Lea & Flood, *Fast splittable pseudorandom number generators*, 2014) seeded with the
/// name's FNV-1a hash gives u in [−1, 1); the tensor is, by its name and shape:
///
/// | tensor | value |
/// | --- | --- |
/// | convolution `[o, i, kh, kw]` | u·√(3 / (i·kh·kw)) |
/// | `…running_var` | 1 + 0.25 u |
/// | `…running_mean`, `…bias` | 0.05 u |
/// | other (a batch norm's weight) | 1 + 0.1 u |
///
/// The result depends on nothing but `config.hidden` and `config.encoder`. Fails if `config` is not valid.
pub fn formula_weights(config: &ModelConfig) -> Result<Weights> {
    config.validate()?;
    let tensors = expected_shapes(config)
        .into_par_iter()
        .map(|(name, shape)| {
            let tensor = Tensor::from_vec(values(&name, &shape), shape, &Device::Cpu)?;
            Ok((name, tensor))
        })
        .collect::<Result<_>>()?;
    Ok(Weights::new(config.clone(), tensors))
}

fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = match *shape {
        [_, input, height, width] => (0.0, (3.0 / (input * height * width) as f64).sqrt()),
        _ if name.ends_with("running_var") => (1.0, 0.25),
        _ if name.ends_with("running_mean") || name.ends_with("bias") => (0.0, 0.05),
        _ => (1.0, 0.1),
    };
    let seed = fnv1a(name.as_bytes());
    let count: usize = shape.iter().product();
    (1..=count as u64).map(|i| (offset + scale * uniform(seed, i)) as f32).collect()
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The i-th number of the stream `seed`, in [−1, 1) with 24 bits.
fn uniform(seed: u64, i: u64) -> f64 {
    let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / (1u64 << 24) as f64 * 2.0 - 1.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_and_the_stream_are_the_known_ones() {
        // Test vectors of the FNV authors, and of SplitMix64's reference code for seed 1234567.
        assert_eq!(fnv1a(b""), 0xcbf29ce484222325);
        assert_eq!(fnv1a(b"a"), 0xaf63dc4c8601ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x85944171f73967e8);
        let reference = [6457827717110365317u64, 3203168211198807973, 9817491932198370423];
        for (i, z) in (1..).zip(reference) {
            assert_eq!(uniform(1234567, i), (z >> 40) as f64 / f64::from(1 << 23) - 1.0);
        }
    }

    #[test]
    fn values_follow_the_table() {
        let near = |name: &str, shape: &[usize], centre: f32, radius: f32| {
            let all = values(name, shape);
            let farthest = all.iter().map(|x| (x - centre).abs()).fold(0.0, f32::max);
            assert!(farthest <= radius && farthest > 0.9 * radius, "{name}: {farthest} of {radius}");
        };
        near("a.weight", &[64, 3, 7, 7], 0.0, (3.0f32 / 147.0).sqrt());
        near("a.running_var", &[256], 1.0, 0.25);
        near("a.running_mean", &[256], 0.0, 0.05);
        near("a.bias", &[256], 0.0, 0.05);
        near("a.weight", &[256], 1.0, 0.1);
    }

    #[test]
    fn the_network_has_exactly_the_expected_finite_tensors() {
        let config = ModelConfig { hidden: 64, ..Default::default() };
        let weights = formula_weights(&config).unwrap();
        weights.check(&expected_shapes(&config)).unwrap();
        assert!(formula_weights(&ModelConfig { hidden: 3, ..config }).is_err());
    }
}
