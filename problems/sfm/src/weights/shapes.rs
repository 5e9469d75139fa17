//! The name and shape of every tensor of the network, as published checkpoints have them.
//!
//! Two things of the checkpoints are left out: the image encoder `cnet`, which the published network never runs, and the
//! batch norms' `num_batches_tracked`, which no computation reads.

use std::collections::BTreeMap;

use super::ModelConfig;
use crate::cost::ProbeConfig;

/// Channels of the image features, and so of the cost map.
const FEATURES: usize = 128;
/// Channels of the context beside the hidden state.
const CONTEXT: usize = 32;
/// Inverse depth is upsampled by 8 each way, each new pixel from 9 neighbours.
const MASK: usize = 9 * 8 * 8;

/// Every tensor of the network with these widths: name to shape (convolutions `[out, in, height, width]`).
///
/// Only `config.hidden`, `encoder`, `shared_context` and whether there are `probes` matter.
pub fn expected_shapes(config: &ModelConfig) -> BTreeMap<String, Vec<usize>> {
    let (hidden, channels) = (config.hidden, config.encoder);
    let mut list = Shapes::default();
    list.encoder("fnet", 3, FEATURES, channels);
    if config.shared_context {
        list.conv("context_depth", FEATURES, hidden + CONTEXT, [3, 3]);
        list.conv("context_pose", 2 * FEATURES, hidden + CONTEXT, [3, 3]);
    } else {
        list.encoder("cnet_depth", 3, hidden + CONTEXT, channels);
        list.encoder("cnet_pose", 6, hidden + CONTEXT, channels);
    }
    let probed = |probed: usize| if config.probes.is_some() { probed } else { FEATURES };
    let (depth_cost, pose_cost) = (probed(ProbeConfig::DEPTH_CHANNELS), probed(ProbeConfig::POSE_CHANNELS));
    list.depth_head("depth_head", FEATURES, FEATURES);
    list.pose_head("pose_head", 2 * FEATURES, FEATURES);
    list.mask("upmask_net.mask", FEATURES);
    list.update_rule("update_block_depth", "depth_gru", "convd", [depth_cost, 1], hidden);
    if config.probes.is_some() {
        list.conv("update_block_depth.direct", depth_cost + 1, 1, [3, 3]);
        list.conv("update_block_pose.direct", pose_cost, 6, [1, 1]);
    }
    list.depth_head("update_block_depth.depth_head", hidden, hidden);
    if !config.shared_context {
        list.mask("update_block_depth.mask", hidden);
    }
    list.update_rule("update_block_pose", "pose_gru", "convp", [pose_cost, 6], hidden);
    list.pose_head("update_block_pose.pose_head", hidden, hidden);
    list.0
}

