//! Each kind of convolution of the network, in GFLOP/s of the direct algorithm's operations.

use candle_core::{Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use dro_core::cells::{Activation, Conv};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::seconds;

/// As the PyTorch side reads it: name, inputs, outputs, kernel, stride, divisor of the image's sides.
#[derive(Deserialize)]
struct Layer(String, usize, usize, (usize, usize), usize, usize);

pub fn layers(size: (usize, usize), repeats: usize) -> Value {
    let layers: Vec<Layer> = serde_json::from_str(include_str!("../../compare/layers.json")).unwrap();
    let found = layers.iter().map(|Layer(name, inputs, outputs, kernel, stride, at)| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, candle_core::DType::F32, &Device::Cpu);
        let conv = match stride {
            1 => Conv::same(*inputs, *outputs, *kernel, vb).unwrap(),
            _ => Conv::unbiased(*inputs, *outputs, kernel.0, *stride, vb).unwrap(),
        };
        let prepared = conv.prepare(Activation::None).unwrap();
        let (height, width) = (size.0 / at, size.1 / at);
        let x = Tensor::randn(0f32, 1.0, (1, *inputs, height, width), &Device::Cpu).unwrap();
        let timed = seconds(repeats, || drop(prepared.forward(&[&x], None).unwrap()));
        let flop = 2 * conv.weight().elem_count() * (height / stride) * (width / stride);
        let min_s = timed["min_s"].as_f64().unwrap();
        json!({ "name": name, "min_s": min_s, "gflops": flop as f64 / min_s / 1e9 })
    });
    json!({ "layers": found.collect::<Vec<_>>() })
}
