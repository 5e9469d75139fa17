#![allow(clippy::unwrap_used)]

use candle_core::{DType, Tensor};
use proptest::prelude::*;

use super::*;
use crate::testing::{Op, list, noise, with_gradients};

fn arguments(shape: [usize; 4], middle: f64) -> [Tensor; 3] {
    let channels = shape[1];
    [(noise(1, &shape) + middle).unwrap(), (noise(2, &[channels]) + 1.5).unwrap(), noise(3, &[channels])]
}

fn single(all: &[Tensor; 3]) -> [Tensor; 3] {
    all.each_ref().map(|t| t.to_dtype(DType::F32).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn results_and_gradients_are_those_of_the_reference(
        batch in 1usize..4, channels in 1usize..6, height in 1usize..40, width in 1usize..60, relu: bool,
        middle in -20f64..20.0,
    ) {
        // One number has no variance; two have no other direction to go.
        prop_assume!(batch * height * width > 2);
        let all = arguments([batch, channels, height, width], middle);
        // Rounding may take a number across 0, where the gradient jumps.
        let before = batch_norm_reference(&all[0], &all[1], &all[2], 1e-5, false).unwrap().y;
        prop_assume!(!relu || list(&before).iter().all(|y| y.abs() > 1e-5));
        let reference: Op = &|x| Ok(batch_norm_reference(&x[0], &x[1], &x[2], 1e-5, relu)?.y);
        let fast: Op = &|x| Ok(batch_norm(&x[0], &x[1], &x[2], 1e-5, relu)?.y);
        let (expected, found) = (with_gradients(reference, &all), with_gradients(fast, &single(&all)));
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let (found, expected) = (list(found), list(expected));
            let largest = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
            for (a, b) in found.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-4 * largest, "{}: {} and {}", index, a, b);
            }
        }
    }

    #[test]
    fn statistics_are_mean_and_variance(batch in 1usize..4, height in 1usize..30, middle in -1e3f64..1e3) {
        let all = arguments([batch, 3, height, 17], middle);
        let expected = batch_norm_reference(&all[0], &all[1], &all[2], 1e-5, false).unwrap();
        let [x, weight, bias] = single(&all);
        let found = batch_norm(&x, &weight, &bias, 1e-5, false).unwrap();
        for (a, b) in list(&found.mean).iter().zip(list(&expected.mean)) {
            prop_assert!((a - b).abs() < 1e-6 * middle.abs().max(1.0));
        }
        // The numbers themselves are rounded to 2^-24 of their size.
        for (a, b) in list(&found.variance).iter().zip(list(&expected.variance)) {
            prop_assert!((a - b).abs() < 1e-4 * b.max(0.1), "{} and {}", a, b);
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    let all = arguments([2, 3, 4, 5], 0.3);
    let weights = noise(9, &[2, 3, 4, 5]);
    let loss = |all: &[Tensor]| {
        let y = batch_norm(&all[0], &all[1], &all[2], 1e-5, true).unwrap().y;
        list(&(y * &weights).unwrap().sum_all().unwrap())[0]
    };
    let gradients = with_gradients(
        &|x| {
            let y = batch_norm(&x[0], &x[1], &x[2], 1e-5, true)?.y;
            // `with_gradients` weighs with its own noise; undo it.
            let own = noise(77, y.dims()).to_dtype(y.dtype())?;
            y.mul(&weights.to_dtype(y.dtype())?)?.div(&own)
        },
        &single(&all),
    );
    for (argument, gradient) in gradients.iter().skip(1).enumerate() {
        for (i, found) in list(gradient).into_iter().enumerate() {
            let moved = |by: f64| {
                let mut values = list(&all[argument]);
                values[i] += by;
                let mut moved = all.clone();
                moved[argument] = Tensor::from_vec(values, all[argument].shape(), &Device::Cpu).unwrap();
                loss(&moved)
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                "{argument}[{i}]: {found} {expected}"
            );
        }
    }
}

#[test]
fn wrong_shapes_are_named() {
    let [x, weight, _] = single(&arguments([1, 3, 2, 2], 0.0));
    let error = batch_norm(&x, &weight, &noise(1, &[2]), 1e-5, false).unwrap_err().to_string();
    assert!(error.contains("of shape [3], found [3] and [2]"), "{error}");
    let empty = x.narrow(2, 0, 0).unwrap();
    assert!(batch_norm(&empty, &weight, &weight, 1e-5, false).is_err());
}
