#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;

use super::{grid_sample, grid_sample_reference};
use crate::testing::{assert_kernels_are, list, noise as tensor};

/// Coordinates from two pixels outside to two pixels outside.
fn coords(seed: u64, [n, ho, wo]: [usize; 3], [h, w]: [usize; 2]) -> Tensor {
    let half = |size: usize| (size as f64 - 1.0) / 2.0;
    let xy = tensor(seed, &[n, ho, wo, 2]);
    let scale = Tensor::new(&[half(w) + 2.0, half(h) + 2.0], &Device::Cpu).unwrap();
    let middle = Tensor::new(&[half(w), half(h)], &Device::Cpu).unwrap();
    xy.broadcast_mul(&scale).unwrap().broadcast_add(&middle).unwrap()
}

fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    for (i, (a, b)) in list(a).iter().zip(list(b)).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{i}]: {a} and {b}");
    }
}

type Sample = fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>;

/// Samples and the gradients of `Σ weights · samples`.
fn with_gradients(f: Sample, image: &Tensor, coords: &Tensor, weights: &Tensor) -> [Tensor; 3] {
    let (image, coords) = (Var::from_tensor(image).unwrap(), Var::from_tensor(coords).unwrap());
    let out = f(image.as_tensor(), coords.as_tensor()).unwrap();
    let grads = (&out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    [out, grads.get(&image).unwrap().clone(), grads.get(&coords).unwrap().clone()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn kernel_equals_reference(
        n in 1usize..4, c in 1usize..4, h in 1usize..8, w in 1usize..8,
        ho in 1usize..6, wo in 1usize..6, seed: u64, single: bool, strided: bool,
    ) {
        let dtype = if single { DType::F32 } else { DType::F64 };
        let cast = |t: Tensor| t.to_dtype(dtype).unwrap();
        let (mut image, mut at) = (cast(tensor(seed, &[n, c, h, w])), cast(coords(!seed, [n, ho, wo], [h, w])));
        if strided {
            // The same numbers with other strides and an offset.
            let wide = Tensor::cat(&[&image, &image], 3).unwrap().transpose(2, 3).unwrap().contiguous().unwrap();
            image = wide.transpose(2, 3).unwrap().narrow(3, w, w).unwrap();
            at = at.permute((3, 1, 0, 2)).unwrap().contiguous().unwrap().permute((2, 1, 3, 0)).unwrap();
        }
        let weights = cast(tensor(seed ^ 7, &[n, c, ho, wo]));
        let tolerance = if single { 2e-5 } else { 1e-13 };
        let direct = grid_sample(&image, &at).unwrap();
        let fast = with_gradients(grid_sample, &image, &at, &weights);
        let slow = with_gradients(grid_sample_reference, &image, &at, &weights);
        assert_close(&direct, &slow[0], tolerance, "samples of strided input");
        for (what, (fast, slow)) in ["samples", "image gradient", "coordinate gradient"].iter().zip(fast.iter().zip(&slow)) {
            assert_close(fast, slow, tolerance, what);
        }
    }
}

#[test]
fn gradients_are_central_differences() {
    let (n, c, h, w, ho, wo) = (2, 3, 5, 4, 3, 7);
    let image = tensor(1, &[n, c, h, w]);
    // Off the integers by at least 0.05: differences across a kink mean nothing.
    let away: Vec<f64> = list(&coords(2, [n, ho, wo], [h, w]))
        .into_iter()
        .map(|v| v.floor() + (v - v.floor()).clamp(0.05, 0.95))
        .collect();
    let at = Tensor::from_vec(away, (n, ho, wo, 2), &Device::Cpu).unwrap();
    let weights = tensor(3, &[n, c, ho, wo]);
    let loss = |image: &Tensor, at: &Tensor| -> f64 {
        (grid_sample(image, at).unwrap() * &weights).unwrap().sum_all().unwrap().to_scalar().unwrap()
    };
    let [_, grad_image, grad_coords] = with_gradients(grid_sample, &image, &at, &weights);
    for (which, x, grad) in [("image", &image, grad_image), ("coords", &at, grad_coords)] {
        let (values, grad, step) = (list(x), list(&grad), 1e-6);
        assert!(grad.iter().any(|g| g.abs() > 0.1));
        for i in 0..values.len() {
            let moved = |by: f64| {
                let mut moved = values.clone();
                moved[i] += by;
                let moved = Tensor::from_vec(moved, x.dims(), &Device::Cpu).unwrap();
                if which == "image" { loss(&moved, &at) } else { loss(&image, &moved) }
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((difference - grad[i]).abs() < 1e-7, "{which}[{i}]: {difference} and {}", grad[i]);
        }
    }
}

#[test]
fn cuda_kernels_equal_the_reference() {
    for [n, c, h, w, ho, wo] in [[1, 1, 1, 1, 1, 1], [2, 3, 5, 4, 3, 7], [3, 2, 1, 6, 9, 11]] {
        // Multiples of 1/8, off the integers: f32 and f64 agree in which pixels are read.
        let at = ((coords(2, [n, ho, wo], [h, w]) * 4.0).unwrap().floor().unwrap() * 0.25).unwrap();
        let at = (at + 0.125).unwrap();
        assert_kernels_are(
            &|x| grid_sample(&x[0], &x[1]),
            &|x| grid_sample_reference(&x[0], &x[1]),
            &[tensor(1, &[n, c, h, w]), at],
            1e-5,
        );
    }
}

#[test]
fn border_fades_and_nonsense_is_zero() {
    let image = Tensor::full(8f32, (1, 1, 2, 3), &Device::Cpu).unwrap();
    let cases: [([f32; 2], f32); 12] = [
        ([0.0, 0.0], 8.0),
        ([2.0, 1.0], 8.0),
        ([-0.25, 0.0], 6.0),
        ([2.75, 1.5], 1.0),
        ([-1.0, 0.0], 0.0),
        ([3.0, 1.0], 0.0),
        ([1.0, -1.5], 0.0),
        ([f32::NAN, 0.0], 0.0),
        ([0.0, f32::INFINITY], 0.0),
        ([f32::NEG_INFINITY, f32::NAN], 0.0),
        ([f32::MAX, 0.0], 0.0),
        ([1e30, -1e30], 0.0),
    ];
    let at: Vec<f32> = cases.iter().flat_map(|(xy, _)| *xy).collect();
    let at = Tensor::from_vec(at, (1, 3, 4, 2), &Device::Cpu).unwrap();
    let ones = Tensor::ones((1, 1, 3, 4), DType::F32, &Device::Cpu).unwrap();
    for f in [grid_sample as Sample, grid_sample_reference] {
        let [out, grad_image, grad_coords] = with_gradients(f, &image, &at, &ones);
        assert_eq!(list(&out), cases.map(|(_, value)| f64::from(value)));
        assert!(list(&grad_image).iter().all(|g| g.is_finite()));
        assert!(list(&grad_coords)[14..].iter().all(|&g| g == 0.0));
    }
}

#[test]
fn nan_in_the_image_stays_where_it_is() {
    let image = Tensor::new(&[[[[f64::NAN, 1.0, 2.0]]]], &Device::Cpu).unwrap();
    let at = Tensor::new(&[[[[1.5, 0.5], [2.5, 0.0], [0.5, 0.0]]]], &Device::Cpu).unwrap();
    for f in [grid_sample as Sample, grid_sample_reference] {
        let out = list(&f(&image, &at).unwrap());
        assert_eq!(out[..2], [0.75, 1.0]);
        assert!(out[2].is_nan());
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let image = Var::from_tensor(&tensor(1, &[1, 2, 4, 4])).unwrap();
    let at = coords(2, [1, 3, 3], [4, 4]);
    let grads = grid_sample(image.as_tensor(), &at).unwrap().backward().unwrap();
    assert!(grads.get(&image).is_some() && grads.get(&at).is_none());
}

#[test]
fn empty_and_wrong_shapes() {
    let cpu = &Device::Cpu;
    let image =
        |n: usize, c: usize, h: usize, w: usize| Tensor::zeros((n, c, h, w), DType::F32, cpu).unwrap();
    let at = |n: usize, h: usize, w: usize| Tensor::zeros((n, h, w, 2), DType::F32, cpu).unwrap();
    for f in [grid_sample as Sample, grid_sample_reference] {
        for (image, at) in [
            (image(0, 1, 2, 2), at(0, 1, 1)),
            (image(1, 0, 2, 2), at(1, 1, 1)),
            (image(1, 1, 0, 2), at(1, 1, 1)),
            (image(1, 1, 2, 2), at(1, 0, 3)),
        ] {
            let weights = Tensor::zeros(
                (image.dims()[0], image.dims()[1], at.dims()[1], at.dims()[2]),
                DType::F32,
                cpu,
            )
            .unwrap();
            assert_eq!(f(&image, &at).unwrap().dims(), weights.dims());
        }
        for (image, at, message) in [
            (image(1, 1, 2, 2).squeeze(0).unwrap(), at(1, 1, 1), "[n, c, h, w]"),
            (image(1, 1, 2, 2), image(1, 1, 1, 3), "[n, ho, wo, 2]"),
            (image(2, 1, 2, 2), at(1, 1, 1), "batch size 2, found 1"),
            (image(1, 1, 2, 2), at(1, 1, 1).to_dtype(DType::F64).unwrap(), "type F32, found F64"),
            (
                image(1, 1, 2, 2).to_dtype(DType::U8).unwrap(),
                at(1, 1, 1).to_dtype(DType::U8).unwrap(),
                "f32 or f64",
            ),
        ] {
            let error = f(&image, &at).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
