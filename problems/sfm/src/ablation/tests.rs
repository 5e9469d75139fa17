use std::{fs, path::Path};

use candle_core::{Device, Tensor};
use dro_core::Coupling;
use dro_vision::Pinhole;

use super::{variant::variants, *};
use crate::{
    Unwatched, Views,
    benchmark::SetOptions,
    data::OpenOptions,
    network::{DroNet, Iterations},
    pipeline::Quiet,
    scene::{Room, hand_held_path, write_sequence},
    sequence::Neighbours,
    weights::{ModelConfig, formula_weights},
};

const SIZE: (usize, usize) = (32, 48);

fn solver(coupling: Coupling) -> DroSolver {
    solver_of(ModelConfig { coupling, ..Default::default() })
}

fn solver_of(config: ModelConfig) -> DroSolver {
    let config = ModelConfig { hidden: 16, encoder: [8, 8, 8], image_size: SIZE, ..config };
    let weights = formula_weights(&config).unwrap();
    let net = DroNet::new(&weights.config, weights.var_builder(&Device::Cpu)).unwrap();
    let iterations = Iterations { stages: 2, inner: 2 };
    DroSolver::new(net, Device::Cpu).unwrap().with_iterations(iterations)
}

fn views() -> Views {
    let wave = |phase: f64| {
        let count = (3 * SIZE.0 * SIZE.1) as f64;
        let wave =
            Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(0.37, phase).unwrap().sin().unwrap();
        let wave = wave.affine(0.4, 0.5).unwrap().to_dtype(candle_core::DType::F32).unwrap();
        wave.reshape((1, 3, SIZE.0, SIZE.1)).unwrap()
    };
    let camera = Pinhole::from_fov_deg(60.0, SIZE.0, SIZE.1).unwrap();
    Views { target: wave(0.0), neighbours: vec![wave(0.8)], camera }
}

#[test]
fn a_blind_cost_keeps_totals_and_hides_the_map() {
    let solver = solver(Coupling::GaussSeidel);
    let encoded = solver.encode(&views()).unwrap();
    let cost = encoded.feature_metric_cost().unwrap();
    for block in [INVERSE_DEPTH, POSES] {
        let plain = cost.evaluate(&encoded.start, block).unwrap();
        let blind = Blind::new(&cost).evaluate(&encoded.start, block).unwrap();
        assert_eq!(plain.total.to_vec1::<f32>().unwrap(), blind.total.to_vec1::<f32>().unwrap());
        let (plain, blind) = (plain.map.unwrap(), blind.map.unwrap());
        assert_eq!(plain.dims(), blind.dims());
        let sum = |map: &Tensor| map.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(sum(&plain) > 0.0 && sum(&blind) == 0.0);
    }
}

#[test]
fn a_forgetful_rule_does_the_same_twice() {
    let solver = solver(Coupling::GaussSeidel);
    let encoded = solver.encode(&views()).unwrap();
    let (net, start) = (solver.net(), encoded.start.get(INVERSE_DEPTH));
    let cost = encoded.feature_metric_cost().unwrap().evaluate(&encoded.start, INVERSE_DEPTH).unwrap();
    let context = Some(&encoded.depth_context);
    let rule = Forgetful::new(net.depth_rule(), start, context).unwrap();
    let memory = dro_core::LearnedOptimizer::init(&rule, start, context).unwrap();
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let step = |rule: &dyn dro_core::LearnedOptimizer, memory: &dro_core::Memory| {
        rule.update(memory, start, &cost).unwrap()
    };
    let (after, first) = step(&rule, &memory);
    assert_eq!(numbers(&step(&rule, &after).1), numbers(&first));
    // The first update is the plain rule's, the second one is not.
    let (after, plain) = step(net.depth_rule(), &memory);
    assert_eq!(numbers(&plain), numbers(&first));
    assert_ne!(numbers(&step(net.depth_rule(), &after).1), numbers(&first));
}

