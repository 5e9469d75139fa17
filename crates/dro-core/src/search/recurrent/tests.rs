//! What the recurrent search promises.
#![allow(clippy::unwrap_used)]

use candle_core::Tensor;

use super::{regression::Room, *};
use crate::search::{AskTell, Method, Search};

/// A rotated, shifted quadratic with ripples.
fn cost(x: &[f64]) -> f64 {
    let pairs = x.iter().zip(x.iter().skip(1)).map(|(a, b)| (a + b - 0.7).powi(2)).sum::<f64>();
    pairs + x.iter().enumerate().map(|(i, x)| (i + 1) as f64 * (x - 0.3).powi(2)).sum::<f64>()
}

fn run(search: &mut impl Search, steps: usize, cost: impl Fn(&[f64]) -> f64) -> Vec<Vec<f64>> {
    let mut x = vec![0.0; search.dim()];
    let step = |_| {
        let trial = search.ask(&mut x).unwrap();
        search.tell(trial, cost(&x)).unwrap();
        x.clone()
    };
    (0..steps).map(step).collect()
}

fn fresh(dim: usize, seed: u64) -> AskTell<RecurrentSearch> {
    AskTell::new(RecurrentSearch::new(&Frame::unit(dim), seed))
}

#[test]
fn a_change_of_the_costs_unit_changes_no_step() {
    for (dim, scale) in [(1, 2f64.powi(40)), (3, 0.125), (10, 2f64.powi(-30))] {
        let plain = run(&mut fresh(dim, 5), 120, cost);
        assert_eq!(plain, run(&mut fresh(dim, 5), 120, |x| scale * cost(x)), "{dim}");
    }
}

