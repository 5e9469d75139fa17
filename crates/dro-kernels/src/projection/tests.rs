#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};

use super::{projection, projection_reference};
use crate::testing::{assert_kernels_are, list, noise, with_gradients};

fn cameras(n: usize) -> Tensor {
    let k = Tensor::new(&[[[2.0, 0.0, 0.7], [0.0, 1.5, 0.4], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
    let each = (noise(9, &[n, 1, 1]) * 0.2).unwrap().affine(1.0, 1.0).unwrap();
    let last = Tensor::new(&[[[1.0], [1.0], [0.0]]], &Device::Cpu).unwrap();
    // Rows one and two of each camera differ; the last stays 0 0 1.
    let scale = each.broadcast_mul(&last).unwrap();
    let rest = Tensor::new(&[[[0.0], [0.0], [1.0]]], &Device::Cpu).unwrap();
    k.broadcast_mul(&scale.broadcast_add(&rest).unwrap()).unwrap()
}

#[test]
fn kernels_equal_the_reference() {
    for n in [1, 2, 7] {
        let k = cameras(n);
        let like = |x: &Tensor| k.to_dtype(x.dtype())?.to_device(x.device());
        assert_kernels_are(
            &|x| projection(&x[0], &like(&x[0])?),
            &|x| projection_reference(&x[0], &like(&x[0])?),
            &[(noise(n as u64, &[n, 6]) * 2.0).unwrap()],
            1e-5,
        );
    }
}

#[test]
fn gradients_are_central_differences() {
    let (pose, k) = (noise(5, &[2, 6]), cameras(2));
    let op = |x: &[Tensor]| projection(&x[0], &k);
    let found = with_gradients(&op, std::slice::from_ref(&pose));
    let weights = list(&noise(77, &[2, 3, 4]));
    let loss = |pose: Vec<f64>| {
        let out = projection(&Tensor::from_vec(pose, (2, 6), &Device::Cpu).unwrap(), &k).unwrap();
        list(&out).iter().zip(&weights).map(|(out, weight)| out * weight).sum::<f64>()
    };
    for (i, gradient) in list(&found[1]).into_iter().enumerate() {
        let moved = |by: f64| {
            let mut moved = list(&pose);
            moved[i] += by;
            loss(moved)
        };
        let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((difference - gradient).abs() < 1e-8, "{i}: {difference} and {gradient}");
    }
}

#[test]
fn no_motion_is_the_identity() {
    let zero = Tensor::zeros((1, 6), DType::F64, &Device::Cpu).unwrap();
    let found = list(&projection(&zero, &cameras(1)).unwrap());
    for (i, value) in found.into_iter().enumerate() {
        let expected = if i % 5 == 0 { 1.0 } else { 0.0 };
        assert!((value - expected).abs() < 1e-12, "{i}: {value}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    for (result, message) in [
        (projection(&zeros(&[2, 7]), &zeros(&[2, 3, 3])), "pose: expected shape [n, 6]"),
        (projection(&zeros(&[2, 6]), &zeros(&[1, 3, 3])), "intrinsics: expected shape [2, 3, 3]"),
        (projection(&zeros(&[2, 6]), &zeros(&[2, 3, 3]).to_dtype(DType::F64).unwrap()), "type F32"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
