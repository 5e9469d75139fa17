use dro_core::CostFunction;
use dro_vision::{euler, intrinsics_tensor};

use super::*;
use crate::{
    Sample,
    cost::{INVERSE_DEPTH, POSES},
    scene::{Generated, GeneratedConfig},
};

const RANGE: InverseDepthRange = InverseDepthRange::Raw;

fn sample(neighbours: usize) -> Sample {
    let config = GeneratedConfig {
        baseline: [0.15, 0.2],
        turn_rad: 0.05,
        median_depth_m: Some(2.5),
        photo: 0.0,
        shares: [1.0, 0.0, 0.0],
        ..GeneratedConfig::default()
    };
    Generated::new(config, 3).unwrap().sample(5, neighbours, (96, 128)).unwrap()
}

/// The truth at 1/8: inverse depth of each cell's middle, and poses.
fn truth(sample: &Sample) -> Point {
    let (rows, columns) = (sample.size.0 / 8, sample.size.1 / 8);
    let at = |i: usize| sample.depth.values()[(i / columns * 8 + 4) * sample.size.1 + i % columns * 8 + 4];
    let inverse: Vec<f32> = (0..rows * columns).map(|i| 1.0 / at(i).max(0.5)).collect();
    let poses: Vec<f32> =
        sample.poses.iter().flat_map(|pose| euler::parameters(pose).data.0[0]).map(|x| x as f32).collect();
    let inverse = Tensor::from_vec(inverse, (1, 1, rows, columns), &Device::Cpu).unwrap();
    let poses = Tensor::from_vec(poses, (1, sample.poses.len(), 6), &Device::Cpu).unwrap();
    crate::cost::sfm_space(rows, columns, sample.poses.len()).unwrap().point(vec![inverse, poses]).unwrap()
}

fn images(sample: &Sample) -> (Tensor, Tensor) {
    let image = |i: usize| Tensor::from_slice(&sample.images[i], (1, 3, 96, 128), &Device::Cpu).unwrap();
    let others: Vec<Tensor> = (1..sample.images.len()).map(image).collect();
    (image(0), Tensor::cat(&others, 0).unwrap())
}

fn by_census() -> ProbeConfig {
    ProbeConfig { comparison: Comparison::Census, ..ProbeConfig::default() }
}

fn census(sample: &Sample) -> ProbedCost {
    let (target, neighbours) = images(sample);
    let k = intrinsics_tensor(&sample.camera, 1, &Device::Cpu).unwrap();
    let k = dro_vision::scale_intrinsics(&k, 0.125).unwrap();
    ProbedCost::new(&target, &neighbours, &k, RANGE, by_census()).unwrap()
}

/// Colours at 1/8 in place of learned features.
fn colours(sample: &Sample) -> ProbedCost {
    let (target, neighbours) = images(sample);
    let small = |x: &Tensor| (x.avg_pool2d(8).unwrap() * 10.0).unwrap();
    let k = intrinsics_tensor(&sample.camera, 1, &Device::Cpu).unwrap();
    let k = dro_vision::scale_intrinsics(&k, 0.125).unwrap();
    ProbedCost::new(&small(&target), &small(&neighbours), &k, RANGE, ProbeConfig::default()).unwrap()
}