/// The list being made, one method per kind of layer.
#[derive(Default)]
struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.insert(name, shape.to_vec());
    }

    fn conv_without_bias(&mut self, name: &str, input: usize, output: usize, kernel: [usize; 2]) {
        self.add(format!("{name}.weight"), &[output, input, kernel[0], kernel[1]]);
    }

    fn conv(&mut self, name: &str, input: usize, output: usize, kernel: [usize; 2]) {
        self.conv_without_bias(name, input, output, kernel);
        self.add(format!("{name}.bias"), &[output]);
    }

    fn norm(&mut self, name: &str, channels: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.add(format!("{name}.{part}"), &[channels]);
        }
    }

    /// ResNet-18 up to its third layer, then a decoder to 1/8 size.
    fn encoder(&mut self, name: &str, input: usize, output: usize, [quarter, eighth, sixteenth]: [usize; 3]) {
        self.conv_without_bias(&format!("{name}.conv1"), input, quarter, [7, 7]);
        self.norm(&format!("{name}.bn1"), quarter);
        for (layer, from, to) in [(1, quarter, quarter), (2, quarter, eighth), (3, eighth, sixteenth)] {
            self.basic_block(&format!("{name}.layer{layer}.0"), from, to, layer > 1);
            self.basic_block(&format!("{name}.layer{layer}.1"), to, to, false);
        }
        self.conv(&format!("{name}.upconv1.0"), sixteenth, eighth, [3, 3]);
        // Upsampled 1/16 features beside the 1/8 skip.
        self.conv(&format!("{name}.upconv1_fusion.0"), 2 * eighth, eighth, [3, 3]);
        self.conv(&format!("{name}.out_conv"), eighth, output, [3, 3]);
    }

    fn basic_block(&mut self, name: &str, input: usize, output: usize, halves: bool) {
        self.conv_without_bias(&format!("{name}.conv1"), input, output, [3, 3]);
        self.norm(&format!("{name}.bn1"), output);
        self.conv_without_bias(&format!("{name}.conv2"), output, output, [3, 3]);
        self.norm(&format!("{name}.bn2"), output);
        if halves || input != output {
            self.conv_without_bias(&format!("{name}.downsample.0"), input, output, [1, 1]);
            self.norm(&format!("{name}.downsample.1"), output);
        }
    }

    fn depth_head(&mut self, name: &str, input: usize, middle: usize) {
        self.conv(&format!("{name}.conv1"), input, middle, [3, 3]);
        self.conv(&format!("{name}.conv2"), middle, 1, [3, 3]);
    }

    fn pose_head(&mut self, name: &str, input: usize, middle: usize) {
        self.conv(&format!("{name}.conv1_pose"), input, middle, [3, 3]);
        self.conv(&format!("{name}.conv2_pose"), middle, 6, [3, 3]);
    }

    fn mask(&mut self, name: &str, input: usize) {
        self.conv(&format!("{name}.0"), input, 2 * input, [3, 3]);
        self.conv(&format!("{name}.2"), 2 * input, MASK, [1, 1]);
    }

    /// What both update rules share: an encoder of cost and variable (with these channels), and a separable ConvGRU.
    fn update_rule(
        &mut self,
        name: &str,
        gru: &str,
        encoder: &str,
        [cost, variable]: [usize; 2],
        hidden: usize,
    ) {
        self.conv(&format!("{name}.encoder.convc1"), cost, hidden, [1, 1]);
        self.conv(&format!("{name}.encoder.convc2"), hidden, hidden, [3, 3]);
        self.conv(&format!("{name}.encoder.{encoder}1"), variable, hidden, [7, 7]);
        self.conv(&format!("{name}.encoder.{encoder}2"), hidden, 64, [3, 3]);
        // The variable itself is appended to the encoder's output, which then has `hidden` channels.
        self.conv(&format!("{name}.encoder.{encoder}"), hidden + 64, hidden - variable, [3, 3]);
        for gate in ["convz", "convr", "convq"] {
            let input = hidden + CONTEXT + hidden;
            self.conv(&format!("{name}.{gru}.{gate}1"), input, hidden, [1, 5]);
            self.conv(&format!("{name}.{gru}.{gate}2"), input, hidden, [5, 1]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn shapes(hidden: usize) -> BTreeMap<String, Vec<usize>> {
        expected_shapes(&ModelConfig { hidden, ..Default::default() })
    }

    /// Parameters only: running statistics are state.
    fn parameters(hidden: usize, prefix: &str) -> usize {
        let learned = |name: &str| !name.contains(".running_");
        shapes(hidden)
            .iter()
            .filter(|(name, _)| name.starts_with(prefix) && learned(name))
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    #[test]
    fn names_and_shapes_are_the_published_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/golden/state_dict_shapes.json");
        let json = std::fs::read_to_string(path).unwrap();
        let mut published: BTreeMap<String, Vec<usize>> = serde_json::from_str(&json).unwrap();
        published.retain(|name, _| !name.starts_with("cnet.") && !name.ends_with("num_batches_tracked"));
        assert_eq!(published, shapes(128));
    }

    #[test]
    fn a_narrow_network_has_the_shapes_that_are_expected() {
        let config = ModelConfig { hidden: 32, encoder: [16, 24, 24], ..Default::default() };
        let weights = crate::weights::formula_weights(&config).unwrap();
        let builder = weights.var_builder(&candle_core::Device::Cpu);
        crate::network::DroNet::new(&config, builder).unwrap();
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        assert_eq!(parameters(128, ""), 15_448_711);
        assert_eq!(parameters(64, ""), 12_557_895);
        for (part, count) in [
            ("fnet.", 3_520_448),
            ("depth_head.", 148_737),
            ("pose_head.", 301_958),
            ("upmask_net.", 443_200),
            ("update_block_depth.", 2_162_496),
            ("update_block_pose.", 1_747_776),
            ("cnet_depth.", 3_557_344),
            ("cnet_pose.", 3_566_752),
        ] {
            assert_eq!(parameters(128, part), count, "{part}");
        }
    }
}
