//! Options: what they accept, what they refuse.

use crate::fixture::*;

#[test]
fn any_number_of_updates_works() {
    for (stages, inner, updates) in [(0, 1, 0), (1, 0, 0), (3, 2, 12), (1, 7, 14)] {
        let out = tempfile::tempdir().unwrap();
        let weights = weights().display();
        let options = format!("--weights {weights} --stages {stages} --inner {inner} --max-frames 2 --trace");
        run(room(), out.path(), &options).works();
        assert_eq!(summary(out.path())["frames"][0]["updates"], updates, "{stages} x {inner}");
        assert!(out.path().join("curves.svg").is_file());
    }
}

#[test]
fn pictures_of_a_long_run_are_bounded() {
    let out = tempfile::tempdir().unwrap();
    let weights = weights().display();
    let options = format!("--weights {weights} --stages 40 --inner 1 --max-frames 2 --trace --format npy");
    run(room(), out.path(), &options).works();
    let costs = files(out.path()).iter().filter(|name| name.ends_with("_cost.png")).count();
    assert!((2 * 16..=2 * 32).contains(&costs), "{costs}");
    assert!(out.path().join("trace/000000/000079_cost.png").is_file(), "the last update is missing");
    let sheet = image::open(out.path().join("trace/000000/all.png")).unwrap();
    assert!(sheet.height() > 5 * 64, "the sheet is {} high", sheet.height());
    let rows = std::fs::read_to_string(out.path().join("curves.csv")).unwrap().lines().count();
    assert_eq!(rows, 1 + 2 * (80 + 1));
}

#[test]
fn every_frame_gets_depth_whatever_the_neighbours() {
    for (offsets, connected) in
        [("auto", true), ("1", true), ("-1", true), ("2,1", true), ("2,-2", false), ("100", true)]
    {
        let out = tempfile::tempdir().unwrap();
        let said = learned(room(), out.path(), &format!("--neighbours {offsets}")).works();
        assert_eq!(finished(out.path()).len(), FRAMES, "{offsets}");
        // Odd and even frames never meet: their depths are there, one trajectory of all is not.
        assert_eq!(out.path().join("trajectory.tum.txt").is_file(), connected, "{offsets}: {said}");
        assert_eq!(said.contains("no trajectory"), !connected, "{said}");
    }
}

#[test]
fn wrong_values_are_named() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    for (options, parts) in [
        ("--neighbours 0", &["--neighbours", "other than 0", "\"0\""][..]),
        ("--neighbours 1,x", &["--neighbours", "auto", "\"x\""]),
        ("--neighbours=", &["--neighbours", "\"\""]),
        ("--stride 0", &["--stride", "0"]),
        ("--stride 9", &["--stride 9", "at least 2 images", "found 1"]),
        ("--max-frames 0", &["--max-frames", "0"]),
        ("--max-frames 1", &["--max-frames", "1"]),
        ("--size 64", &["--size", "HEIGHTxWIDTH", "\"64\""]),
        ("--size 0x64", &["--size", "0x64"]),
        ("--size 64x1000000", &["--size", "1000000"]),
        ("--format png,jpeg", &["--format", "jpeg", "png, npy, colour, trajectory, ply"]),
        ("--layout tumm", &["--layout", "tumm", "frames-csv, tum, 7scenes"]),
        ("--coupling tight", &["--coupling", "tight", "gauss-seidel"]),
        ("--device gpu", &["--device", "cpu or cuda:N", "\"gpu\""]),
        ("--device cuda:x", &["--device", "\"cuda:x\""]),
        ("--stages -1", &["--stages", "-1"]),
        ("--inner x", &["--inner", "x"]),
        ("--stride -2", &["--stride", "-2"]),
        ("--max-frames -2", &["--max-frames", "-2"]),
        ("--wieghts x", &["--wieghts", "--weights"]),
        ("--inner 3", &["--inner", "patchmatch"]),
        ("--device cuda:0", &["--device", "patchmatch"]),
        ("--precision tf32", &["--precision", "patchmatch"]),
        ("--precision half", &["--precision", "half", "tf32"]),
        ("--kernels reference", &["--kernels", "patchmatch"]),
        ("--start heads", &["--start", "patchmatch"]),
        ("--kernels slow", &["--kernels", "slow", "reference"]),
        ("--threads 0", &["--threads", "0"]),
    ] {
        baseline(room(), out, options).refuses(parts);
    }
    assert!(files(out).is_empty());
    ran(dro().args(["sfm", "run", "x"])).refuses(&["--out"]);
    ran(dro().args(["sfm", "run", "--out", "x"])).refuses(&["<INPUT>"]);
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let out = tempfile::tempdir().unwrap();
    // No machine has a thousand cards; one without a card or a driver says that instead.
    let part = if cfg!(feature = "cuda") { "CUDA_ERROR" } else { "build with CUDA" };
    learned(room(), out.path(), "--device cuda:999").refuses(&["--device cuda:999", part]);
    assert!(files(out.path()).is_empty());
}

#[test]
fn help_explains_the_options() {
    let said = ran(dro().args(["sfm", "run", "--help"])).works();
    for option in [
        "--layout",
        "--intrinsics",
        "--distortion",
        "--fov",
        "--stride",
        "--max-frames",
        "--weights",
        "--optimizer",
        "--out",
        "--overwrite",
        "--neighbours",
        "--size",
        "--stages",
        "--inner",
        "--coupling",
        "--device",
        "--kernels",
        "--threads",
        "--trace",
        "--format",
        "--seed",
        "--quiet",
    ] {
        assert!(said.contains(&format!("{option} ")) || said.contains(&format!("{option}\n")), "{option}");
    }
    assert!(ran(dro().arg("--version")).works().starts_with("dro "));
    let nothing = ran(&mut dro());
    assert!(nothing.code == 2 && nothing.stderr.contains("Usage: dro"), "{nothing:?}");
}
