//! Start values that another solver found.

use candle_core::Tensor;
use dro_core::Point;
use dro_vision::euler;

use super::{InverseDepthRange, STRIDE};
use crate::{
    Estimate, Map, Result,
    cost::{INVERSE_DEPTH, POSES},
    sorted::Sorted,
    weights::ModelConfig,
};

/// The estimate of one set of views in place of `heads`, in units of the network's training: its median depth, or the
/// middle of its range of depths where no median was set. Also its whole inverse depth in that unit.
pub(super) fn start(found: &Estimate, heads: &Point, config: &ModelConfig) -> Result<(Point, Map)> {
    let unit = config.middle_depth_m();
    let cells = cell_middles(&found.inv_depth);
    // In 1/m times this, the median inverse depth is that of the unit.
    let scale = 1.0 / (Sorted::new(cells.iter().copied()).median().unwrap_or(1.0) * unit);
    let whole = found.inv_depth.mapped(|x| (f64::from(x) * scale) as f32);
    let (factor, shift) = InverseDepthRange::of(config).scale_and_shift();
    let cells: Vec<f32> =
        cells.into_iter().map(|x| ((f64::from(x) * scale - shift) / factor).clamp(0.0, 1.0) as f32).collect();
    let poses = found.poses.iter().flat_map(|pose| {
        let mut pose = *pose;
        pose.translation.vector /= scale;
        euler::parameters(&pose).data.0[0].map(|x| x as f32)
    });
    let like = |values: Vec<f32>, block| -> Result<Tensor> {
        let other = heads.get(block);
        Ok(Tensor::from_vec(values, other.shape(), &candle_core::Device::Cpu)?.to_device(other.device())?)
    };
    let inverse_depth = like(cells, INVERSE_DEPTH)?;
    let poses = like(poses.collect(), POSES)?;
    Ok((heads.with(INVERSE_DEPTH, inverse_depth)?.with(POSES, poses)?, whole))
}

/// How unlike, as a logarithm, the two may be and still be the same surface.
const ALIKE: f64 = 0.1;

/// The search's inverse depth as the network mends it, `[batch, 1, h, w]` both. With r the logarithm of network over search:
///
/// * Where both see nearly the same the search's finer detail is kept, as the network works in cells of 8 pixels:
///   `r' = r · (1 − 1 / (1 + (r / 0.1)²))`.
/// * Where the network says nearer it is followed some way: `search · exp(b · tanh(r' / b))`, b half of `believed`
///   ([`ModelConfig::believed`]). Where it says farther the search's answer stands. There it follows what rooms usually look
///   like, and not the images; and the search errs towards far, as what one image alone shows is often near and gets the planes of
///   what is beside it.
/// * If `believed` is 0 it is followed all the way, `search · exp(r')`.
/// * What is no inverse depth then is the network's.
pub(super) fn mended(network: &Tensor, search: &Tensor, believed: f64) -> Result<Tensor> {
    let ratio = (network / search)?.log()?;
    let alike = (&ratio / ((&ratio / ALIKE)?.sqr()? + 1.0)?)?;
    let by = (ratio - alike)?;
    let most = 0.5 * believed;
    let by = if most > 0.0 { ((by.relu()? / most)?.tanh()? * most)? } else { by };
    let answer = (search * by.exp()?)?;
    let is_one = (answer.gt(0.0)? * answer.le(f32::MAX)?)?;
    Ok(is_one.where_cond(&answer, network)?)
}