#[test]
fn schedules_count_what_they_do() {
    let solver = solver(Coupling::GaussSeidel);
    let fixed = solver_of(ModelConfig { fixed_poses: true, ..Default::default() });
    let first = |solver: &DroSolver| variants(solver).unwrap()[0].clone();
    assert_eq!(first(&fixed).rows[2], ("4 updates".to_owned(), 4));
    assert_eq!(first(&solver).rows[2], ("4 updates".to_owned(), 8));
    for variant in [variants(&solver).unwrap(), variants(&fixed).unwrap()].concat() {
        let schedule = variant.schedule();
        let all = schedule.steps();
        let of = |block| {
            schedule
                .sweeps
                .iter()
                .filter(|s| s.block == block)
                .map(|s| s.inner * schedule.stages)
                .sum::<usize>()
        };
        assert_eq!(variant.updates(all), [of(INVERSE_DEPTH), of(POSES)], "{}", variant.name);
        assert_eq!(variant.updates(0), [0, 0]);
        assert!(
            variant.rows.iter().all(|(_, steps)| *steps <= all && steps % variant.every() == 0),
            "{variant:?}"
        );
    }
    let none = solver.with_iterations(Iterations { stages: 0, inner: 4 });
    assert!(variants(&none).unwrap_err().to_string().contains("at least one stage"));
}

fn ablated(solver: &DroSolver, input: &Path, out: &Path) -> AblationReport {
    let options = SetOptions {
        open: OpenOptions::default(),
        neighbours: Neighbours::Offsets(vec![1]),
        skip_bad: false,
    };
    let sets = vec![DataSet::open(input, &options).unwrap()];
    let settings = AblationSettings {
        out: out.to_path_buf(),
        walk: Walk { size: Some(SIZE), skip_bad: false },
        ..AblationSettings::default()
    };
    ablate(sets, Vec::new(), solver, &settings, serde_json::Value::Null, &mut Quiet).unwrap()
}

#[test]
fn rows_are_what_the_solver_would_answer() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap();
    write_sequence(input.path(), &Room::new(1), &camera, SIZE, &hand_held_path(2, 1)).unwrap();
    let solver = solver(Coupling::GaussSeidel);
    let report = ablated(&solver, input.path(), out.path());
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(report.rows.len(), 6 + 7);
    assert_eq!((row("12 updates").depth_updates, row("12 updates").pose_updates), (12, 12));
    // Anytime: the run of two stages is the beginning of the longer one.
    let (short, long) = (row("Gauss–Seidel"), row("4 updates"));
    assert_eq!((&short.means, short.cost), (&long.means, long.cost));
    for other in
        ["Jacobi", "no memory", "no cost", "depth only", "poses only", "no alternation: depth, then poses"]
    {
        assert_ne!(row(other).cost, short.cost, "{other}");
    }
    // What a run of the solver itself comes to, on both images.
    let set = SetOptions {
        open: OpenOptions::default(),
        neighbours: Neighbours::Offsets(vec![1]),
        skip_bad: false,
    };
    let mut costs = Vec::new();
    Walk { size: Some(SIZE), skip_bad: false }
        .each(
            &mut DataSet::open(input.path(), &set).unwrap(),
            16,
            &Judging::default(),
            &|| false,
            &mut |target| {
                costs.push(solver.solve(&target.views, &mut Unwatched)?.cost_end);
                Ok(())
            },
        )
        .unwrap();
    let mean = 0.5 * (costs[0] + costs[1]);
    assert!((short.cost.unwrap() - mean).abs() < 1e-9 * mean.abs(), "{:?} {mean}", short.cost);
    for file in [
        "ablation.csv",
        "table.md",
        "summary.json",
        "abs_rel.svg",
        "rotation.svg",
        "translation.svg",
        "cost.svg",
    ] {
        assert!(fs::metadata(out.path().join(file)).unwrap().len() > 100, "{file}");
    }
}
