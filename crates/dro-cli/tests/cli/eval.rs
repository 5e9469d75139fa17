//! `dro sfm eval`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use dro_sfm::data::Sequence;
use tempfile::TempDir;

use crate::fixture::*;

fn eval(data: &[&Path], out: &Path, options: &str) -> Ran {
    let mut command = dro();
    command.args(["sfm", "eval"]).args(data).arg("--out").arg(out).args(options.split_whitespace());
    ran(&mut command)
}

/// With the weights and one update of each block.
fn judged(data: &[&Path], out: &Path, options: &str) -> Ran {
    let weights = weights().display();
    eval(data, out, &format!("--weights {weights} --stages 1 --inner 1 {options}"))
}

/// The rows of a table, by the names of its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let head = lines.next().unwrap();
    lines
        .map(|row| {
            assert_eq!(row.len(), head.len(), "{row:?}");
            head.iter().cloned().zip(row).collect()
        })
        .collect()
}

fn number(row: &BTreeMap<String, String>, name: &str) -> f64 {
    row[name].parse().unwrap_or_else(|_| panic!("{name}: {:?}", row[name]))
}

#[test]
fn a_sequence_is_judged_and_everything_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let said = judged(&[room()], &out, "--max-frames 3 --save-depth").works();
    for part in ["## Depth", "## Poses", "abs rel", "rotation (°)", "cli-room", "nothing skipped"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let written = files(&out);
    for name in [
        "cli-room/depth/000000.npy",
        "cli-room/depth/000000.png",
        "cli-room/groundtruth.tum.txt",
        "cli-room/trajectory.tum.txt",
        "images.csv",
        "pairs.csv",
        "summary.json",
        "table.md",
    ] {
        assert!(written.contains(&name.to_owned()), "{name} not in {written:?}");
    }
    nothing_half_written(&out);
    assert!(said.contains(fs::read_to_string(out.join("table.md")).unwrap().trim()));
    let images = rows(&out.join("images.csv"));
    let pairs = rows(&out.join("pairs.csv"));
    assert_eq!((images.len(), pairs.len()), (3, 4));
    for pair in &pairs {
        assert!(PathBuf::from(&pair["image"]).is_file() && PathBuf::from(&pair["neighbour"]).is_file());
        assert_eq!((pair["true_pose"].split(' ').count(), pair["found_pose"].split(' ').count()), (12, 12));
        assert!(number(pair, "fx") > 10.0 && number(pair, "rotation_deg") >= 0.0);
    }
    let summary = summary(&out);
    let set = &summary["sets"][0];
    assert_eq!((&set["layout"], &set["means"]["images"]), (&"frames-csv".into(), &3.into()));
    assert!(set["ate"]["translation_rmse"].as_f64().unwrap() >= 0.0);
    let mean = images.iter().map(|row| number(row, "abs_rel")).sum::<f64>() / 3.0;
    assert!((set["means"]["depth"]["abs_rel"].as_f64().unwrap() - mean).abs() < 1e-12);
}

/// abs rel and δ1 from the files that were written, by the definitions.
#[test]
fn the_numbers_follow_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let truth = Sequence::open(room(), None).unwrap().frames[0].load_depth().unwrap().unwrap();
    for scaling in ["median", "none"] {
        let out = folder.path().join(scaling);
        judged(&[room()], &out, &format!("--max-frames 2 --save-depth --scaling {scaling} --quiet")).works();
        let found = Tensor::read_npy(out.join("cli-room/depth/000000.npy")).unwrap();
        let found = found.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let pairs: Vec<(f64, f64)> = found
            .iter()
            .zip(truth.values())
            .map(|(&d, &t)| (f64::from(d).max(1e-6), f64::from(t)))
            .filter(|(_, t)| *t > 0.1 && *t < 80.0)
            .collect();
        let mut ratios: Vec<f64> = pairs.iter().map(|(d, t)| t / d).collect();
        ratios.sort_by(f64::total_cmp);
        let scale = if scaling == "median" { ratios[(ratios.len() - 1) / 2] } else { 1.0 };
        let scaled = pairs.iter().map(|(d, t)| ((d * scale).clamp(0.1, 80.0), *t));
        let errors: Vec<f64> = scaled.clone().map(|(d, t)| (d - t).abs() / t).collect();
        let close = scaled.filter(|(d, t)| (d / t).max(t / d) < 1.25).count() as f64 / pairs.len() as f64;
        let row = &rows(&out.join("images.csv"))[0];
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!((number(row, "abs_rel") - mean).abs() < 1e-6 * mean, "{scaling}: {mean} {row:?}");
        assert!((number(row, "a1") - close).abs() < 1e-9, "{scaling}: {close} {row:?}");
    }
}

