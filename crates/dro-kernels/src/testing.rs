//! What tests of differentiable operations share.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};

use crate::emulator::emulated;

/// Numbers in [-1, 1) from a formula, so that a failing case is one line to repeat.
pub(crate) fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let number = |i: u64| {
        let mut z = (seed ^ 0x5bd1_e995).wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let count = shape.iter().product::<usize>() as u64;
    Tensor::from_vec((0..count).map(number).collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()
}

pub(crate) fn list(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// An operation of any number of arguments.
pub(crate) type Op<'a> = &'a dyn Fn(&[Tensor]) -> candle_core::Result<Tensor>;

/// The result, and the gradients of `Σ weights · result` for each argument.
pub(crate) fn with_gradients(op: Op, inputs: &[Tensor]) -> Vec<Tensor> {
    let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let arguments: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let out = op(&arguments).unwrap();
    let weights = noise(77, out.dims()).to_dtype(out.dtype()).unwrap().to_device(out.device()).unwrap();
    let gradients = (&out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let of = |var: &Var| gradients.get(var).cloned().unwrap_or_else(|| var.zeros_like().unwrap());
    std::iter::once(out.clone()).chain(vars.iter().map(of)).collect()
}

/// The devices that run kernels of `src/cuda`: a card, where the feature is on and one opens.
pub(crate) fn cards() -> Vec<Device> {
    if !cfg!(feature = "cuda") {
        println!("skipped: CUDA device: a build without the feature cuda");
        return Vec::new();
    }
    match Device::new_cuda(0) {
        Ok(device) => vec![device],
        Err(error) => {
            println!("skipped: CUDA device: {error}");
            Vec::new()
        }
    }
}

/// Results and gradients of the kernels behind `op`, emulated on the CPU and on a card where there is one, are those of
/// `reference` in f64, within `tolerance` of the larger of 1 and the largest number of the result or gradient.
pub(crate) fn assert_kernels_are(op: Op, reference: Op, inputs: &[Tensor], tolerance: f64) {
    let expected = with_gradients(reference, inputs);
    let single: Vec<Tensor> = inputs.iter().map(|input| input.to_dtype(DType::F32).unwrap()).collect();
    if let Some(found) = emulated(|| with_gradients(op, &single)) {
        assert_near(&found, &expected, tolerance, "emulated");
    }
    for card in cards() {
        let there: Vec<Tensor> = single.iter().map(|input| input.to_device(&card).unwrap()).collect();
        assert_near(&with_gradients(op, &there), &expected, tolerance, "on the card");
    }
}

fn assert_near(found: &[Tensor], expected: &[Tensor], tolerance: f64, which: &str) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let what = if index == 0 { "result".to_owned() } else { format!("gradient of argument {index}") };
        assert_eq!(found.dims(), expected.dims(), "{which}: {what}");
        let (found, expected) = (list(found), list(expected));
        let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
        for (i, (a, b)) in found.into_iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= tolerance * largest, "{which}: {what}[{i}]: {a} and {b}");
        }
    }
}
