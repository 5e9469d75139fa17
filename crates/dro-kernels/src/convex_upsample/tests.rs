#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};

use super::{convex_upsample, convex_upsample_reference};
use crate::testing::{assert_kernels_are, noise};

#[test]
fn kernels_equal_the_reference() {
    for [n, c, h, w, r] in [[1, 1, 1, 1, 1], [2, 1, 3, 5, 8], [2, 3, 4, 3, 2], [1, 2, 5, 1, 3]] {
        let x = noise(1, &[n, c, h, w]);
        let logits = (noise(2, &[n, 9 * r * r, h, w]) * 3.0).unwrap();
        assert_kernels_are(
            &|x| convex_upsample(&x[0], &x[1], r),
            &|x| convex_upsample_reference(&x[0], &x[1], r),
            &[x, logits],
            1e-5,
        );
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let x = noise(3, &[1, 1, 3, 3]).to_dtype(DType::F32).unwrap();
    let logits = (noise(4, &[1, 9 * 4, 3, 3]) * 1e4).unwrap().to_dtype(DType::F32).unwrap();
    let expected = convex_upsample_reference(&x, &logits, 2).unwrap();
    if let Some(found) = crate::emulator::emulated(|| convex_upsample(&x, &logits, 2).unwrap()) {
        let difference = (found - expected).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let x = zeros(&[2, 1, 3, 4]);
    for (result, message) in [
        (convex_upsample(&zeros(&[3, 4]), &x, 1), "x: expected shape [n, c, h, w]"),
        (convex_upsample(&x, &x, 0), "ratio: expected at least 1"),
        (convex_upsample(&x, &zeros(&[2, 36, 3, 4]), 3), "mask_logits: expected shape [2, 81, 3, 4]"),
        (convex_upsample(&x, &zeros(&[2, 9, 3, 4]).to_dtype(DType::F64).unwrap(), 1), "x's type F32"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
