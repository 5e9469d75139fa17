use std::{cell::RefCell, fs, path::Path};

use candle_core::Tensor;
use dro_vision::Pinhole;
use nalgebra::{Isometry3, Vector3};
use safetensors::SafeTensors;
use tempfile::TempDir;

use super::{set::subset, target::Truth, *};
use crate::{
    Error, Estimate, Map, Result, Solver, Views, Watch,
    data::OpenOptions,
    eval::{Crop, DepthMetrics},
    pipeline::Quiet,
    scene::{Room, hand_held_path, write_sequence},
    sequence::Neighbours,
};

const SIZE: (usize, usize) = (64, 96);

/// Depth and poses.
type Answer = (Map, Vec<Isometry3<f64>>);

/// Answers with the truth in another unit each time.
struct Oracle {
    answers: RefCell<Vec<Answer>>,
    next: RefCell<usize>,
}

impl Oracle {
    fn new(answers: Vec<Answer>) -> Self {
        Self { answers: RefCell::new(answers), next: RefCell::new(0) }
    }
}

impl Solver for Oracle {
    fn solve(&self, views: &Views, _: &mut dyn Watch) -> Result<Estimate> {
        let index = self.next.replace_with(|index| *index + 1);
        let factor = 0.5 + index as f64;
        let (depth, poses) = self.answers.borrow()[index].clone();
        assert_eq!(views.neighbours.len(), poses.len());
        let poses = poses.into_iter().map(|mut pose| {
            pose.translation.vector *= factor;
            pose
        });
        let inv_depth = depth.mapped(|d| d * factor as f32).inverted();
        Ok(Estimate { inv_depth, poses: poses.collect(), cost_start: 2.0, cost_end: 1.0, updates: 3 })
    }
}

/// A rendered room, and what is true about it.
fn room(folder: &Path, frames: usize) -> (Vec<Map>, Vec<Isometry3<f64>>) {
    let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap();
    let path: Vec<_> = hand_held_path(3 * frames, 1).into_iter().step_by(3).collect();
    write_sequence(folder, &Room::new(1), &camera, SIZE, &path).unwrap();
    let depth = crate::data::Sequence::open(folder, None).unwrap();
    (depth.frames.iter().map(|frame| frame.load_depth().unwrap().unwrap()).collect(), path)
}

fn options(skip_bad: bool) -> SetOptions {
    SetOptions { open: OpenOptions::default(), neighbours: Neighbours::Offsets(vec![1, -1]), skip_bad }
}

fn settings(out: &Path, skip_bad: bool) -> EvalSettings {
    EvalSettings {
        out: out.to_path_buf(),
        overwrite: true,
        walk: Walk { skip_bad, ..Walk::default() },
        fuse_depth: false,
        ..EvalSettings::default()
    }
}

fn run(set: DataSet, solver: &dyn Solver, settings: &EvalSettings) -> Result<Report> {
    evaluate(vec![set], Vec::new(), solver, settings, serde_json::Value::Null, &mut Quiet)
}

fn neighbour_from_target(path: &[Isometry3<f64>], target: usize, neighbour: usize) -> Isometry3<f64> {
    path[neighbour].inv_mul(&path[target])
}

