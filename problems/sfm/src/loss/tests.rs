use candle_core::{DType, Device, Tensor, Var};
use dro_vision::{depth_from_inverse, euler_to_matrix, warp};
use proptest::prelude::*;

use super::*;

const SIZE: (usize, usize) = (6, 8);

/// Smooth numbers that differ from pixel to pixel, around `middle`.
fn wavy(shape: &[usize], middle: f64, swing: f64, phase: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| middle + swing * (0.7 * i as f64 + phase).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn intrinsics() -> Tensor {
    Tensor::new(&[[[7.0, 0.0, 3.4], [0.0, 7.5, 2.6], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap()
}

fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The gradient of `loss` at `x` against central differences, in double precision.
fn check_gradient(x: &Tensor, loss: impl Fn(&Tensor) -> Tensor) {
    let var = Var::from_tensor(x).unwrap();
    let gradient = loss(var.as_tensor()).backward().unwrap();
    let gradient = gradient.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let scale = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
    assert!(scale > 0.0);
    for (index, found) in gradient.iter().enumerate() {
        let at = |by: f64| {
            let mut moved = values.clone();
            moved[index] += by;
            scalar(&loss(&Tensor::from_vec(moved, x.dims(), &Device::Cpu).unwrap()))
        };
        let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
        assert!((found - expected).abs() < 1e-5 * scale, "{index}: {found}, by differences {expected}");
    }
}

fn supervised(inv_depth: &Tensor, poses: &Tensor) -> SupervisedLoss {
    let depth_m = wavy(&[1, 1, SIZE.0, SIZE.1], 1.4, 0.3, 1.0);
    let truth = Tensor::new(&[[0.1, -0.05, 0.02, 0.02, 0.01, -0.03]], &Device::Cpu).unwrap();
    let truth = euler_to_matrix(&truth).unwrap().unsqueeze(0).unwrap();
    // The first prediction is another one, so that the weights are tested too.
    let other = (inv_depth + 0.1).unwrap();
    let (inv_depth, poses) = ([other, inv_depth.clone()], [poses.zeros_like().unwrap(), poses.clone()]);
    let predicted = Predicted { inv_depth: &inv_depth, poses: &poses };
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
    supervised_loss(predicted, &depth_m, &truth, &intrinsics(), bounds).unwrap()
}

/// A prediction that is a tenth too great everywhere costs ln 1.1 at any depth, an unknown depth nothing; the gradient is that of
/// central differences.
#[test]
fn relative_errors_cost_the_same_near_and_far() {
    let depth_m = Tensor::new(&[[[[0.5, 2.0], [8.0, 0.0]]]], &Device::Cpu).unwrap();
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
    let poses = [Tensor::zeros((1, 1, 6), DType::F64, &Device::Cpu).unwrap()];
    let loss = |x: &Tensor| {
        let inv_depth = [x.clone()];
        relative_loss(Predicted { inv_depth: &inv_depth, poses: &poses }, &depth_m, bounds).unwrap()
    };
    let found = Tensor::new(&[[[[2.2, 0.55], [0.1375, 3.0]]]], &Device::Cpu).unwrap();
    assert!((scalar(&loss(&found)) - 0.75 * 1.1f64.ln()).abs() < 1e-9);
    check_gradient(&found, loss);
}

#[test]
fn supervised_gradients_are_those_of_central_differences() {
    let inv_depth = wavy(&[1, 1, SIZE.0, SIZE.1], 0.8, 0.2, 0.3);
    let poses = Tensor::new(&[[[0.05, 0.02, -0.03, 0.01, -0.02, 0.015]]], &Device::Cpu).unwrap();
    check_gradient(&inv_depth, |x| supervised(x, &poses).total);
    check_gradient(&poses, |x| supervised(&inv_depth, x).total);
}

/// A flat wall at 2 m, 2x3 cells, and a neighbour that moved by exactly one cell.
fn matching(target: &Tensor, neighbour: &Tensor, depth_m: f64) -> Tensor {
    let depth_m = Tensor::full(depth_m, (1, 1, 16, 24), &Device::Cpu).unwrap();
    let k = Tensor::new(&[[[16.0, 0.0, 11.5], [0.0, 16.0, 7.5], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
    let pose = [[[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]]];
    let pose = Tensor::new(&pose, &Device::Cpu).unwrap();
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
    matching_loss(target, neighbour, &depth_m, &pose, &k, bounds).unwrap()
}

#[test]
fn matching_gradients_are_those_of_central_differences() {
    let (target, neighbour) = (wavy(&[1, 4, 2, 3], 0.1, 1.0, 0.0), wavy(&[1, 4, 2, 3], 0.0, 1.0, 0.4));
    // Half a cell away, where weights are shared.
    check_gradient(&target, |x| matching(x, &neighbour, 4.0));
    check_gradient(&neighbour, |x| matching(&target, x, 4.0));
}

#[test]
fn features_match_where_the_true_point_is_seen() {
    let target = (wavy(&[1, 16, 2, 3], 0.0, 1.0, 0.0) * 4.0).unwrap();
    // At 2 m, a shift of 1 m is 8 pixels: one cell to the right.
    let moved = target.pad_with_zeros(3, 1, 0).unwrap().narrow(3, 0, 3).unwrap();
    let (right, wrong) = (scalar(&matching(&target, &moved, 2.0)), scalar(&matching(&target, &target, 2.0)));
    assert!(right < 1e-3 && wrong > 1.0, "{right} {wrong}");
    // Nothing known, nothing to learn.
    assert_eq!(scalar(&matching(&target, &moved, 0.0)), 0.0);
    // Equal features: a chance of one in six cells each.
    let same = scalar(&matching(&target.zeros_like().unwrap(), &target.zeros_like().unwrap(), 2.0));
    assert!((same - 6f64.ln()).abs() < 1e-9, "{same}");
}

#[test]
fn photometric_gradients_are_those_of_central_differences() {
    let inv_depth = wavy(&[1, 1, SIZE.0, SIZE.1], 0.8, 0.2, 0.3);
    let poses = Tensor::new(&[[[0.05, 0.02, -0.03, 0.01, -0.02, 0.015]]], &Device::Cpu).unwrap();
    let target = wavy(&[1, 3, SIZE.0, SIZE.1], 0.5, 0.3, 0.0);
    let neighbours = [wavy(&[1, 3, SIZE.0, SIZE.1], 0.5, 0.3, 0.5)];
    let k = intrinsics();
    let views = LossViews { target: &target, neighbours: &neighbours, intrinsics: &k };
    let config = PhotometricConfig { smoothness: 0.1, ..PhotometricConfig::default() };
    let loss = |inv_depth: &Tensor, poses: &Tensor| {
        let predicted =
            Predicted { inv_depth: std::slice::from_ref(inv_depth), poses: std::slice::from_ref(poses) };
        photometric_loss(predicted, views, &config).unwrap().total
    };
    check_gradient(&inv_depth, |x| loss(x, &poses));
    check_gradient(&poses, |x| loss(&inv_depth, x));
}

#[test]
fn supervised_is_zero_at_the_truth_and_counts_all_pixels() {
    let depth_m = wavy(&[1, 1, SIZE.0, SIZE.1], 1.4, 0.3, 1.0);
    let inv_depth = depth_m.recip().unwrap();
    let pose = Tensor::new(&[[[0.1, -0.05, 0.02, 0.02, 0.01, -0.03]]], &Device::Cpu).unwrap();
    let truth = euler_to_matrix(&pose.squeeze(0).unwrap()).unwrap().unsqueeze(0).unwrap();
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
    let loss = |inv_depth: &Tensor, depth_m: &Tensor| {
        let predicted =
            Predicted { inv_depth: std::slice::from_ref(inv_depth), poses: std::slice::from_ref(&pose) };
        supervised_loss(predicted, depth_m, &truth, &intrinsics(), bounds).unwrap()
    };
    assert_eq!(scalar(&loss(&inv_depth, &depth_m).total), 0.0);

    // An error of 0.25 on all pixels, half of them without truth: half of it is left.
    let wrong = (&inv_depth + 0.25).unwrap();
    assert!((scalar(&loss(&wrong, &depth_m).depth) - 0.25).abs() < 1e-12);
    let half = Tensor::cat(
        &[&depth_m.narrow(3, 0, 4).unwrap(), &depth_m.narrow(3, 4, 4).unwrap().zeros_like().unwrap()],
        3,
    );
    let halved = loss(&wrong, &half.unwrap());
    assert!((scalar(&halved.depth) - 0.125).abs() < 1e-12);
    assert!(scalar(&halved.total).is_finite());
}

#[test]
fn photometric_is_least_at_the_truth() {
    // The target is what a neighbour shows when warped, so nothing is left there but the border.
    let neighbour = wavy(&[1, 3, SIZE.0, SIZE.1], 0.5, 0.3, 0.5);
    let inv_depth = wavy(&[1, 1, SIZE.0, SIZE.1], 0.8, 0.2, 0.3);
    let pose = Tensor::new(&[[[0.2, 0.1, 0.0, 0.01, -0.02, 0.015]]], &Device::Cpu).unwrap();
    let (k, matrix) = (intrinsics(), euler_to_matrix(&pose.squeeze(0).unwrap()).unwrap());
    let target = warp(&neighbour, &depth_from_inverse(&inv_depth).unwrap(), &k, &k, &matrix).unwrap();
    let neighbours = [neighbour];
    let views = LossViews { target: &target, neighbours: &neighbours, intrinsics: &k };
    let loss = |pose: &Tensor| {
        let predicted =
            Predicted { inv_depth: std::slice::from_ref(&inv_depth), poses: std::slice::from_ref(pose) };
        scalar(&photometric_loss(predicted, views, &PhotometricConfig::default()).unwrap().photometric)
    };
    assert!(loss(&pose).abs() < 1e-12);
    assert!(loss(&(pose * 0.5).unwrap()) > 1e-3);
}

#[test]
fn mismatches_are_named() {
    let (inv_depth, poses) = ([wavy(&[1, 1, 4, 4], 1.0, 0.1, 0.0)], [wavy(&[1, 2, 6], 0.0, 0.1, 0.0)]);
    let predicted = Predicted { inv_depth: &inv_depth, poses: &poses };
    let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
    let truth = wavy(&[1, 1, 3, 4], 0.0, 1.0, 0.0);
    let error = supervised_loss(predicted, &inv_depth[0], &truth, &intrinsics(), bounds).unwrap_err();
    assert_eq!(error.to_string(), "neighbour_from_target: expected shape [1, 2, 3, 4], found [1, 1, 3, 4]");
    let none = Predicted { inv_depth: &[], poses: &[] };
    assert!(supervised_loss(none, &inv_depth[0], &truth, &intrinsics(), bounds).is_err());
}

proptest! {
    #[test]
    fn ssim_is_symmetric_and_within_its_range(phase in 0.0f64..6.0, swing in 0.0f64..0.5) {
        let (x, y) = (wavy(&[1, 2, 5, 4], 0.5, 0.4, 0.0), wavy(&[1, 2, 5, 4], 0.5, swing, phase));
        let numbers = |x: &Tensor, y: &Tensor| ssim(x, y).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (a, b) in numbers(&x, &y).into_iter().zip(numbers(&y, &x)) {
            prop_assert!((a - b).abs() < 1e-12 && (-1.0..=1.0).contains(&a), "{} {}", a, b);
        }
        prop_assert!(numbers(&x, &x).iter().all(|s| (s - 1.0).abs() < 1e-12));
    }

    #[test]
    fn smoothness_does_not_depend_on_scale(scale in 0.1f64..10.0) {
        let (inv_depth, image) = (wavy(&[1, 1, 5, 4], 1.0, 0.4, 0.0), wavy(&[1, 3, 5, 4], 0.5, 0.3, 1.0));
        let scaled = (&inv_depth * scale).unwrap();
        let (a, b) = (smoothness(&inv_depth, &image).unwrap(), smoothness(&scaled, &image).unwrap());
        prop_assert!((scalar(&a) - scalar(&b)).abs() < 1e-12);
    }
}
