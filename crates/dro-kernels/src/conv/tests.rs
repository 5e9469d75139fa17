#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use super::{Activation, ConvGeometry, PreparedConv, conv2d_reference};

/// Numbers in [-1, 1) from a formula, so that a failing case is one line to repeat.
fn tensor(seed: u64, shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|i| {
            let mut z = (seed ^ 0x5bd1_e995).wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn list(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, relative to the largest number of `expected`.
fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (list(found), list(expected));
    let scale = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let error = found.iter().zip(&expected).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite(), "{a}");
        m.max((a - b).abs())
    });
    if scale > 0.0 { error / scale } else { error }
}

const KERNELS: [(usize, usize); 7] = [(1, 1), (3, 3), (1, 5), (5, 1), (7, 7), (2, 3), (5, 5)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn prepared_equals_reference_in_f64(
        n in 1usize..12, parts in prop::collection::vec(1usize..9, 1..4), outputs in 1usize..28,
        h in 1usize..23, w in 1usize..40, kernel in prop::sample::select(&KERNELS[..]),
        stride in 1usize..3, pad_y in 0usize..4, pad_x in 0usize..4, seed: u64,
        bias: bool, add in 0usize..3, activation in 0usize..4,
    ) {
        prop_assume!(h + 2 * pad_y >= kernel.0 && w + 2 * pad_x >= kernel.1);
        let n = if h * w > 200 { n.min(2) } else { n };
        let geometry = ConvGeometry { stride, pad_y, pad_x };
        let activation =
            [Activation::None, Activation::Relu, Activation::Sigmoid, Activation::Tanh][activation];
        let channels = parts.iter().sum::<usize>();
        let inputs: Vec<_> =
            parts.iter().enumerate().map(|(i, c)| tensor(seed ^ i as u64, &[n, *c, h, w])).collect();
        let weight = tensor(!seed, &[outputs, channels, kernel.0, kernel.1]);
        let bias = bias.then(|| tensor(seed ^ 99, &[outputs]));
        let (ho, wo) = geometry.output_size(kernel, (h, w)).unwrap();
        let add = match add {
            0 => None,
            1 => Some(tensor(seed ^ 98, &[1, outputs, ho, wo])),
            _ => Some(tensor(seed ^ 98, &[n, outputs, ho, wo])),
        };
        let conv = PreparedConv::new(&weight, bias.as_ref(), geometry, activation).unwrap();
        let found = conv.forward(&inputs.iter().collect::<Vec<_>>(), add.as_ref()).unwrap();
        let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
        let x = wide(&Tensor::cat(&inputs, 1).unwrap());
        let bias = bias.map(|b| wide(&b));
        let expected = conv2d_reference(&x, &wide(&weight), bias.as_ref(), geometry).unwrap();
        let expected = match add {
            Some(add) => expected.broadcast_add(&wide(&add)).unwrap(),
            None => expected,
        };
        let expected = activation.apply(&expected).unwrap();
        let error = relative_error(&found, &expected);
        prop_assert!(error < 1e-5, "{error:e}");
    }
}