#[test]
fn the_truth_has_no_errors_whatever_the_unit() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (depth, path) = room(input.path(), 4);
    let pose = |a, b| neighbour_from_target(&path, a, b);
    let poses =
        [vec![pose(0, 1)], vec![pose(1, 2), pose(1, 0)], vec![pose(2, 3), pose(2, 1)], vec![pose(3, 2)]];
    let oracle = Oracle::new(depth.into_iter().zip(poses).collect());
    let set = DataSet::open(input.path(), &options(false)).unwrap();
    assert_eq!((set.targets(), set.sequence().is_some()), (4, true));
    let report = run(set, &oracle, &settings(out.path(), false)).unwrap();
    let [set] = report.sets.as_slice() else { panic!("{report:?}") };
    let means = &set.means;
    assert_eq!((means.images, means.pairs, set.size), (4, 6, Some(SIZE)));
    let depth = means.depth.unwrap();
    assert!(depth.abs_rel < 1e-4 && depth.a1 == 1.0, "{depth:?}");
    let demon = means.demon.unwrap();
    assert!(demon.l1_inv < 1e-4 && demon.sc_inv < 1e-4 && demon.l1_rel < 1e-4, "{demon:?}");
    assert!(means.rotation_deg.unwrap() < 1e-5 && means.translation_deg.unwrap() < 1e-3, "{means:?}");
    assert!(means.translation_cm.unwrap() < 1e-4, "{means:?}");
    // Scales are joined by the windows' depths, sampled between pixels.
    let moved = (path[3].translation.vector - path[0].translation.vector).norm();
    assert!(set.ate.unwrap().translation_rmse < 0.05 * moved, "{:?} of {moved}", set.ate);
    assert!(set.rpe.unwrap().rotation_rmse_rad < 1e-4, "{:?}", set.rpe);
    assert!(report.to_markdown().contains("| 4 | 0.000"), "{}", report.to_markdown());
}

#[test]
fn depth_of_a_sequence_is_judged_as_all_frames_say_it() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    const FRAMES: usize = 6;
    let (depth, path) = room(input.path(), FRAMES);
    // Every window is wrong in a patch of its own.
    let wrong = |frame: usize, map: Map| {
        let (height, width) = SIZE;
        let of = |i: usize| i / width < height / 2 && (i % width) * FRAMES / width == frame;
        let values = map.values().iter().enumerate().map(|(i, &x)| if of(i) { 1.5 * x } else { x });
        Map::new(height, width, values.collect()).unwrap()
    };
    let near = |a: usize| [a + 1, a.wrapping_sub(1)].into_iter().filter(|&b| b < FRAMES);
    let poses = |a| near(a).map(|b| neighbour_from_target(&path, a, b)).collect();
    let answers: Vec<Answer> =
        depth.into_iter().enumerate().map(|(i, map)| (wrong(i, map), poses(i))).collect();
    let report = |fuse_depth| {
        let settings = EvalSettings { fuse_depth, save_depth: true, ..settings(out.path(), false) };
        let set = DataSet::open(input.path(), &options(false)).unwrap();
        let report = run(set, &Oracle::new(answers.clone()), &settings).unwrap();
        let saved = fs::read(out.path().join(&report.sets[0].name).join("depth/000002.npy")).unwrap();
        (report, saved)
    };
    let ((alone, own), (together, fused)) = (report(false), report(true));
    let abs_rel = |report: &Report| report.sets[0].means.depth.unwrap().abs_rel;
    assert!(abs_rel(&together) < 0.4 * abs_rel(&alone), "{} {}", abs_rel(&together), abs_rel(&alone));
    assert!(abs_rel(&alone) > 0.03 && own != fused);
    assert_eq!((alone.sets[0].depth_fused, together.sets[0].depth_fused), (0, FRAMES));
    assert!(together.to_markdown().contains("depth of 6 of 6 images is fused"), "{}", together.to_markdown());
    let poses = |report: &Report| (report.sets[0].means.rotation_deg, report.sets[0].ate);
    assert_eq!(poses(&alone), poses(&together));
}

#[test]
fn a_wrong_unit_shows_without_scaling() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (depth, path) = room(input.path(), 2);
    let answers = (0..2).map(|i| (depth[i].clone(), vec![neighbour_from_target(&path, i, 1 - i)]));
    let oracle = Oracle::new(answers.collect());
    let mut settings = settings(out.path(), false);
    settings.judging.median_scaling = false;
    let report = run(DataSet::open(input.path(), &options(false)).unwrap(), &oracle, &settings).unwrap();
    // Half as far, then one and a half times as far.
    let depth = report.sets[0].means.depth.unwrap();
    assert!((depth.abs_rel - 0.5).abs() < 1e-3, "{depth:?}");
    assert!(report.sets[0].means.demon.unwrap().l1_rel < 1e-4);
}

