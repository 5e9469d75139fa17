#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor, Var};
use proptest::prelude::*;

use super::{
    Activation, ConvGeometry, MapView, PreparedConv, Scratch, SharedWeights, conv2d, conv2d_reference,
    conv2d_shared, op, shapes,
};
use crate::simd::Arch;

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

/// The largest difference.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    list(found).iter().zip(list(expected)).fold(0.0, |m, (a, b)| {
        assert!(a.is_finite(), "{a}");
        m.max((a - b).abs())
    })
}

const KERNELS: [(usize, usize); 7] = [(1, 1), (3, 3), (1, 5), (5, 1), (7, 7), (2, 3), (5, 5)];

const ACTIVATIONS: [Activation; 4] =
    [Activation::None, Activation::Relu, Activation::Sigmoid, Activation::Tanh];

fn wide(t: &Tensor) -> Tensor {
    t.to_dtype(DType::F64).unwrap()
}

/// [`conv2d`] without vector instructions, as on a machine that has none.
fn conv2d_scalar(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: ConvGeometry,
) -> Result<Tensor> {
    let shape = shapes::check(x, weight, bias, geometry)?;
    op::apply(&x.contiguous()?, &weight.contiguous()?, bias, shape, Arch::Scalar, None)
}

type Conv = fn(&Tensor, &Tensor, Option<&Tensor>, ConvGeometry) -> Result<Tensor>;