/// The pixel in the middle of each cell of 8x8, row by row: a mean would be between near and far at edges, where nothing
/// is.
pub(crate) fn cell_middles(map: &Map) -> Vec<f32> {
    let (rows, columns) = (map.height() / STRIDE, map.width() / STRIDE);
    let middle = |i: usize| {
        let (y, x) = (i / columns * STRIDE + STRIDE / 2, i % columns * STRIDE + STRIDE / 2);
        map.values()[y * map.width() + x]
    };
    (0..rows * columns).map(middle).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use candle_core::{DType, Device};
    use nalgebra::{Isometry3, Vector3};

    use super::*;

    #[test]
    fn units_are_those_of_the_training() {
        let config = ModelConfig {
            min_depth_m: 0.5,
            max_depth_m: 20.0,
            median_depth_m: Some(2.5),
            ..ModelConfig::default()
        };
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let space = crate::cost::sfm_space(2, 3, 1).unwrap();
        let heads = space.point(vec![zeros(&[1, 1, 2, 3]), zeros(&[1, 1, 6])]).unwrap();
        // Depth 10 everywhere, but for one place that is nearer than the network knows.
        let mut inverse = vec![0.1f32; 16 * 24];
        inverse[4 * 24 + 4] = 10.0;
        let pose = Isometry3::new(Vector3::new(0.4, -0.2, 0.0), Vector3::new(0.0, 0.1, 0.0));
        let found = Estimate {
            inv_depth: Map::new(16, 24, inverse).unwrap(),
            poses: vec![pose],
            cost_start: 1.0,
            cost_end: 0.5,
            updates: 7,
        };
        let (start, full) = start(&found, &heads, &config).unwrap();
        assert!((full.values()[0] - 0.4).abs() < 1e-6 && (full.values()[4 * 24 + 4] - 40.0).abs() < 1e-4);
        let inverse = InverseDepthRange::of(&config).scale(start.get(INVERSE_DEPTH)).unwrap();
        let inverse = inverse.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!((inverse[0] - 2.0).abs() < 1e-4 && inverse[1..].iter().all(|x| (x - 0.4).abs() < 1e-5));
        let pose = start.get(POSES).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected = [0.1, -0.05, 0.0, 0.0, 0.1, 0.0];
        assert!(pose.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{pose:?}");
    }

    #[test]
    fn the_search_is_mended_but_neither_blurred_nor_overruled() {
        let map = |values: [f32; 4]| Tensor::new(&values, &Device::Cpu).unwrap();
        let mended = |network: &Tensor, search: &Tensor, believed: f64| {
            mended(network, search, believed).unwrap().to_vec1::<f32>().unwrap()
        };
        let network = &map([1.0, 1.0, 1.0, 1.0]);
        // Alike: the search's. In between: much of the way to the network's. Far apart: nearly the search's.
        let answer = mended(network, &map([1.01, 0.98, 0.8, 5.0]), 0.3);
        let [a, b, c, d] = answer.as_slice() else { panic!("{answer:?}") };
        assert!((a - 1.01).abs() < 0.002 && (b - 0.98).abs() < 0.002, "{answer:?}");
        assert!(*c > 0.87 && *c < 1.0 && *d > 4.6, "{answer:?}");
        // Far apart: the network's, where it is believed.
        let answer = mended(network, &map([1.01, 0.98, 0.8, 5.0]), 0.0);
        let [a, _, c, d] = answer.as_slice() else { panic!("{answer:?}") };
        assert!((a - 1.01).abs() < 0.002 && *c > 0.87 && (d - 1.0).abs() < 0.02, "{answer:?}");
        // What is no number is the network's.
        let answer = mended(network, &map([0.0, f32::NAN, -1.0, f32::INFINITY]), 0.3);
        assert!(answer.iter().all(|x| *x == 1.0), "{answer:?}");
    }

    proptest::proptest! {
        /// Nearer, by no more than half of what is believed, and the nearer the nearer the network says; never farther.
        #[test]
        fn the_network_brings_nearer_and_not_too_near(
            search in 1e-3..1e3f32,
            ratios in proptest::collection::vec(-8.0..8.0f32, 4),
            believed in 0.05..2.0f64,
        ) {
            let mut ratios = ratios;
            ratios.sort_by(f32::total_cmp);
            let map = |values: Vec<f32>| Tensor::new(values, &Device::Cpu).unwrap();
            let network = map(ratios.iter().map(|ratio| search * ratio.exp()).collect());
            let answer = mended(&network, &map(vec![search; 4]), believed).unwrap().to_vec1::<f32>().unwrap();
            let most = search * (0.5 * believed).exp() as f32;
            for pair in answer.windows(2) {
                proptest::prop_assert!(pair[0] <= pair[1] * (1.0 + 1e-5), "{answer:?}");
            }
            for (x, ratio) in answer.iter().zip(&ratios) {
                proptest::prop_assert!(*x >= search * (1.0 - 1e-5) && *x <= most * (1.0 + 1e-5), "{answer:?}");
                proptest::prop_assert!(*ratio > 0.0 || (x / search - 1.0).abs() < 1e-5, "{answer:?}");
            }
        }
    }

    /// Depth moves, poses stay where the search ended.
    #[test]
    fn a_run_starts_where_the_search_ends() {
        use crate::{
            Solver, Unwatched, Views,
            cost::ProbeConfig,
            network::{DroNet, DroSolver, Iterations},
            patchmatch::PatchMatchSolver,
            weights::{StartValues, formula_weights},
        };

        let sample = crate::scene::Generated::new(crate::scene::GeneratedConfig::default(), 3)
            .unwrap()
            .sample(5, 1, (48, 64))
            .unwrap();
        let image = |i: usize| Tensor::from_slice(&sample.images[i], (1, 3, 48, 64), &Device::Cpu).unwrap();
        let views = Views { target: image(0), neighbours: vec![image(1)], camera: sample.camera };
        let found = PatchMatchSolver::default().solve(&views, &mut Unwatched).unwrap();
        let config = ModelConfig {
            hidden: 16,
            encoder: [8, 8, 8],
            shared_context: true,
            probes: Some(ProbeConfig::default()),
            median_depth_m: Some(2.5),
            start: StartValues::Search,
            fixed_poses: true,
            ..ModelConfig::default()
        };
        let weights = formula_weights(&config).unwrap();
        let net = DroNet::new(&config, weights.var_builder(&Device::Cpu)).unwrap();
        let solver = DroSolver::new(net, Device::Cpu).unwrap();
        let solve = |stages| {
            let solver = solver.clone().with_iterations(Iterations { stages, inner: 2 });
            solver.solve(&views, &mut Unwatched).unwrap()
        };
        let (start, end) = (solve(0), solve(2));
        // Nothing was trained here, and still no update costs anything.
        let costs = [solve(1), end.clone(), solve(6)].map(|estimate| estimate.cost_end);
        assert!(costs[0] <= start.cost_end && costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
        assert_eq!((start.updates, end.updates), (found.updates, found.updates + 4));
        assert_ne!(start.inv_depth, end.inv_depth);
        for estimate in [start, end] {
            let (ours, its) = (&estimate.poses[0], &found.poses[0]);
            assert!(ours.rotation.angle_to(&its.rotation) < 1e-5);
            assert!(
                ours.translation.vector.normalize().dot(&its.translation.vector.normalize()) > 1.0 - 1e-9
            );
        }
    }
}