/// A pair of the room's first and last image in DeMoN's layout; depth as float16 or float32, its unit and the
/// translation's multiplied.
fn pair(room: &Path, folder: &Path, half: bool, unit: f64) {
    let sequence = crate::data::Sequence::open(room, None).unwrap();
    fs::create_dir_all(folder).unwrap();
    let frames = [&sequence.frames[0], sequence.frames.last().unwrap()];
    let mut rows = String::new();
    for (index, frame) in frames.iter().enumerate() {
        fs::copy(&frame.image, folder.join(format!("000{index}.png"))).unwrap();
        let mut camera_from_world = frame.world_from_camera.unwrap().inverse();
        camera_from_world.translation.vector *= unit;
        let matrix = camera_from_world.to_homogeneous();
        let numbers: Vec<_> = matrix.fixed_rows::<3>(0).transpose().iter().map(f64::to_string).collect();
        rows += &format!("{}\n", numbers.join(" "));
    }
    fs::write(folder.join("poses.txt"), rows).unwrap();
    let k = frames[0].camera.unwrap().pinhole;
    let cam = format!("{} 0 {}\n0 {} {}\n0 0 1\n", k.fx, k.cx, k.fy, k.cy);
    fs::write(folder.join("cam.txt"), cam).unwrap();
    let mut depth = frames[0].load_depth().unwrap().unwrap().mapped(|d| d * unit as f32);
    depth = Map::new(SIZE.0, SIZE.1, {
        let mut values = depth.values().to_vec();
        (values[0], values[1], values[2]) = (f32::NAN, 0.0, f32::INFINITY);
        values
    })
    .unwrap();
    let mut tensor = depth.to_tensor(&candle_core::Device::Cpu).unwrap().reshape(SIZE).unwrap();
    if half {
        tensor = tensor.to_dtype(candle_core::DType::F16).unwrap();
    }
    Tensor::write_npz(&[("depth", tensor)], folder.join("0000.npz")).unwrap();
}