#[test]
fn mirrored_answers_and_crops_change_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (index, options) in ["", "--flip", "--crop garg", "--crop nyu", "--max-depth 2.5"].iter().enumerate()
    {
        let out = folder.path().join(index.to_string());
        judged(&[room()], &out, &format!("--max-frames 2 {options}")).works();
        found.push(summary(&out)["sets"][0]["means"]["depth"]["abs_rel"].as_f64().unwrap());
    }
    for a in 0..found.len() {
        assert!((0..a).all(|b| found[a] != found[b]), "{found:?}");
    }
}

/// Pairs of the room's images in DeMoN's layout, `.png` or `.jpg`, depth in float16 or float32.
pub fn demon(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let sequence = Sequence::open(room(), None).unwrap();
    for (index, name) in names.iter().enumerate() {
        let folder = root.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut poses = String::new();
        for (i, frame) in [&sequence.frames[0], &sequence.frames[3]].iter().enumerate() {
            let image = image::open(&frame.image).unwrap().into_rgb8();
            image.save(folder.join(format!("000{i}.{}", ["png", "jpg"][index % 2]))).unwrap();
            let matrix = frame.world_from_camera.unwrap().inverse().to_homogeneous();
            for (row, column) in (0..3).flat_map(|row| (0..4).map(move |column| (row, column))) {
                poses += &format!("{} ", matrix[(row, column)]);
            }
            poses += "\n";
        }
        fs::write(folder.join("poses.txt"), poses).unwrap();
        let k = sequence.frames[0].camera.unwrap().pinhole;
        fs::write(folder.join("cam.txt"), format!("{} 0 {}\n0 {} {}\n0 0 1\n", k.fx, k.cx, k.fy, k.cy))
            .unwrap();
        let depth = sequence.frames[0].load_depth().unwrap().unwrap();
        let tensor = depth.to_tensor(&Device::Cpu).unwrap().reshape(SIZE).unwrap();
        let tensor = if index % 2 == 0 { tensor.to_dtype(DType::F16).unwrap() } else { tensor };
        Tensor::write_npz(&[("depth", tensor)], folder.join("0000.npz")).unwrap();
    }
    root
}

