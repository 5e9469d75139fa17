//! What must hold of the network whatever its weights are.

use std::sync::LazyLock;

use candle_core::{DType, Device, Tensor};
use dro_core::{BlockId, Budget, Cost, CostFunction, Coupling, Point, Space, Trajectory};
use dro_sfm::{
    cost::{FeatureMetricCost, INVERSE_DEPTH, POSES},
    network::{DroNet, Encoded, Iterations},
    weights::{ModelConfig, formula_weights},
};

const SIZE: (usize, usize) = (32, 48);

/// Hidden size 64, raw inverse depth: the smaller published network.
static NET: LazyLock<DroNet> = LazyLock::new(|| {
    let config = ModelConfig::from_version("it12", 0.2, 80.0, SIZE).unwrap();
    assert_eq!(config.hidden, 64);
    DroNet::new(&config, formula_weights(&config).unwrap().var_builder(&Device::Cpu)).unwrap()
});

fn image(batch: usize, seed: f64) -> Tensor {
    let count = (batch * 3 * SIZE.0 * SIZE.1) as f64;
    let wave = Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(0.37, seed).unwrap().sin().unwrap();
    let wave = wave.affine(0.5, 0.5).unwrap().to_dtype(DType::F32).unwrap();
    wave.reshape((batch, 3, SIZE.0, SIZE.1)).unwrap()
}

fn encode(target: &Tensor, neighbours: &[Tensor]) -> Encoded {
    let batch = target.dim(0).unwrap();
    let k = Tensor::new(&[[[40f32, 0.0, 23.5], [0.0, 40.0, 15.5], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
    let k = k.broadcast_as((batch, 3, 3)).unwrap().contiguous().unwrap();
    NET.encode(target, neighbours, &k, false).unwrap()
}

fn solve(encoded: &Encoded, cost: &dyn CostFunction, stages: usize, inner: usize) -> (Point, Trajectory) {
    let schedule = NET.schedule(Iterations { stages, inner }, Coupling::GaussSeidel);
    let mut curve = Trajectory::with_points();
    let (solution, _) =
        NET.optimize(encoded, cost, &schedule, &Budget::default(), &mut [&mut curve]).unwrap();
    (solution.last, curve)
}

fn solve_default(encoded: &Encoded) -> Point {
    solve(encoded, &encoded.feature_metric_cost().unwrap(), 2, 2).0
}

fn assert_close(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();
    let difference = norm(&(a - b).unwrap());
    assert!(difference <= 1e-4 * norm(b), "{what}: {difference} of {}", norm(b));
}

#[test]
fn the_order_of_neighbours_changes_nothing_but_the_order_of_poses() {
    let (target, a, b, c) = (image(1, 0.0), image(1, 1.0), image(1, 2.0), image(1, 3.0));
    let abc = solve_default(&encode(&target, &[a.clone(), b.clone(), c.clone()]));
    let cab = solve_default(&encode(&target, &[c, a, b]));
    assert_close(abc.get(INVERSE_DEPTH), cab.get(INVERSE_DEPTH), "depth");
    let order = Tensor::new(&[1u32, 2, 0], &Device::Cpu).unwrap();
    assert_close(abc.get(POSES), &cab.get(POSES).index_select(&order, 1).unwrap(), "poses");
}

#[test]
fn a_batch_is_its_elements() {
    let (target, a, b) = (image(2, 0.0), image(2, 1.0), image(2, 2.0));
    let both = solve_default(&encode(&target, &[a.clone(), b.clone()]));
    for i in 0..2 {
        let one = |t: &Tensor| t.narrow(0, i, 1).unwrap();
        let alone = solve_default(&encode(&one(&target), &[one(&a), one(&b)]));
        for block in [INVERSE_DEPTH, POSES] {
            assert_close(&one(both.get(block)), alone.get(block), "batch element");
        }
    }
}

#[test]
fn any_number_of_updates_continues_the_same_path() {
    let encoded = encode(&image(1, 0.0), &[image(1, 1.0)]);
    let cost = encoded.feature_metric_cost().unwrap();
    let (_, long) = solve(&encoded, &cost, 4, 3);
    assert_eq!(long.records.len(), 24);
    for stages in 0..4 {
        let (last, _) = solve(&encoded, &cost, stages, 3);
        let expected = match stages {
            0 => encoded.start.clone(),
            _ => long.records[6 * stages - 1].point.clone().unwrap(),
        };
        for block in [INVERSE_DEPTH, POSES] {
            assert_close(last.get(block), expected.get(block), "prefix");
        }
    }
}

/// A cost from outside the library: half of the published one.
struct Halved(FeatureMetricCost);

impl CostFunction for Halved {
    fn space(&self) -> &Space {
        self.0.space()
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let Cost { total, map } = self.0.evaluate(at, block)?;
        Ok(Cost { total: (total * 0.5)?, map: map.map(|map| map * 0.5).transpose()? })
    }
}

#[test]
fn another_cost_needs_no_change_in_the_network_or_the_driver() {
    let encoded = encode(&image(1, 0.0), &[image(1, 1.0)]);
    let cost = encoded.feature_metric_cost().unwrap();
    let (published, full) = solve(&encoded, &cost, 1, 2);
    let (halved, half) = solve(&encoded, &Halved(cost), 1, 2);
    assert!((half.records[0].total[0] * 2.0 - full.records[0].total[0]).abs() < 1e-6);
    let moved = (published.get(INVERSE_DEPTH) - halved.get(INVERSE_DEPTH)).unwrap().abs().unwrap();
    assert!(moved.sum_all().unwrap().to_scalar::<f32>().unwrap() > 0.0, "the rule does not read the cost");
}

#[test]
fn the_cost_is_the_same_number_for_both_blocks_and_zero_where_nothing_moves() {
    let encoded = encode(&image(1, 0.0), &[image(1, 1.0), image(1, 2.0)]);
    let cost = encoded.feature_metric_cost().unwrap();
    let total = |block| cost.evaluate(&encoded.start, block).unwrap().total.to_vec1::<f32>().unwrap()[0];
    assert_eq!(total(INVERSE_DEPTH), total(POSES));

    // The same image from the same place: every depth explains it.
    let still = encode(&image(1, 0.0), &[image(1, 0.0)]);
    let identity =
        still.start.with(POSES, Tensor::zeros((1, 1, 6), DType::F32, &Device::Cpu).unwrap()).unwrap();
    let cost = still.feature_metric_cost().unwrap();
    assert!(cost.evaluate(&identity, POSES).unwrap().total.to_vec1::<f32>().unwrap()[0] < 1e-9);
}

#[test]
fn wrong_views_are_named() {
    let k = Tensor::eye(3, DType::F32, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let odd = Tensor::zeros((1, 3, 40, 48), DType::F32, &Device::Cpu).unwrap();
    let error = NET.encode(&odd, std::slice::from_ref(&odd), &k, false).unwrap_err();
    assert_eq!(error.to_string(), "image size: expected multiples of 16, found 40x48");
    let error = NET.encode(&image(1, 0.0), &[], &k, false).unwrap_err();
    assert_eq!(error.to_string(), "neighbours: expected at least one image, found none");
    assert!(
        NET.encode(&image(1, 0.0), &[odd], &k, false).unwrap_err().to_string().contains("[1, 3, 40, 48]")
    );
}