/// Four pairs of several parts in several units, and the answers to them.
fn demon_set(names: &[&str]) -> (TempDir, Vec<Answer>) {
    let (source, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (depth, path) = room(source.path(), 2);
    for (index, name) in names.iter().enumerate() {
        pair(source.path(), &root.path().join(name), index % 2 == 0, [1.0, 20.0, 0.05][index % 3]);
    }
    let answer = (depth[0].clone(), vec![neighbour_from_target(&path, 0, 1)]);
    (root, vec![answer; names.len()])
}

#[test]
fn a_demon_set_is_judged_in_its_own_units() {
    let (root, answers) = demon_set(&["mvs_00000", "mvs_00001", "scenes11_3", "sun3d_7", "else"]);
    let out = tempfile::tempdir().unwrap();
    let set = DataSet::open(root.path(), &options(false)).unwrap();
    assert_eq!((set.targets(), set.sequence().is_none()), (5, true));
    let report = run(set, &Oracle::new(answers), &settings(out.path(), false)).unwrap();
    let set = &report.sets[0];
    let parts: Vec<_> = set.subsets.iter().map(|(part, means)| (part.as_str(), means.images)).collect();
    assert_eq!(parts, [("mvs", 2), ("other", 1), ("scenes11", 1), ("sun3d", 1)]);
    assert_eq!((set.layout.as_str(), set.means.images, set.means.pairs), ("demon", 5, 5));
    let demon = set.means.demon.unwrap();
    // float16 has three digits.
    assert!(demon.l1_rel < 1e-3 && demon.sc_inv < 1e-3 && demon.l1_inv < 1e-3, "{demon:?}");
    assert!(set.means.depth.unwrap().abs_rel < 1e-3, "{:?}", set.means.depth);
    assert!(set.means.rotation_deg.unwrap() < 1e-4 && set.means.translation_deg.unwrap() < 1e-3);
    assert!(set.ate.is_none());
}

#[test]
fn one_pair_and_deeper_folders_are_recognised() {
    let (root, _) = demon_set(&["mvs/0001", "rgbd/0001", "rgbd/0002"]);
    let set = DataSet::open(root.path(), &options(false)).unwrap();
    assert_eq!(set.targets(), 3);
    assert_eq!(set.sources.iter().map(|s| subset(&s.name)).collect::<Vec<_>>(), ["mvs", "rgbd", "rgbd"]);
    let one = DataSet::open(&root.path().join("mvs/0001"), &options(false)).unwrap();
    assert_eq!((one.targets(), one.sources[0].name.as_str()), (1, "0001"));
    let two = SetOptions {
        open: OpenOptions { stride: 2, max_frames: Some(2), ..OpenOptions::default() },
        ..options(false)
    };
    assert_eq!(DataSet::open(root.path(), &two).unwrap().targets(), 2);
}

#[test]
fn bad_pairs_are_named_or_skipped() {
    let names = ["mvs_0", "mvs_1", "mvs_2", "mvs_3", "mvs_4", "mvs_5"];
    let (root, answers) = demon_set(&names);
    let at = |name: &str, file: &str| root.path().join(name).join(file);
    fs::remove_file(at("mvs_0", "cam.txt")).unwrap();
    fs::remove_file(at("mvs_1", "0000.npz")).unwrap();
    fs::write(at("mvs_2", "poses.txt"), "1 0 0 0 0 1 0 0 0 0 1 0\nnan 0 0 0 0 1 0 0 0 0 1 0\n").unwrap();
    fs::write(at("mvs_3", "0001.png"), b"no image").unwrap();
    let zeros = Tensor::zeros(SIZE, candle_core::DType::F16, &candle_core::Device::Cpu).unwrap();
    Tensor::write_npz(&[("depth", zeros)], at("mvs_4", "0000.npz")).unwrap();

    let refused = |error: Error, part: &str| {
        let message = error.to_string();
        assert!(message.contains(part), "no {part:?} in {message}");
    };
    refused(DataSet::open(root.path(), &options(false)).unwrap_err(), "mvs_0/cam.txt");
    let out = tempfile::tempdir().unwrap();
    for (name, part) in [
        ("mvs_1", "0000.png: expected true depth"),
        ("mvs_2", "0001.png"),
        ("mvs_4", "0000.npz: expected depths between"),
    ] {
        let set = DataSet::open(&root.path().join(name), &options(false)).unwrap();
        refused(run(set, &Oracle::new(answers.clone()), &settings(out.path(), false)).unwrap_err(), part);
    }
    refused(DataSet::open(&root.path().join("mvs_3"), &options(false)).unwrap_err(), "0001.png");

    let set = DataSet::open(root.path(), &options(true)).unwrap();
    let report = run(set, &Oracle::new(answers), &settings(out.path(), true)).unwrap();
    assert_eq!(report.sets[0].means.images, 1);
    assert_eq!((report.skipped_count, report.sets[0].skipped), (5, 5));
    let listed: Vec<_> = report.skipped.iter().map(|s| s.name.as_deref().unwrap()).collect();
    for name in &names[..5] {
        assert!(listed.contains(name), "{name} not in {listed:?}");
    }
    // Nothing left is an error all the same.
    fs::remove_dir_all(root.path().join("mvs_5")).unwrap();
    let set = DataSet::open(root.path(), &options(true)).unwrap();
    let left = run(set, &Oracle::new(Vec::new()), &settings(out.path(), true));
    refused(left.unwrap_err(), "at least one image that can be evaluated");
}

#[test]
fn bad_frames_of_a_sequence_are_named_or_skipped() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (depth, path) = room(input.path(), 4);
    let pose = |a, b| neighbour_from_target(&path, a, b);
    let blank = crate::export::depth::write_png;
    blank(input.path().join("depth/000003.png"), &depth[0].mapped(|_| 0.0), 5000.0).unwrap();
    let poses = [vec![pose(0, 1)], vec![pose(1, 2), pose(1, 0)], vec![pose(2, 3), pose(2, 1)]];
    let answers: Vec<_> = depth.into_iter().zip(poses).collect();
    let set = || DataSet::open(input.path(), &options(true)).unwrap();
    let error =
        run(set(), &Oracle::new(answers.clone()), &settings(out.path(), false)).unwrap_err().to_string();
    assert!(error.contains("depth/000003.png"), "{error}");
    // What was finished is there.
    assert_eq!(fs::read_to_string(out.path().join("images.csv")).unwrap().lines().count(), 4);
    let report = run(set(), &Oracle::new(answers), &settings(out.path(), true)).unwrap();
    assert_eq!((report.sets[0].means.images, report.skipped_count), (3, 1));
    assert!(report.sets[0].ate.is_some_and(|ate| ate.count == 3));
}