#[test]
fn a_demon_set_is_recognised_and_has_means_of_its_parts() {
    let (set, folder) = (demon(&["mvs_1", "mvs_2", "rgbd_1", "mine"]), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let said = judged(&[set.path(), room()], &out, "--max-frames 4").works();
    for part in [": mvs |", ": rgbd |", ": other |", "L1-rel", "cli-room"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let summary = summary(&out);
    assert_eq!(summary["sets"][0]["layout"], "demon");
    let subsets = summary["sets"][0]["subsets"].as_array().unwrap();
    let images: Vec<_> = subsets.iter().map(|part| part[1]["images"].as_u64().unwrap()).collect();
    assert_eq!(images, [2, 1, 1]);
    assert!(subsets.iter().all(|part| part[1]["demon"]["sc_inv"].as_f64().unwrap() > 0.0));
    // One pair by itself is such a set too; its baseline is that of the whole one.
    let one = folder.path().join("one");
    judged(&[&set.path().join("mvs_2")], &one, "--layout demon").works();
    let of = |out: &Path, name: &str| {
        let all = rows(&out.join("images.csv"));
        number(all.iter().find(|row| row["name"] == name).unwrap(), "demon_l1_rel")
    };
    assert_eq!(of(&one, "mvs_2"), of(&out, "mvs_2"));
}

#[test]
fn bad_pairs_are_named_or_skipped_and_listed() {
    let (set, folder) = (demon(&["mvs_1", "mvs_2", "mvs_3", "mvs_4"]), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    fs::remove_file(set.path().join("mvs_1/poses.txt")).unwrap();
    fs::remove_file(set.path().join("mvs_2/0000.npz")).unwrap();
    let image = set.path().join("mvs_3/0001.png");
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    judged(&[set.path()], &out, "").refuses(&["mvs_1/poses.txt"]);
    fs::remove_dir_all(set.path().join("mvs_1")).unwrap();
    judged(&[set.path()], &out, "").refuses(&["mvs_2/0000.jpg", "true depth", "none"]);
    judged(&[&set.path().join("mvs_3")], &out, "--overwrite").refuses(&["0001.png", "truncated"]);
    let said = judged(&[set.path()], &out, "--overwrite --skip-bad").works();
    assert!(said.contains("2 skipped") && said.contains("0001.png"), "{said}");
    let summary = summary(&out);
    assert_eq!((&summary["skipped_count"], &summary["sets"][0]["means"]["images"]), (&2.into(), &1.into()));
    assert_eq!(summary["skipped"][0]["name"], "mvs_2");
}

#[test]
fn sets_without_anything_to_judge_by_are_refused() {
    let (images, empty) = (images(2), tempfile::tempdir().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    judged(&[images.path()], &out, "--fov 65").refuses(&["a0.png", "true depth or a true pose"]);
    judged(&[empty.path()], &out, "").refuses(&["an empty folder"]);
    judged(&[empty.path()], &out, "--skip-bad").refuses(&["at least one set", "an empty folder"]);
    let said = judged(&[empty.path(), room()], &out, "--skip-bad --max-frames 2 --overwrite").works();
    assert!(said.contains("1 skipped"), "{said}");
}

#[test]
fn a_pose_that_is_not_finite_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let csv = fs::read_to_string(room().join("frames.csv")).unwrap();
    let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
    let mut cells: Vec<&str> = lines[2].split(',').collect();
    *cells.last_mut().unwrap() = "nan";
    lines[2] = cells.join(",");
    let own = room().join("nan-frames.csv");
    fs::write(&own, lines.join("\n")).unwrap();
    judged(&[&own], &out, "--layout frames-csv --max-frames 3").refuses(&["000001.png", "finite"]);
    judged(&[&own], &out, "--layout frames-csv --max-frames 3 --skip-bad --overwrite").works();
    assert_eq!(summary(&out)["skipped_count"], 1);
}

#[test]
fn wrong_options_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    eval(&[], &out, "").refuses(&["<DATA>"]);
    for (options, parts) in [
        ("--min-depth 5 --max-depth 1", &["depth limits", "5 and 1"][..]),
        ("--min-depth 0", &["--min-depth", "a positive number"]),
        ("--crop kitti", &["--crop", "none, garg, nyu"]),
        ("--scaling mean", &["--scaling", "median, none"]),
        ("--stride 9", &["at least 2 images", "found 1"]),
    ] {
        judged(&[room()], &out, options).refuses(parts);
    }
    let set = demon(&["mvs_1"]);
    judged(&[set.path()], &out, "--fov 65").refuses(&["--intrinsics", "DeMoN"]);
    assert!(!out.exists());
    judged(&[room()], room(), "--overwrite").refuses(&["the input"]);
    judged(&[room()], &out, "--max-frames 2 -q").works();
    judged(&[room()], &out, "--max-frames 2").refuses(&["--overwrite"]);
}

/// A published split: the images that a list names, in sequences below one folder.
#[test]
fn a_split_names_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let (list, out) = (folder.path().join("test_files.txt"), folder.path().join("out"));
    let root = room().parent().unwrap();
    let image = |number: usize| format!("{}/rgb/{number:06}.png", room().file_name().unwrap().display());
    fs::write(&list, format!("{} {}\n{}\n", image(2), image(0), image(1))).unwrap();
    let options = format!("--split {} --save-depth", list.display());
    let said = judged(&[root], &out, &options).works();
    assert!(said.contains("test_files"), "{said}");
    let (images, pairs) = (rows(&out.join("images.csv")), rows(&out.join("pairs.csv")));
    // The neighbour that the list names, and those beside the other.
    assert_eq!((images.len(), pairs.len()), (2, 3));
    assert!(images[0]["name"].ends_with("/000002") && images[1]["name"].ends_with("/000001"), "{images:?}");
    // The images need not follow each other, so there is no trajectory.
    let written = files(&out);
    assert!(written.iter().all(|name| !name.contains("trajectory")), "{written:?}");
    assert!(written.iter().any(|name| name.ends_with("depth/cli-room/000002.npy")), "{written:?}");

    fs::write(&list, format!("{}\n{}\n", image(0), image(99))).unwrap();
    judged(&[root], &folder.path().join("other"), &options).refuses(&["test_files.txt", "line 2", "000099"]);
}