/// The map of the first batch element or pair, with the probes' costs in the places of slopes and curvatures.
fn map(cost: &ProbedCost, at: &Point, block: BlockId) -> Vec<Vec<f32>> {
    let map = cost.evaluate(at, block).unwrap().map.unwrap();
    let mut map: Vec<Vec<f32>> = map.get(0).unwrap().flatten_from(1).unwrap().to_vec2().unwrap();
    let pairs = if block == INVERSE_DEPTH { 3 } else { 16 };
    let firsts = if block == INVERSE_DEPTH { vec![0] } else { vec![0, ProbeConfig::POSES + 1] };
    for first in firsts {
        for pair in 0..pairs {
            for i in 0..map[0].len() {
                let [here, slope, curvature] =
                    [0, 1, 2].map(|k| map[first + if k == 0 { 0 } else { 2 * pair + k }][i]);
                map[first + 2 * pair + 1][i] = here + (curvature + slope) / GAIN;
                map[first + 2 * pair + 2][i] = here + (curvature - slope) / GAIN;
            }
        }
    }
    map
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

#[test]
fn a_probe_costs_what_the_point_there_costs() {
    let sample = sample(2);
    let at = truth(&sample);
    for cost in [census(&sample), colours(&sample)] {
        let here = map(&cost, &at, INVERSE_DEPTH);
        assert_eq!(here.len(), ProbeConfig::DEPTH_CHANNELS);
        for (channel, factor) in cost.probes.factors().into_iter().enumerate() {
            let moved = (at.get(INVERSE_DEPTH) * f64::from(factor)).unwrap();
            let there = map(&cost, &at.with(INVERSE_DEPTH, moved).unwrap(), INVERSE_DEPTH);
            let off = here[channel].iter().zip(&there[0]).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
            // Rounding may send a place to another pixel.
            assert!(off <= 4, "{channel}: {off}");
        }
        let here = map(&cost, &at, POSES);
        assert_eq!(here.len(), ProbeConfig::POSE_CHANNELS);
        let inverse: Vec<f32> = at.get(INVERSE_DEPTH).flatten_all().unwrap().to_vec1().unwrap();
        let seen = ProbeConfig::POSES;
        for (channel, step) in cost.probes.moves(f64::from(median(&inverse))).into_iter().enumerate() {
            let step: Vec<f32> = step.iter().chain(&[0.0; 6]).map(|x| *x as f32).collect();
            let step = Tensor::from_vec(step, (1, 2, 6), &Device::Cpu).unwrap();
            let moved = (at.get(POSES) + step).unwrap();
            let there = map(&cost, &at.with(POSES, moved).unwrap(), POSES);
            let both = (0..here[0].len()).filter(|&i| here[seen][i] == 1.0 && there[seen][i] == 1.0);
            let off = both.filter(|&i| (here[channel][i] - there[0][i]).abs() > 1e-4).count();
            assert!(off <= 4, "{channel}: {off}");
        }
    }
}

#[test]
fn the_truth_costs_less_than_what_is_around_it() {
    let sample = sample(1);
    let at = truth(&sample);
    let cost = census(&sample);
    let depth = map(&cost, &at, INVERSE_DEPTH);
    // Four and fifteen parts of a hundred are below a pixel; half of it is not.
    for channel in [5, 6] {
        assert!(mean(&depth[channel]) > mean(&depth[0]) + 0.02, "{channel}");
    }
    let poses = map(&cost, &at, POSES);
    let means = &poses[ProbeConfig::POSES + 1..][..ProbeConfig::POSES];
    for (channel, probe) in means.iter().enumerate().skip(1) {
        assert!(probe[0] > means[0][0] - 0.01, "{channel}: {} {}", probe[0], means[0][0]);
    }
    // Far probes that no turn undoes.
    for (channel, probe) in means.iter().enumerate().take(29).skip(17) {
        assert!(probe[0] > means[0][0] + 0.01, "{channel}: {} {}", probe[0], means[0][0]);
    }
}

#[test]
fn the_total_is_the_same_for_both_blocks_and_no_gradient_passes() {
    let sample = sample(2);
    let at = truth(&sample);
    let cost = colours(&sample);
    assert!(!cost.is_differentiable());
    let total = |block| cost.evaluate(&at, block).unwrap().total.to_vec1::<f32>().unwrap()[0];
    assert!((total(INVERSE_DEPTH) - total(POSES)).abs() < 1e-5);
    let x = candle_core::Var::from_tensor(at.get(INVERSE_DEPTH)).unwrap();
    let at = at.with(INVERSE_DEPTH, x.as_tensor().clone()).unwrap();
    let found = cost.evaluate(&at, INVERSE_DEPTH).unwrap().map.unwrap();
    assert!(found.sum_all().unwrap().backward().unwrap().get(&x).is_none());
}

/// Also where one of two neighbours does not see a cell, and with another depth in one cell only that one changes.
#[test]
fn the_total_is_the_mean_of_its_cells() {
    let sample = sample(2);
    let at = truth(&sample);
    for cost in [colours(&sample), census(&sample)] {
        let cells = |at: &Point| {
            let found = cost.evaluate(at, INVERSE_DEPTH).unwrap();
            let cells = ProbedCost::cells(&found).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!((found.total.to_vec1::<f32>().unwrap()[0] - mean(&cells)).abs() < 1e-5);
            (cells, found.map.unwrap())
        };
        let (before, map) = cells(&at);
        let seen = map.narrow(1, ProbeConfig::DEPTH_CHANNELS - 1, 1).unwrap();
        let seen = seen.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(seen.contains(&0.5) && seen.contains(&1.0));
        let mut inverse = at.get(INVERSE_DEPTH).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        inverse[77] *= 1.5;
        let inverse = Tensor::from_vec(inverse, at.get(INVERSE_DEPTH).shape(), &Device::Cpu).unwrap();
        let (after, _) = cells(&at.with(INVERSE_DEPTH, inverse).unwrap());
        let changed: Vec<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
        assert_eq!(changed, [77]);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let sample = sample(1);
    let (target, _) = images(&sample);
    let k = Tensor::zeros((1, 3, 3), DType::F32, &Device::Cpu).unwrap();
    let bad = ProbeConfig { translation: [0.1, 0.0], ..by_census() };
    let message = |target: &Tensor, neighbours: &Tensor, k: &Tensor, probes| {
        ProbedCost::new(target, neighbours, k, RANGE, probes).unwrap_err().to_string()
    };
    assert_eq!(
        message(&target, &target, &k, bad),
        "probes.translation: expected above 0, at most 1000, found 0"
    );
    let good = by_census();
    assert!(
        message(&target, &target.narrow(2, 0, 48).unwrap(), &k, good).starts_with("neighbours: expected")
    );
    assert!(message(&target, &target, &k.narrow(1, 0, 2).unwrap(), good).starts_with("intrinsics: expected"));
    let space = crate::cost::sfm_space(6, 8, 1).unwrap();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let other = space.point(vec![zeros(&[1, 1, 6, 8]), zeros(&[1, 1, 6])]).unwrap();
    let error = census(&sample).evaluate(&other, POSES).unwrap_err().to_string();
    assert!(error.contains("192 inverse depths and 1 poses"), "{error}");
    let odd = target.narrow(2, 0, 50).unwrap();
    assert!(message(&odd, &odd, &k, good).starts_with("images: expected sides that are multiples of 8"));
}

#[test]
fn no_point_is_a_panic() {
    let sample = sample(1);
    let at = truth(&sample);
    for cost in [census(&sample), colours(&sample)] {
        for value in [f64::NAN, f64::INFINITY, -1e30, 0.0, 1e30] {
            for block in [INVERSE_DEPTH, POSES] {
                let bad = at.get(block).affine(0.0, value).unwrap();
                let found = cost.evaluate(&at.with(block, bad).unwrap(), block).unwrap();
                let values = found.map.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(values.iter().all(|x| (-8.0..=8.0).contains(x)), "{value}");
            }
        }
    }
}