/// The convolution and the gradients of `Σ loss · y` for x, weight and bias.
fn with_gradients(
    f: Conv,
    [x, weight, bias, loss]: [&Tensor; 4],
    has_bias: bool,
    geometry: ConvGeometry,
) -> Vec<Tensor> {
    let vars = [x, weight, bias].map(|t| Var::from_tensor(t).unwrap());
    let bias = has_bias.then_some(vars[2].as_tensor());
    let y = f(vars[0].as_tensor(), vars[1].as_tensor(), bias, geometry).unwrap();
    let grads = (&y * loss).unwrap().sum_all().unwrap().backward().unwrap();
    let mut all = vec![y];
    all.extend(vars.iter().take(2 + usize::from(has_bias)).map(|v| grads.get(v).unwrap().clone()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn gradients_equal_reference_in_f64(
        n in 1usize..11, inputs in 1usize..20, outputs in 1usize..20, h in 1usize..15, w in 1usize..22,
        kernel in prop::sample::select(&KERNELS[..]), stride in 1usize..3, pad_y in 0usize..4,
        pad_x in 0usize..4, seed: u64, has_bias: bool, strided: bool, scalar: bool,
    ) {
        prop_assume!(h + 2 * pad_y >= kernel.0 && w + 2 * pad_x >= kernel.1);
        let n = if h * w > 100 { n.min(2) } else { n };
        let geometry = ConvGeometry { stride, pad_y, pad_x };
        let (ho, wo) = geometry.output_size(kernel, (h, w)).unwrap();
        let mut x = tensor(seed, &[n, inputs, h, w]);
        let mut weight = tensor(!seed, &[outputs, inputs, kernel.0, kernel.1]);
        if strided {
            // The same shapes with other strides and an offset.
            x = tensor(seed, &[w + 1, n, h, inputs]).narrow(0, 1, w).unwrap().permute((1, 3, 2, 0)).unwrap();
            weight = tensor(!seed, &[inputs, outputs, kernel.1, kernel.0]).permute((1, 0, 3, 2)).unwrap();
        }
        let bias = tensor(seed ^ 99, &[outputs]);
        let loss = tensor(seed ^ 98, &[n, outputs, ho, wo]);
        let arguments = [&x, &weight, &bias, &loss];
        let conv: Conv = if scalar { conv2d_scalar } else { conv2d };
        let found = with_gradients(conv, arguments, has_bias, geometry);
        let arguments = arguments.map(|t| wide(&t.contiguous().unwrap()));
        let expected = with_gradients(conv2d_reference, arguments.each_ref(), has_bias, geometry);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let scale = list(expected).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let error = error(found, expected) / scale.max(1e-30);
            prop_assert!(error < 1e-5, "{}: {error:e}", ["y", "x", "weight", "bias"][i]);
        }
    }

    #[test]
    fn prepared_equals_reference_in_f64(
        n in 1usize..12, parts in prop::collection::vec(1usize..9, 1..4), outputs in 1usize..28,
        h in 1usize..23, w in 1usize..40, kernel in prop::sample::select(&KERNELS[..]),
        stride in 1usize..3, pad_y in 0usize..4, pad_x in 0usize..4, seed: u64,
        bias: bool, add in 0usize..3, activation in prop::sample::select(&ACTIVATIONS[..]),
    ) {
        prop_assume!(h + 2 * pad_y >= kernel.0 && w + 2 * pad_x >= kernel.1);
        let n = if h * w > 200 { n.min(2) } else { n };
        let geometry = ConvGeometry { stride, pad_y, pad_x };
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
        let x = wide(&Tensor::cat(&inputs, 1).unwrap());
        let bias = bias.map(|b| wide(&b));
        let expected = conv2d_reference(&x, &wide(&weight), bias.as_ref(), geometry).unwrap();
        let expected = match add {
            Some(add) => expected.broadcast_add(&wide(&add)).unwrap(),
            None => expected,
        };
        // No activation is steeper than 1, so the error is in proportion to what came before it.
        let scale = list(&expected).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let error = error(&found, &activation.apply(&expected).unwrap()) / scale.max(1e-30);
        prop_assert!(error < 1e-5, "{error:e}");
    }
}

/// The points of minimal filtering are chosen for this: with ±1 and ±2 in F(4×4, 3×3) it would be 2.0e-6.
#[test]
fn filtering_rounds_little() {
    let geometry = ConvGeometry::same((3, 3));
    let relative_error = |seed: u64| {
        let channels = 1 + seed as usize % 24;
        let (x, weight) = (tensor(seed, &[1, channels, 12, 12]), tensor(!seed, &[2, channels, 3, 3]));
        let found = conv2d(&x, &weight, None, geometry).unwrap();
        let expected = conv2d_reference(&wide(&x), &wide(&weight), None, geometry).unwrap();
        error(&found, &expected) / list(&expected).iter().fold(0.0, |m: f64, v| m.max(v.abs()))
    };
    let mean = (0..120).map(relative_error).sum::<f64>() / 120.0;
    assert!(mean < 1e-6, "{mean:e}");
}

#[test]
fn gradients_are_central_differences() {
    for (kernel, stride) in [((3, 3), 1), ((1, 5), 1), ((5, 1), 1), ((3, 3), 2), ((1, 1), 1)] {
        let geometry = ConvGeometry::strided(kernel, stride);
        let x = tensor(1, &[2, 3, 6, 7]);
        let weight = tensor(2, &[4, 3, kernel.0, kernel.1]);
        let bias = tensor(3, &[4]);
        let (ho, wo) = geometry.output_size(kernel, (6, 7)).unwrap();
        let loss = tensor(4, &[2, 4, ho, wo]);
        let value = |[x, weight, bias]: [&Tensor; 3]| -> f64 {
            let y = conv2d(x, weight, Some(bias), geometry).unwrap();
            list(&y).iter().zip(list(&loss)).map(|(y, loss)| y * loss).sum()
        };
        let grads = with_gradients(conv2d, [&x, &weight, &bias, &loss], true, geometry);
        let arguments = [&x, &weight, &bias];
        for which in 0..3 {
            let numbers = list(arguments[which]);
            let grad = list(&grads[which + 1]);
            assert!(grad.iter().any(|g| g.abs() > 0.1));
            for i in (0..numbers.len()).step_by(5) {
                // The loss is linear in each argument: a large step has no error of its own.
                let moved = |by: f64| {
                    let mut numbers: Vec<f32> = numbers.iter().map(|v| *v as f32).collect();
                    numbers[i] += by as f32;
                    let moved = Tensor::from_vec(numbers, arguments[which].dims(), &Device::Cpu).unwrap();
                    let mut arguments = arguments;
                    arguments[which] = &moved;
                    value(arguments)
                };
                let difference = (moved(1.0) - moved(-1.0)) / 2.0;
                assert!((difference - grad[i]).abs() < 1e-4, "{which}[{i}]: {difference} and {}", grad[i]);
            }
        }
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, weight) = (tensor(1, &[1, 2, 6, 6]), Var::from_tensor(&tensor(2, &[3, 2, 3, 3])).unwrap());
    let y = conv2d(&x, weight.as_tensor(), None, ConvGeometry::same((3, 3))).unwrap();
    let grads = y.backward().unwrap();
    assert!(grads.get(&weight).is_some() && grads.get(&x).is_none());
}

#[test]
fn wrong_arguments_are_errors() {
    let same = ConvGeometry::same((3, 3));
    let (x, weight, bias) = (tensor(1, &[1, 2, 6, 6]), tensor(2, &[3, 2, 3, 3]), tensor(3, &[3]));
    let message = |x: &Tensor, weight: &Tensor, bias: &Tensor, geometry: ConvGeometry| {
        conv2d(x, weight, Some(bias), geometry).unwrap_err().to_string()
    };
    let found = message(&x.squeeze(0).unwrap(), &weight, &bias, same);
    assert!(found.contains("expected shape [batch, in, height, width], found [2, 6, 6]"), "{found}");
    let found = message(&x, &bias, &bias, same);
    assert!(found.contains("expected shape [out, in, kh, kw], found [3]"), "{found}");
    let found = message(&x, &weight, &x, same);
    assert!(found.contains("bias: expected shape [3]"), "{found}");
    let found = message(&tensor(1, &[1, 3, 6, 6]), &weight, &bias, same);
    assert!(found.contains("expected the weight's 2 input channels, found 3"), "{found}");
    let found = message(&x, &wide(&weight), &wide(&bias), same);
    assert!(found.contains("expected x's type F32, found F64"), "{found}");
    let found = message(&x, &weight, &bias, ConvGeometry { stride: 0, ..same });
    assert!(found.contains("found stride 0"), "{found}");
    let valid = ConvGeometry { stride: 1, pad_y: 0, pad_x: 0 };
    let found = message(&tensor(1, &[1, 2, 2, 6]), &weight, &bias, valid);
    assert!(found.contains("no smaller than the kernel (3, 3), found (2, 6)"), "{found}");

    let conv = PreparedConv::new(&weight, None, same, Activation::None).unwrap();
    let message =
        |inputs: &[&Tensor], add: Option<&Tensor>| conv.forward(inputs, add).unwrap_err().to_string();
    assert!(message(&[], None).contains("at least one, found none"));
    assert!(message(&[&x, &x], None).contains("2 channels in all, found 4"));
    assert!(message(&[&x], Some(&x)).contains("add: expected shape [1, 3, 6, 6]"));
    let other = tensor(1, &[1, 2, 6, 5]);
    assert!(message(&[&x, &other], None).contains("1 images of 6x6 as in the first, found 1 of 6x5"));
    assert!(MapView::new(&[0.0; 5], [1, 1, 2, 3]).unwrap_err().to_string().contains("[1, 1, 2, 3]"));
}

#[test]
fn empty_maps_are_results_too() {
    for (kernel, [n, inputs, outputs]) in
        [((3, 3), [0, 2, 3]), ((3, 3), [2, 2, 0]), ((1, 1), [0, 2, 3]), ((1, 5), [2, 1, 0])]
    {
        let geometry = ConvGeometry::same(kernel);
        let x = Var::from_tensor(&tensor(1, &[n, inputs, 4, 5])).unwrap();
        let weight = Var::from_tensor(&tensor(2, &[outputs, inputs, kernel.0, kernel.1])).unwrap();
        let bias = Var::from_tensor(&tensor(3, &[outputs])).unwrap();
        let y = conv2d(&x, &weight, Some(bias.as_tensor()), geometry).unwrap();
        assert_eq!(y.dims(), [n, outputs, 4, 5]);
        let grads = y.sum_all().unwrap().backward().unwrap();
        for var in [&x, &weight, &bias] {
            let grad = grads.get(var).unwrap();
            assert_eq!(grad.dims(), var.dims());
            assert!(list(grad).iter().all(|g| *g == 0.0));
        }
    }
}

#[test]
fn memory_of_the_caller_may_hold_anything() {
    // More than eight images, so that they do not all share panels, and scratch and result full of old numbers.
    let (x, weight) = (tensor(1, &[11, 3, 5, 6]), tensor(2, &[7, 3, 3, 3]));
    let conv = PreparedConv::new(&weight, None, ConvGeometry::same((3, 3)), Activation::Tanh).unwrap();
    let expected = list(&conv.forward(&[&x], None).unwrap());
    let values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let views = [MapView::new(&values, [11, 3, 5, 6]).unwrap()];
    let (mut out, mut scratch) = (vec![f32::NAN; expected.len()], Scratch::new());
    scratch.memory = vec![f32::NAN; 1 << 16];
    conv.run(&views, None, &mut out, &mut scratch).unwrap();
    assert_eq!(out.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), expected);
    let error = conv.run(&views, None, &mut out[1..], &mut scratch).unwrap_err().to_string();
    assert!(error.contains("room for 2310 numbers, found 2309"), "{error}");
}

