#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::slice;

use candle_core::{DType, Device, Tensor};
use nalgebra::{Isometry3, Point2, Vector6};
use proptest::prelude::*;

use crate::testing::{assert_gradients, distance, list, noise};
use crate::*;

fn vectors(rows: &[[f64; 6]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), 6), &Device::Cpu).unwrap()
}

/// The oracle's poses as a tensor, f64.
fn matrices(poses: &[Isometry3<f64>]) -> Tensor {
    let rows: Vec<f64> = poses
        .iter()
        .flat_map(|pose| {
            pose.to_homogeneous().fixed_rows::<3>(0).transpose().iter().copied().collect::<Vec<_>>()
        })
        .collect();
    Tensor::from_vec(rows, (poses.len(), 3, 4), &Device::Cpu).unwrap()
}

fn camera_64(camera: &Pinhole, n: usize) -> Tensor {
    let Pinhole { fx, fy, cx, cy } = *camera;
    let k = Tensor::new(&[[[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
    k.repeat((n, 1, 1)).unwrap()
}

const K_TARGET: Pinhole = Pinhole { fx: 7.0, fy: 6.5, cx: 3.1, cy: 2.4 };
const K_NEIGHBOUR: Pinhole = Pinhole { fx: 6.2, fy: 7.7, cx: 2.8, cy: 2.6 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn poses_equal_the_oracle(rows in proptest::collection::vec(proptest::array::uniform6(-4.0..4.0), 1..5), tiny: bool) {
        let scale = if tiny { 1e-5 } else { 1.0 };
        let rows: Vec<[f64; 6]> = rows.into_iter().map(|row| row.map(|x| x * scale)).collect();
        let each = |f: fn(&Vector6<f64>) -> Isometry3<f64>| {
            matrices(&rows.iter().map(|row| f(&Vector6::from_row_slice(row))).collect::<Vec<_>>())
        };
        let xi = vectors(&rows);
        for (batched, oracle) in [(se3_exp as fn(&Tensor) -> Result<Tensor>, each(se3::exp)), (euler_to_matrix, each(euler::isometry))] {
            prop_assert!(distance(&batched(&xi).unwrap(), &oracle) < 1e-13);
            let single = batched(&xi.to_dtype(DType::F32).unwrap()).unwrap();
            prop_assert!(distance(&single, &oracle) < 3e-6);
        }
        let poses: Vec<_> = rows.iter().map(|row| se3::exp(&Vector6::from_row_slice(row))).collect();
        let logs: Vec<f64> = poses.iter().flat_map(|pose| se3::log(pose).iter().copied().collect::<Vec<_>>()).collect();
        let logs = Tensor::from_vec(logs, (rows.len(), 6), &Device::Cpu).unwrap();
        prop_assert!(distance(&se3_log(&matrices(&poses)).unwrap(), &logs) < 1e-9);
        prop_assert!(distance(&inverse(&matrices(&poses)).unwrap(), &matrices(&poses.iter().map(Isometry3::inverse).collect::<Vec<_>>())) < 1e-12);
        let squares: Vec<_> = poses.iter().map(|pose| pose * pose).collect();
        prop_assert!(distance(&compose(&matrices(&poses), &matrices(&poses)).unwrap(), &matrices(&squares)) < 1e-12);
    }

    #[test]
    fn projection_equals_the_oracle(
        n in 1usize..4, h in 1usize..6, w in 1usize..6, seed: u64,
        rows in proptest::collection::vec(proptest::array::uniform6(-0.4..0.4), 3),
    ) {
        let poses: Vec<_> = rows[..n].iter().map(|row| se3::exp(&Vector6::from_row_slice(row))).collect();
        // Some of these are behind the neighbour's camera.
        let depth = (noise(seed, &[n, 1, h, w]) + 0.9).unwrap();
        let (coords, z) = project_depth(
            &depth, &camera_64(&K_TARGET, n), &camera_64(&K_NEIGHBOUR, n), &matrices(&poses),
        ).unwrap();
        prop_assert_eq!(coords.dims(), [n, h, w, 2]);
        prop_assert_eq!(z.dims(), [n, 1, h, w]);
        let (coords, z, depth) = (list(&coords), list(&z), list(&depth));
        for i in 0..n * h * w {
            let pixel = Point2::new((i % w) as f64, (i / w % h) as f64);
            let p = poses[i / (h * w)] * K_TARGET.backproject(&pixel, depth[i]);
            prop_assert!((z[i] - p.z).abs() < 1e-12);
            let v = K_NEIGHBOUR.matrix() * p.coords / p.z.max(1e-5);
            prop_assert!((coords[2 * i] - v.x).abs() + (coords[2 * i + 1] - v.y).abs() < 1e-9 * (1.0 + v.norm()));
        }
    }

    #[test]
    fn resizing_equals_candles_own(n in 1usize..3, c in 1usize..3, h in 1usize..9, w in 1usize..9, h2 in 1usize..20, w2 in 1usize..20, seed: u64) {
        let x = noise(seed, &[n, c, h, w]).to_dtype(DType::F32).unwrap();
        let expected = x.upsample_bilinear2d(h2, w2, false).unwrap();
        prop_assert!(distance(&resize_bilinear(&x, (h2, w2)).unwrap(), &expected) < 1e-5);
    }

    #[test]
    fn convex_upsampling_is_its_definition(n in 1usize..3, c in 1usize..3, h in 1usize..5, w in 1usize..5, r in 1usize..5, seed: u64) {
        let (x, mask) = (noise(seed, &[n, c, h, w]), (noise(!seed, &[n, 9 * r * r, h, w]) * 3.0).unwrap());
        let out = convex_upsample(&x, &mask, r).unwrap();
        prop_assert_eq!(out.dims(), [n, c, h * r, w * r]);
        let (x, mask, out) = (list(&x), list(&mask), list(&out));
        for (index, value) in out.iter().enumerate() {
            let (column, row, plane) = (index % (w * r), index / (w * r) % (h * r), index / (w * r * h * r));
            let (j, t, i, s) = (column / r, column % r, row / r, row % r);
            let logit = |k: usize| mask[(((plane / c * 9 + k) * r + s) * r + t) * h * w + i * w + j];
            let sum: f64 = (0..9).map(|k| logit(k).exp()).sum();
            let expected: f64 = (0..9).map(|k| {
                let (y, z) = ((i + k / 3).wrapping_sub(1), (j + k % 3).wrapping_sub(1));
                let x = if y < h && z < w { x[plane * h * w + y * w + z] } else { 0.0 };
                x * logit(k).exp() / sum
            }).sum();
            prop_assert!((value - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn resizing_equals_pytorchs() {
    let x = Tensor::new(&[[[[1f32, 2.], [3., 4.]]]], &Device::Cpu).unwrap();
    // torch.nn.functional.interpolate(x, (4, 3), mode="bilinear", align_corners=False)
    let expected: [f32; 12] = [1., 1.5, 2., 1.5, 2., 2.5, 2.5, 3., 3.5, 3., 3.5, 4.];
    assert_eq!(list(&resize_bilinear(&x, (4, 3)).unwrap()), expected.map(f64::from));
    assert_eq!(list(&resize_bilinear(&x, (1, 1)).unwrap()), [2.5]);
}

#[test]
fn gradients_of_poses() {
    let xi = vectors(&[[0.3, -1.0, 2.0, 0.4, -0.7, 0.2], [1.0, 0.5, -0.2, 1.4, 1.2, -0.9], [0.0; 6]]);
    let tiny = vectors(&[
        [1.0, 2.0, 3.0, 0.0, 0.0, 0.0],
        [1.0, 2.0, 3.0, 1e-9, -2e-9, 0.0],
        [0.1, 0.2, 0.3, 1e-4, 0.0, 0.0],
    ]);
    for x in [&xi, &tiny] {
        assert_gradients(|x| euler_to_matrix(&x[0]), slice::from_ref(x), 1e-8);
        assert_gradients(|x| se3_exp(&x[0]), slice::from_ref(x), 1e-8);
        // Only along SE(3) is the logarithm's gradient defined.
        assert_gradients(|x| se3_log(&euler_to_matrix(&x[0])?), slice::from_ref(x), 1e-8);
        let pose = euler_to_matrix(&noise(5, &[3, 6])).unwrap();
        assert_gradients(|x| se3_retract(&pose, &x[0]), slice::from_ref(x), 1e-8);
        assert_gradients(|x| se3_log(&se3_retract(&pose, &x[0])?), slice::from_ref(x), 1e-8);
    }
    let (a, b) = (se3_exp(&noise(1, &[2, 6])).unwrap(), se3_exp(&noise(2, &[2, 6])).unwrap());
    assert_gradients(|x| compose(&x[0], &x[1]), &[a.clone(), b], 1e-8);
    assert_gradients(|x| inverse(&x[0]), &[a], 1e-8);
}

/// Depth, cameras and poses with everything in front of the cameras and most of it in view.
fn view(n: usize, h: usize, w: usize) -> [Tensor; 4] {
    let depth = (noise(11, &[n, 1, h, w]) * 0.3).unwrap().affine(1.0, 2.0).unwrap();
    [depth, camera_64(&K_TARGET, n), camera_64(&K_NEIGHBOUR, n), (noise(12, &[n, 6]) * 0.15).unwrap()]
}

#[test]
fn gradients_of_projection() {
    let inputs = view(2, 3, 4);
    let both = |x: &[Tensor]| {
        let pose = se3_exp(&x[3])?;
        // The cameras' fixed entries are not parameters: keep their gradients out.
        let mask = Tensor::new(&[[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]], &Device::Cpu)?;
        let k = |k: &Tensor| -> Result<Tensor> {
            Ok((k.broadcast_mul(&mask)? + (k.detach() - k.detach().broadcast_mul(&mask)?)?)?)
        };
        let (coords, z) = project_depth(&x[0], &k(&x[1])?, &k(&x[2])?, &pose)?;
        Ok(Tensor::cat(&[coords.permute((0, 3, 1, 2))?, z], 1)?)
    };
    let fixed = [inputs[0].clone(), inputs[3].clone()];
    let (kt, kn) = (inputs[1].clone(), inputs[2].clone());
    assert_gradients(|x| both(&[x[0].clone(), kt.clone(), kn.clone(), x[1].clone()]), &fixed, 1e-7);
    let entries = |k: &Tensor| k.narrow(1, 0, 2).unwrap().contiguous().unwrap();
    let bottom = kt.narrow(1, 2, 1).unwrap();
    let whole = |top: &Tensor| Tensor::cat(&[top, &bottom], 1);
    let skew = Tensor::new(&[[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]], &Device::Cpu).unwrap();
    let cameras = [entries(&kt), entries(&kn)];
    assert_gradients(
        |x| {
            both(&[
                fixed[0].clone(),
                whole(&x[0].broadcast_mul(&skew)?)?,
                whole(&x[1].broadcast_mul(&skew)?)?,
                fixed[1].clone(),
            ])
        },
        &cameras,
        1e-7,
    );
}

#[test]
fn gradients_of_warping() {
    let [depth, k_target, k_neighbour, xi] = view(2, 4, 5);
    let image = noise(13, &[2, 3, 6, 7]);
    // The points between pixels where bilinear interpolation has a kink are not met here:
    // the coordinates are at least 1e-4 away from integers.
    let (coords, _) = project_depth(&depth, &k_target, &k_neighbour, &se3_exp(&xi).unwrap()).unwrap();
    assert!(list(&coords).iter().all(|x| (x - x.round()).abs() > 1e-4));
    assert_gradients(
        |x| warp(&x[0], &x[1], &k_target, &k_neighbour, &se3_exp(&x[2])?),
        &[image, depth, xi],
        1e-6,
    );
}

#[test]
fn gradients_of_resizing_and_upsampling() {
    let x = noise(21, &[2, 2, 3, 4]);
    for size in [(3, 4), (6, 8), (2, 3), (5, 1), (7, 4)] {
        assert_gradients(|x| resize_bilinear(&x[0], size), slice::from_ref(&x), 1e-8);
    }
    let mask = noise(22, &[2, 36, 3, 4]);
    assert_gradients(|x| convex_upsample(&x[0], &x[1], 2), &[x, mask], 1e-8);
}

#[test]
fn depth_and_inverse_depth() {
    let x = Tensor::new(&[0.5, 1e-6, 1e-9, 0.0, -1.0, f64::NAN, f64::INFINITY], &Device::Cpu).unwrap();
    let depth = list(&depth_from_inverse(&x).unwrap());
    assert!((depth[1] - 1e6).abs() < 1e-3 && (depth[2] - 1e6).abs() < 1e-3);
    assert_eq!((depth[0], &depth[3..]), (2.0, &[0.0; 4][..]));
    let positive = Tensor::new(&[0.3, 1.0, 4.0], &Device::Cpu).unwrap();
    assert_gradients(|x| depth_from_inverse(&x[0]), &[positive], 1e-6);
    let x = candle_core::Var::from_tensor(&x).unwrap();
    let grads = depth_from_inverse(x.as_tensor()).unwrap().backward().unwrap();
    assert_eq!(list(grads.get(&x).unwrap())[2..], [0.0; 5]);
}

#[test]
fn intrinsics_scale_as_the_camera_does() {
    let camera = Pinhole { fx: 517.3, fy: 516.5, cx: 318.6, cy: 255.3 };
    let k = intrinsics_tensor(&camera, 2, &Device::Cpu).unwrap();
    assert_eq!((k.dims(), k.dtype()), (&[2, 3, 3][..], DType::F32));
    let scaled = intrinsics_tensor(&camera.scaled(0.125, 0.125).unwrap(), 2, &Device::Cpu).unwrap();
    assert!(distance(&scale_intrinsics(&k, 0.125).unwrap(), &scaled) < 1e-6);
    assert!(scale_intrinsics(&k, 0.0).unwrap_err().to_string().contains("positive"));
}

#[test]
fn an_unmoved_camera_sees_the_same_image() {
    let image = noise(31, &[1, 3, 5, 6]);
    let k = camera_64(&K_TARGET, 1);
    let depth = (noise(32, &[1, 1, 5, 6]) + 2.0).unwrap();
    let pose = se3_exp(&vectors(&[[0.0; 6]])).unwrap();
    assert!(distance(&warp(&image, &depth, &k, &k, &pose).unwrap(), &image) < 1e-12);
    // Moving right by one pixel's worth at depth 2 shows the column to the left.
    let depth = Tensor::full(2.0, (1, 1, 5, 6), &Device::Cpu).unwrap();
    let pose = se3_exp(&vectors(&[[2.0 / K_TARGET.fx, 0.0, 0.0, 0.0, 0.0, 0.0]])).unwrap();
    let moved = warp(&image, &depth, &k, &k, &pose).unwrap();
    assert!(distance(&moved.narrow(3, 0, 5).unwrap(), &image.narrow(3, 1, 5).unwrap()) < 1e-12);
}

#[test]
fn wrong_shapes_are_named() {
    let t = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let (depth, k, pose) = (t(&[2, 1, 3, 4]), t(&[2, 3, 3]), t(&[2, 3, 4]));
    for (result, name) in [
        (euler_to_matrix(&t(&[2, 7])), "pose"),
        (se3_exp(&t(&[6])), "xi"),
        (se3_log(&t(&[2, 4, 4])), "pose"),
        (compose(&pose, &t(&[1, 3, 4])), "b_from_c"),
        (inverse(&t(&[3, 4])), "a_from_b"),
        (scale_intrinsics(&t(&[3, 3]), 0.5), "k:"),
        (project_depth(&t(&[2, 3, 4]), &k, &k, &pose).map(|x| x.0), "depth"),
        (project_depth(&depth, &t(&[1, 3, 3]), &k, &pose).map(|x| x.0), "k_target"),
        (project_depth(&depth, &k, &t(&[2, 4, 4]), &pose).map(|x| x.0), "k_neighbour"),
        (warp(&depth, &depth, &k, &k, &t(&[1, 3, 4])), "neighbour_from_target"),
        (convex_upsample(&depth, &t(&[2, 36, 3, 4]), 3), "mask_logits"),
        (convex_upsample(&depth, &t(&[2, 36, 3, 4]), 0), "ratio"),
        (resize_bilinear(&t(&[3, 4]), (1, 1)), "x:"),
        (resize_bilinear(&depth, (0, 1)), "size"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn strides_do_not_matter() {
    // Poses and cameras that are views of larger tensors, and a camera repeated without a copy.
    let k = camera_64(&K_TARGET, 1).t().unwrap().contiguous().unwrap().t().unwrap();
    let k = k.broadcast_as((2, 3, 3)).unwrap();
    let pose = se3_exp(&noise(41, &[2, 6])).unwrap();
    let strided = pose.transpose(1, 2).unwrap().contiguous().unwrap().transpose(1, 2).unwrap();
    let depth = (noise(42, &[2, 1, 4, 3]) + 3.0).unwrap().transpose(2, 3).unwrap();
    let image = noise(43, &[2, 5, 3, 2]).permute((0, 3, 1, 2)).unwrap();
    let copy = |t: &Tensor| t.force_contiguous().unwrap();
    let one = warp(&image, &depth, &k, &k, &strided).unwrap();
    let other = warp(&copy(&image), &copy(&depth), &copy(&k), &copy(&k), &pose).unwrap();
    assert!(distance(&one, &other) < 1e-14);
    let xi = noise(44, &[6, 2]).t().unwrap();
    for f in [se3_exp as fn(&Tensor) -> Result<Tensor>, euler_to_matrix] {
        assert!(distance(&f(&xi).unwrap(), &f(&copy(&xi)).unwrap()) < 1e-15);
    }
    for f in [
        inverse as fn(&Tensor) -> Result<Tensor>,
        se3_log,
        |t| compose(t, t),
        |t| scale_intrinsics(&t.narrow(2, 0, 3)?, 0.5),
    ] {
        assert!(distance(&f(&strided).unwrap(), &f(&pose).unwrap()) < 1e-14);
    }
    let x = noise(45, &[2, 4, 2, 3]).permute((0, 2, 1, 3)).unwrap();
    assert!(
        distance(&resize_bilinear(&x, (3, 5)).unwrap(), &resize_bilinear(&copy(&x), (3, 5)).unwrap()) < 1e-15
    );
    let mask = noise(46, &[2, 3, 36, 4]).permute((0, 2, 3, 1)).unwrap();
    let (one, other) = (convex_upsample(&x, &mask, 2), convex_upsample(&copy(&x), &copy(&mask), 2));
    assert!(distance(&one.unwrap(), &other.unwrap()) < 1e-15);
}
