#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};

use super::{blend_gate, blend_gate_reference, reset_gate, reset_gate_reference};
use crate::testing::{assert_kernels_are, noise};

#[test]
fn kernels_equal_the_reference() {
    // One number, and more than a block of them.
    for shape in [&[1, 1][..], &[2, 3, 7, 11]] {
        let numbers = |seed| (noise(seed, shape) * 4.0).unwrap();
        let (a, b, h) = (numbers(1), numbers(2), noise(3, shape));
        assert_kernels_are(
            &|x| reset_gate(&x[0], &x[1]),
            &|x| reset_gate_reference(&x[0], &x[1]),
            &[a.clone(), h.clone()],
            1e-6,
        );
        assert_kernels_are(
            &|x| blend_gate(&x[0], &x[1], &x[2]),
            &|x| blend_gate_reference(&x[0], &x[1], &x[2]),
            &[a, b, h],
            1e-6,
        );
    }
}

#[test]
fn sums_far_out_saturate() {
    let row = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
    let far = row(&[-200.0, 200.0]);
    let h = row(&[3.0, -2.0]);
    let blend = || blend_gate(&far, &far, &h).unwrap().to_vec1::<f32>().unwrap();
    let reset = || reset_gate(&far, &h).unwrap().to_vec1::<f32>().unwrap();
    for (blend, reset) in
        [Some((blend(), reset())), crate::emulator::emulated(|| (blend(), reset()))].into_iter().flatten()
    {
        assert_eq!(blend, [3.0, 1.0]);
        assert_eq!(reset, [0.0, -2.0]);
    }
}

#[test]
fn shapes_and_types_must_agree() {
    let zeros = |n: usize, dtype| Tensor::zeros(n, dtype, &Device::Cpu).unwrap();
    let error = reset_gate(&zeros(3, DType::F32), &zeros(2, DType::F32)).unwrap_err().to_string();
    assert!(error.contains("reset: expected the hidden state's shape [2]"), "{error}");
    let two = zeros(2, DType::F32);
    let error = blend_gate(&two, &zeros(2, DType::F64), &two).unwrap_err().to_string();
    assert!(error.contains("candidate: expected") && error.contains("F64"), "{error}");
}