#[test]
fn shared_weights_change_no_number() {
    use crate::testing::{list, noise, with_gradients};

    for (kernel, stride) in [((3, 3), 1), ((1, 5), 1), ((5, 1), 1), ((1, 1), 1), ((7, 7), 2), ((3, 3), 2)] {
        let geometry = ConvGeometry::strided(kernel, stride);
        let all = [noise(1, &[2, 5, 9, 12]), noise(2, &[6, 5, kernel.0, kernel.1]), noise(3, &[6])];
        let all = all.map(|t| t.to_dtype(DType::F32).unwrap());
        // As a recurrent network: the same weights twice.
        let twice = |conv: &dyn Fn(&Tensor) -> Result<Tensor>, x: &Tensor| conv(x)? + conv(&(x * 0.5)?)?;
        let plain = with_gradients(&|t| twice(&|x| conv2d(x, &t[1], Some(&t[2]), geometry), &t[0]), &all);
        let shared = SharedWeights::default();
        let op = |t: &[Tensor]| twice(&|x| conv2d_shared(x, &t[1], Some(&t[2]), geometry, &shared), &t[0]);
        for (found, expected) in with_gradients(&op, &all).iter().zip(&plain) {
            assert_eq!(list(found), list(expected), "{kernel:?} {stride}");
        }
    }
}