/// The metrics that the published program finds, through what judges here.
#[test]
fn judging_gives_the_golden_metrics() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/golden/train_style.safetensors");
    let bytes = fs::read(golden).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let stored = header.metadata().as_ref().unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
    let map = |name: &str, index: usize| Map::from_tensor(&tensors[name].get(index).unwrap()).unwrap();
    for (crop, name) in [(Crop::None, "none"), (Crop::Garg, "garg")] {
        for median_scaling in [false, true] {
            let judging = Judging { min_depth_m: Some(0.2), max_depth_m: Some(10.0), crop, median_scaling };
            let errors: Vec<_> = (0..2)
                .map(|index| {
                    let depth = Some(map("gt_depth", index));
                    let truth = Truth { is_demon: false, depth, poses: Vec::new() };
                    truth.errors(&map("eval_inv_depth", index), &[], 10.0, &judging).unwrap()
                })
                .collect();
            let ours = Means::of(&errors).depth.map(|depth: DepthMetrics| depth.values()).unwrap();
            let key = format!("metrics_crop_{name}_gtscale_{}", u8::from(median_scaling));
            let theirs: Vec<f64> = serde_json::from_str(&stored[&key]).unwrap();
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours - theirs).abs() < 2e-5 * theirs.abs(), "{key}: {ours} vs {theirs}");
            }
        }
    }
}

/// An answer beyond infinity counts as the farthest where a set has no limits.
#[test]
fn answers_without_bounds_do_not_outweigh_everything() {
    let truth = Truth {
        is_demon: true,
        depth: Some(Map::new(1, 4, vec![2.0; 4]).unwrap()),
        poses: vec![Some(Isometry3::translation(1.0, 0.0, 0.0))],
    };
    let found = Map::new(1, 4, vec![0.5, 0.5, -0.1, 1e-9]).unwrap();
    let pose = Isometry3::new(Vector3::new(1.0, 0.0, 0.0), Vector3::zeros());
    let errors = truth.errors(&found, &[pose], 10.0, &Judging::default()).unwrap();
    let demon = errors.demon.unwrap();
    assert!((demon.l1_rel - 2.0).abs() < 1e-6 && (demon.l1_inv - 0.2).abs() < 1e-6, "{demon:?}");
    assert!(errors.depth.unwrap().abs_rel <= 2.0);
}

#[test]
fn parts_are_told_by_their_prefix() {
    for (name, part) in [
        ("mvs_00012", "mvs"),
        ("RGBD_1", "rgbd"),
        ("sun3d_a", "sun3d"),
        ("scenes11_0", "scenes11"),
        ("scenes11/0", "scenes11"),
        ("mvsx_1", "other"),
        ("nyu_1", "other"),
        ("", "other"),
    ] {
        assert_eq!(subset(name), part, "{name}");
    }
}
