#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};

use super::{WarpCost, warp_cost, warp_cost_reference};
use crate::{
    projection_reference,
    testing::{assert_kernels_are, list, noise, with_gradients},
};

/// Features, unscaled inverse depth and projections: most points in view, some outside, some with no depth.
fn views([batch, neighbours, c, h, w]: [usize; 5], seed: u64) -> [Tensor; 3] {
    let pairs = batch * neighbours;
    let features = noise(seed, &[batch + pairs, c, h, w]);
    let inverse = noise(seed + 1, &[batch, 1, h, w]).affine(0.4, 0.3).unwrap();
    // Not too far away: there f32 has no digits left to compare.
    let far = inverse.abs().unwrap().lt(0.1).unwrap();
    let inverse = far.where_cond(&inverse.affine(0.0, -0.2).unwrap(), &inverse).unwrap();
    let k = Tensor::new(
        &[[[w as f64, 0.0, w as f64 / 2.0 - 0.4], [0.0, h as f64, h as f64 / 2.0 - 0.4], [0.0, 0.0, 1.0]]],
        &Device::Cpu,
    )
    .unwrap();
    let k = k.broadcast_as((pairs, 3, 3)).unwrap().contiguous().unwrap();
    let pose = (noise(seed + 2, &[pairs, 6]) * 0.3).unwrap();
    [features, inverse, projection_reference(&pose, &k).unwrap()]
}

const SCALED: WarpCost = WarpCost { mean: true, scale: 0.9, shift: 0.05 };

#[test]
fn kernels_equal_the_reference() {
    // Channels below, at and above a thread's eight; pixels below and above a chunk's 64.
    for dims in [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [2, 1, 8, 7, 6], [2, 3, 9, 5, 17]] {
        for how in
            [SCALED, WarpCost { mean: false, ..SCALED }, WarpCost { mean: true, scale: 1.0, shift: 0.0 }]
        {
            // In f32 a sample beside a whole number may fall on the other side, where its slope is another.
            let inputs =
                (0..).map(|seed| views(dims, 10 * seed)).find(|inputs| is_clear(inputs, how)).unwrap();
            assert_kernels_are(
                &|x| warp_cost(&x[0], &x[1], &x[2], how),
                &|x| warp_cost_reference(&x[0], &x[1], &x[2], how),
                &inputs,
                2e-5,
            );
        }
    }
}

/// Whether no number of the kernels' branches is where f32 and f64 could decide differently.
fn is_clear([_, inverse, projection]: &[Tensor; 3], how: WarpCost) -> bool {
    let (batch, _, h, w) = inverse.dims4().unwrap();
    let (inverse, projection) = (list(inverse), list(projection));
    let neighbours = projection.len() / 12 / batch;
    let clear = |pair: usize, m: &[f64], pixel: usize| {
        let x = inverse[pair / neighbours * h * w + pixel] * how.scale + how.shift;
        let d = if x > 0.0 { 1.0 / x } else { 0.0 };
        let (column, row) = ((pixel % w) as f64, (pixel / w) as f64);
        let at = |i: usize| d * (m[4 * i] * column + m[4 * i + 1] * row + m[4 * i + 2]) + m[4 * i + 3];
        let z = at(2).max(1e-5);
        let near = |position: f64| position > -2.0 && position < (h.max(w) + 1) as f64;
        let off = |position: f64| !near(position) || (position - position.round()).abs() > 2e-5;
        x.abs() > 1e-4 && (at(2) - 1e-5).abs() > 1e-5 && off(at(0) / z) && off(at(1) / z)
    };
    projection.chunks_exact(12).enumerate().all(|(pair, m)| (0..h * w).all(|pixel| clear(pair, m, pixel)))
}

#[test]
fn points_behind_the_camera_and_nonsense_give_the_target_squared() {
    // Moved far forwards: everything is behind; and NaN and infinity in the matrix.
    let [features, inverse, _] = views([1, 1, 2, 3, 4], 20);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e9] {
        let mut matrix = vec![1.0, 0.0, 0.0, 0.3, 0.0, 1.0, 0.0, 0.2, 0.0, 0.0, 1.0, 0.0];
        (matrix[3], matrix[7]) = (bad, bad);
        let projection = Tensor::from_vec(matrix, (1, 3, 4), &Device::Cpu).unwrap();
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        let inputs = [single(&features), single(&inverse), single(&projection)];
        let target = list(&inputs[0].narrow(0, 0, 1).unwrap().sqr().unwrap());
        let op = |x: &[Tensor]| warp_cost(&x[0], &x[1], &x[2], SCALED);
        let found = crate::emulator::emulated(|| with_gradients(&op, &inputs));
        for found in [Some(vec![op(&inputs).unwrap()]), found].into_iter().flatten() {
            assert_eq!(list(&found[0]), target, "{bad}");
            if let [_, features, ..] = found.as_slice() {
                assert!(list(features).iter().all(|g| g.is_finite()), "{bad}");
            }
        }
    }
}

#[test]
fn the_reference_is_its_equation() {
    // The neighbour is the target moved by one pixel where depth is 1 (inverse depth 1).
    let image = noise(30, &[1, 2, 3, 5]);
    let features = Tensor::cat(&[&image, &image], 0).unwrap();
    let inverse = Tensor::ones((1, 1, 3, 5), DType::F64, &Device::Cpu).unwrap();
    let moved = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let projection = Tensor::new(&moved, &Device::Cpu).unwrap().reshape((1, 3, 4)).unwrap();
    let how = WarpCost { mean: false, scale: 1.0, shift: 0.0 };
    let found = list(&warp_cost(&features, &inverse, &projection, how).unwrap());
    let image = list(&image);
    for (i, found) in found.into_iter().enumerate() {
        let right = if i % 5 == 4 { 0.0 } else { image[i + 1] };
        assert!((found - (image[i] - right).powi(2)).abs() < 1e-12, "{i}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (features, inverse, projection) = (zeros(&[6, 2, 3, 4]), zeros(&[2, 1, 3, 4]), zeros(&[4, 3, 4]));
    for (result, message) in [
        (warp_cost(&zeros(&[2, 3]), &inverse, &projection, SCALED), "features: expected shape [n, c, h, w]"),
        (warp_cost(&features, &zeros(&[2, 3, 4]), &projection, SCALED), "inverse: expected shape"),
        (warp_cost(&features, &zeros(&[2, 1, 4, 4]), &projection, SCALED), "size 3x4, found 4x4"),
        (warp_cost(&zeros(&[5, 2, 3, 4]), &inverse, &projection, SCALED), "with batch 2, found 5"),
        (warp_cost(&features, &inverse, &zeros(&[3, 3, 4]), SCALED), "projection: expected shape [4, 3, 4]"),
        (
            warp_cost(&features, &inverse.to_dtype(DType::F64).unwrap(), &projection, SCALED),
            "inverse: expected",
        ),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
