//! The first weights.

use std::{collections::BTreeMap, path::PathBuf};

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    network::STRIDE,
    weights::{ImportOverrides, ModelConfig, Weights, expected_shapes, import_checkpoint, resnet18_encoders},
};

/// What the bundled weights are called, in place of a file.
const BUNDLED: &str = "bundled";

/// Where training starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartConfig {
    /// A weights file of ours (`.safetensors`) or a published checkpoint (`.ckpt`, `.pth`); `bundled`: those that come with this
    /// library; random if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// A torchvision ResNet-18 (`.pth` or `.safetensors`) that the encoders start from; everything else at random. Only
    /// without `weights`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resnet18: Option<PathBuf>,
    /// Beginnings of names of tensors that are new: they start at random, whatever the file has. Everything else must be
    /// in the file.
    pub new: Vec<String>,
}

impl StartConfig {
    /// The first tensors of a network, batch-norm statistics included.
    ///
    /// # Errors
    /// Lists all tensors that are missing, extra or of another shape.
    pub fn tensors(&self, model: &ModelConfig, seed: u64) -> Result<BTreeMap<String, Tensor>> {
        let expected = expected_shapes(model);
        let random = |name: &String, shape: &Vec<usize>| -> Result<Tensor> {
            let values = by_hand(name, model).unwrap_or_else(|| values(name, shape, seed));
            Ok(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?)
        };
        if self.weights.is_some() && self.resnet18.is_some() {
            return Err(Error::argument("start.resnet18", "none beside start.weights", "both"));
        }
        let Some(path) = &self.weights else {
            let mut tensors = expected
                .iter()
                .map(|(name, shape)| Ok((name.clone(), random(name, shape)?)))
                .collect::<Result<BTreeMap<_, _>>>()?;
            if let Some(path) = &self.resnet18 {
                tensors.extend(resnet18_encoders(path, model)?);
            }
            return Ok(tensors);
        };
        let ours = path.extension().is_some_and(|ending| ending == "safetensors");
        let mut weights = if path.as_os_str() == BUNDLED {
            Weights::bundled()?
        } else if ours {
            Weights::load(path)?
        } else {
            let overrides = ImportOverrides::default();
            import_checkpoint(path, &overrides)?.0
        };
        let is_new = |name: &str| self.new.iter().any(|beginning| name.starts_with(beginning.as_str()));
        if let Some(beginning) =
            self.new.iter().find(|new| !expected.keys().any(|name| name.starts_with(*new)))
        {
            let expected = "beginnings of names of the network's tensors";
            return Err(Error::argument("start.new", expected, format!("{beginning:?}")));
        }
        weights.tensors.retain(|name, _| !is_new(name));
        for (name, shape) in expected.iter().filter(|(name, _)| is_new(name)) {
            weights.tensors.insert(name.clone(), random(name, shape)?);
        }
        weights.check(&expected)?;
        Ok(weights.tensors)
    }
}

/// A quarter of it is the logit of the middle cell among nine, and makes its weight 0.7.
const NEAREST: f32 = 12.0;

/// What a network with probes does before it has learned anything: a part of the way to where parabolas through the probes' costs
/// are lowest, and depth as large as its cells.
fn by_hand(name: &str, model: &ModelConfig) -> Option<Vec<f32>> {
    let probes = model.probes?;
    match name {
        "update_block_depth.direct.weight" => Some(probes.depth_step()),
        // Each pixel takes its cell's value: even weights would be a blur of three cells.
        "upmask_net.mask.2.bias" | "update_block_depth.mask.2.bias" => {
            let logit = |channel: usize| if channel / (STRIDE * STRIDE) == 4 { NEAREST } else { 0.0 };
            Some((0..9 * STRIDE * STRIDE).map(logit).collect())
        }
        "update_block_pose.direct.weight" => {
            Some(probes.pose_step(model.middle_depth_m().recip(), model.rotation_scale))
        }
        _ => None,
    }
}

/// Increments start small: a run begins as its start values, and learns to move.
const INCREMENT: f64 = 0.1;

/// What the sigmoid of the first inverse depth starts at: far, where most things are, not in the middle of the range.
const FIRST: f64 = 0.15;

/// Random numbers of one tensor, which follow from its name and the seed.
///
/// Before batch norms: normal with deviation √(2 / fan-out) (He et al. 2015, arXiv 1502.01852). Other convolutions:
/// even in ±1/√fan-in, as PyTorch starts them; for what makes increments, a tenth of it. Biases: 0, but for the first inverse depth's. Batch norms: the
/// identity.
fn values(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let norm = name.rsplit('.').nth(1).is_some_and(|layer| layer.starts_with("bn") || layer == "1")
        && shape.len() == 1
        && (name.contains(".bn") || name.contains("downsample.1"));
    if norm {
        let one = name.ends_with(".weight") || name.ends_with(".running_var");
        return vec![if one { 1.0 } else { 0.0 }; count];
    }
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    for (index, byte) in name.bytes().enumerate() {
        // Two names that differ anywhere give different keys: a rolling hash over the other 24 bytes.
        let at = 8 + index % 24;
        key[at] = key[at].wrapping_mul(31).wrapping_add(byte).rotate_left(3);
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    let increment = name.contains("update_block") && (name.contains("conv2.") || name.contains("conv2_pose"));
    let scale = if increment && name.contains("_head.") { INCREMENT } else { 1.0 };
    match *shape {
        [outputs, inputs, height, width] => {
            let before_norm = is_before_norm(name);
            let area = (height * width) as f64;
            let deviation = (2.0 / (outputs as f64 * area)).sqrt();
            let bound = scale / (inputs as f64 * area).sqrt();
            let mut draw = || if before_norm { deviation * normal(&mut rng) } else { even(&mut rng, bound) };
            (0..count).map(|_| draw() as f32).collect()
        }
        _ if name == "depth_head.conv2.bias" => vec![(FIRST / (1.0 - FIRST)).ln() as f32; count],
        _ => vec![0.0; count],
    }
}

/// Convolutions of the encoders' ResNet.
fn is_before_norm(name: &str) -> bool {
    let mut parts = name.split('.');
    let encoder = parts.next().is_some_and(|part| part == "fnet" || part.starts_with("cnet"));
    encoder && parts.next().is_some_and(|part| part == "conv1" || part.starts_with("layer"))
}

fn even(rng: &mut ChaCha8Rng, bound: f64) -> f64 {
    rng.random_range(-bound..bound)
}

/// Box and Muller's standard normal number.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * rng.random_range(f64::MIN_POSITIVE..1.0).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random_range(0.0..1.0)).cos()
}