#[test]
fn an_offset_changes_the_first_steps_by_rounding_only() {
    let plain = run(&mut fresh(3, 5), 15, cost);
    let moved = run(&mut fresh(3, 5), 15, |x| cost(x) + 1.0);
    for (a, b) in plain.iter().flatten().zip(moved.iter().flatten()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn the_order_of_the_axes_does_not_matter() {
    let order = [2, 0, 3, 1];
    let permuted = |x: &[f64]| order.map(|axis| x[axis]);
    let plain = run(&mut fresh(4, 7), 15, cost);
    let mut search = RecurrentSearch::new(&Frame::unit(4), 7);
    search.axes = order.to_vec();
    let other = run(&mut AskTell::new(search), 15, |x| cost(&permuted(x)));
    for (a, b) in plain.iter().zip(&other) {
        for (a, b) in a.iter().zip(permuted(b)) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
fn free_coordinates_may_be_far_from_the_start() {
    let mut search = AskTell::new(RecurrentSearch::new(&Frame::free(3), 1));
    run(&mut search, 300, |x| x.iter().map(|x| (x - 7.5).abs()).sum());
    assert!(search.best().unwrap().cost < 0.1, "{:?}", search.best());
}

#[test]
fn own_weights_are_saved_with_the_state_and_bundled_ones_are_not() {
    let theta: Vec<f32> = (0..Weights::PARAMETERS).map(|i| (i % 7) as f32 * 0.01).collect();
    let own = Weights::new(&theta).unwrap();
    let mut search = AskTell::new(RecurrentSearch::with(&Frame::unit(2), 3, own));
    run(&mut search, 30, cost);
    let mut again = Method::restore(search.state().unwrap()).unwrap();
    assert_eq!(run(&mut search, 30, cost), run(&mut again, 30, cost));

    let mut bundled = fresh(2, 3);
    run(&mut bundled, 30, cost);
    assert!(bundled.state().unwrap()["state"]["strategy"]["weights"].is_null());
}

#[test]
fn weights_are_read_strictly() {
    let tensor = |units: usize| {
        Tensor::zeros((units, policy::ROW), candle_core::DType::F32, &candle_core::Device::Cpu)
    };
    let folder = tempfile::tempdir().unwrap();
    let read = |tensors: &[(&str, usize)]| {
        let tensors =
            tensors.iter().map(|(name, units)| ((*name).to_owned(), tensor(*units).unwrap())).collect();
        let path = folder.path().join("weights.safetensors");
        candle_core::safetensors::save(&tensors, &path).unwrap();
        Weights::from_safetensors(&std::fs::read(path).unwrap()).map_err(|error| error.to_string())
    };
    let whole = [("gru.z", HIDDEN), ("gru.r", HIDDEN), ("gru.q", HIDDEN), ("heads", policy::OUTPUTS)];
    assert_eq!(read(&whole).unwrap(), Weights::untrained());
    assert!(read(&whole[..3]).unwrap_err().contains("heads"));
    assert!(read(&[&whole[..], &[("more", 1)]].concat()).unwrap_err().contains("more"));
    assert!(read(&[&whole[..3], &[("heads", 2)]].concat()).unwrap_err().contains("heads"));
    assert!(Weights::new(&vec![f32::NAN; Weights::PARAMETERS]).is_err());
    assert!(Weights::from_safetensors(b"nonsense").is_err());
}

#[test]
fn the_memory_predicts_what_it_was_told() {
    let (mut memory, mut room) = (Memory::new(2, 16, 0.7), Room::default());
    let points: Vec<[f64; 2]> = (0..12).map(|i| [f64::from(i % 4) * 0.3, f64::from(i / 4) * 0.3]).collect();
    for p in &points {
        memory.push(p, Some(cost(p)), &mut room);
    }
    memory.fit(&Controls::new(&[0.0; policy::OUTPUTS]).view, &mut room);
    for p in &points {
        let (mean, deviation) = memory.predict(&[[p[0]; lanes::LANES], [p[1]; lanes::LANES]], &mut room);
        assert!(
            (mean[3] - memory.look(Some(cost(p)))).abs() < 0.02,
            "{} {}",
            mean[3],
            memory.look(Some(cost(p)))
        );
        assert!(deviation[3] < 0.2 * memory.level().1);
    }
}

#[test]
fn the_memorys_gradient_is_that_of_its_mean() {
    let (mut memory, mut room) = (Memory::new(2, 16, 0.7), Room::default());
    for i in 0..12 {
        let p = [f64::from(i % 4) * 0.3, f64::from(i / 4) * 0.3];
        memory.push(&p, if i == 5 { None } else { Some(cost(&p)) }, &mut room);
    }
    memory.fit(&Controls::new(&[0.0; policy::OUTPUTS]).view, &mut room);
    let mut gradient = [[0.0; lanes::LANES]; 2];
    memory.gradient(&[[0.41; lanes::LANES], [0.23; lanes::LANES]], &mut gradient);
    let h = 1e-5;
    for axis in 0..2 {
        let mut at = |d: f64| {
            let mut x = [0.41, 0.23];
            x[axis] += d;
            memory.predict(&x.map(|x| [x; lanes::LANES]), &mut room).0[0]
        };
        let central = (at(h) - at(-h)) / (2.0 * h);
        assert!(
            (central - gradient[axis][0]).abs() < 1e-5 * (1.0 + central.abs()),
            "{central} {}",
            gradient[axis][0]
        );
    }
}

#[test]
fn a_memory_that_grew_is_one_made_at_once() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Whole lanes of points, and rests of them.
    for count in [1, 7, 8, 9, 21, 40] {
        let (mut memory, mut room) = (Memory::new(3, 40, 0.7), Room::default());
        let points: Vec<f64> = (0..3 * count).map(|_| rng.random()).collect();
        points.chunks(3).for_each(|p| memory.push(p, Some(cost(p)), &mut room));
        let view = memory::View { nugget: 1e-4, ..Controls::new(&[0.0; policy::OUTPUTS]).view };
        memory.fit(&view, &mut room);
        let at: [_; 3] = std::array::from_fn(|_| std::array::from_fn(|_| rng.random()));
        let (mean, deviation) = memory.predict(&at, &mut room);
        memory.rebuild(&points, &view, 1.0, (0.0, 10.0), &mut memory::Rebuild::default());
        let (again, deviation_again) = memory.predict(&at, &mut room);
        for (a, b) in mean.iter().chain(&deviation).zip(again.iter().chain(&deviation_again)) {
            assert!((a - b).abs() < 1e-8 * (1.0 + a.abs()), "{count}: {a} {b}");
        }
    }
}
