//! What a run leaves behind.

use std::{fs, path::Path};

use candle_core::Tensor;

use crate::fixture::*;

#[test]
fn every_frame_has_its_files_and_the_sequence_its_own() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    let said = learned(room(), out, "--trace").works();
    assert!(said.contains("5 frames") && said.contains(&out.display().to_string()), "{said}");
    assert!(said.contains("value / 1000") && said.contains("ground truth"), "{said}");

    let names = ["000000", "000001", "000002", "000003", "000004"];
    assert_eq!(finished(out), names);
    nothing_half_written(out);
    for name in names {
        let depth = image::open(out.join(format!("depth/{name}.png"))).unwrap();
        assert!(matches!(depth, image::DynamicImage::ImageLuma16(_)), "{:?}", depth.color());
        let exact = Tensor::read_npy(out.join(format!("depth/{name}.npy"))).unwrap();
        assert_eq!((exact.dims(), exact.dtype()), (&[64, 96][..], candle_core::DType::F32));
        let metres = exact.to_vec2::<f32>().unwrap()[30][40];
        let stored = depth.to_luma16().get_pixel(40, 30).0[0];
        assert!((f32::from(stored) / 1000.0 - metres).abs() < 6e-4, "{stored} {metres}");
        let coloured = image::open(out.join(format!("inverse_depth/{name}.png"))).unwrap();
        assert_eq!((coloured.width(), coloured.height()), (96, 64));

        for step in 0..2 {
            for kind in ["cost", "inverse_depth", "overlap_0"] {
                let picture = format!("trace/{name}/{step:06}_{kind}.png");
                assert!(image::open(out.join(&picture)).is_ok(), "{picture}");
            }
        }
        assert!(image::open(out.join(format!("trace/{name}/all.png"))).is_ok());
    }

    let rows = |file: &str, columns: usize| {
        let text = fs::read_to_string(out.join(file)).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        for row in &rows {
            let numbers: Vec<f64> = row.split(' ').map(|x| x.parse().unwrap()).collect();
            assert!(numbers.len() == columns && numbers.iter().all(|x| x.is_finite()), "{file}: {row}");
        }
        rows.len()
    };
    assert_eq!((rows("trajectory.tum.txt", 8), rows("trajectory.kitti.txt", 12)), (5, 5));
    let ply = fs::read(out.join("points.ply")).unwrap();
    let header = String::from_utf8_lossy(&ply[..ply.len().min(400)]).into_owned();
    assert!(header.starts_with("ply\nformat binary_little_endian 1.0\n"), "{header}");
    assert!(header.contains("property uchar red"), "{header}");
    // Per frame: two updates and the end.
    assert_eq!(fs::read_to_string(out.join("curves.csv")).unwrap().lines().count(), 1 + 5 * 3);
    assert!(fs::read_to_string(out.join("curves.svg")).unwrap().contains("</svg>"));
}

#[test]
fn the_summary_says_what_was_run_and_how_it_went() {
    let out = tempfile::tempdir().unwrap();
    learned(room(), out.path(), "--max-frames 3 --stride 2 --size 61x100").works();
    let summary = summary(out.path());
    // Not a multiple of what the network needs: brought to the nearest one, and said.
    assert_eq!(summary["size"], serde_json::json!([64, 96]));
    assert!(notes(out.path()).contains("61x100"), "{summary}");
    assert_eq!(finished(out.path()), ["000000", "000002", "000004"]);
    for frame in summary["frames"].as_array().unwrap() {
        let number = |key: &str| frame[key].as_f64().unwrap();
        assert!(number("seconds") > 0.0 && number("cost_start") > 0.0 && number("cost_end") > 0.0, "{frame}");
        assert_eq!((&frame["updates"], &frame["status"]), (&2.into(), &"done".into()));
    }
    for (at, value) in [
        ("/settings/solver/optimizer", serde_json::json!("dro")),
        ("/settings/solver/stages", 1.into()),
        ("/settings/run/neighbours", "auto".into()),
        ("/settings/input/stride", 2.into()),
        ("/layout", "frames-csv".into()),
        ("/depth_png_scale", serde_json::json!(1000.0)),
        ("/interrupted", false.into()),
    ] {
        assert_eq!(summary.pointer(at), Some(&value), "{at}");
    }
    assert!(summary["camera"]["fx"].as_f64().unwrap() > 10.0);
    assert!(summary["total_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(summary["peak_memory_mb"].as_f64().unwrap() > 1.0);
    }
}

#[test]
fn only_the_wanted_formats_are_written() {
    let out = tempfile::tempdir().unwrap();
    learned(room(), out.path(), "--max-frames 2 --format npy,trajectory").works();
    let expected = [
        "depth/000000.npy",
        "depth/000001.npy",
        "summary.json",
        "trajectory.kitti.txt",
        "trajectory.tum.txt",
    ];
    assert_eq!(files(out.path()), expected);
}

/// Its images and its camera are an input in their own right.
#[test]
fn a_colmap_model_is_written_where_it_is_asked_for() {
    let (out, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    learned(room(), out.path(), "--max-frames 2 --format colmap").works();
    let expected = [
        "colmap/images/000000.png",
        "colmap/images/000001.png",
        "colmap/sparse/0/cameras.txt",
        "colmap/sparse/0/images.txt",
        "colmap/sparse/0/points3D.txt",
        "summary.json",
    ];
    assert_eq!(files(out.path()), expected);
    let colmap = out.path().join("colmap");
    let lines = fs::read_to_string(colmap.join("sparse/0/images.txt")).unwrap();
    assert!(lines.contains(" 000001.png\n"), "{lines}");
    let cameras = colmap.join("sparse/0/cameras.txt");
    let options = format!("--format npy --intrinsics {}", cameras.display());
    learned(&colmap.join("images"), again.path(), &options).works();
    assert_eq!(summary(again.path())["camera"], summary(out.path())["camera"]);

    // The format knows no names with spaces.
    let (photos, numbered) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..2 {
        let image = colmap.join(format!("images/00000{number}.png"));
        fs::copy(image, photos.path().join(format!("room {number}.png"))).unwrap();
    }
    let options = format!("--format colmap --intrinsics {}", cameras.display());
    learned(photos.path(), numbered.path(), &options).works();
    assert_eq!(files(numbered.path()), expected);
}

#[test]
fn depth_is_fused_over_frames_unless_that_of_each_is_asked_for() {
    let (own, fused) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    learned(room(), own.path(), "--format npy --no-fuse-depth").works();
    learned(room(), fused.path(), "--format npy").works();
    assert_eq!(files(own.path()), files(fused.path()));
    let depth = |out: &Path| fs::read(out.join("depth/000002.npy")).unwrap();
    assert_eq!(depth(own.path()).len(), depth(fused.path()).len());
    assert_ne!(depth(own.path()), depth(fused.path()));
    assert!(notes(fused.path()).contains("depth of 5 of 5 frames is fused"), "{}", notes(fused.path()));
    assert!(!notes(own.path()).contains("fused"), "{}", notes(own.path()));
    let abs_rel = |out: &Path| summary(out)["mean_metrics"]["abs_rel"].as_f64().unwrap();
    assert_ne!(abs_rel(own.path()), abs_rel(fused.path()));
}

#[test]
fn quiet_says_nothing_and_a_log_is_asked_for() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(learned(room(), out.path(), "--max-frames 2 --quiet").works(), "");
    let mut command = dro();
    command.args(["sfm", "run"]).arg(room()).arg("--out").arg(out.path().join("logged"));
    command.arg("--weights").arg(weights()).args(["--stages", "0", "--max-frames", "2"]);
    let said = ran(command.env("RUST_LOG", "dro_sfm=debug"));
    assert!(said.code == 0 && said.stderr.contains("solved"), "{said:?}");
}

#[test]
fn the_weights_free_baseline_needs_nothing_else() {
    let out = tempfile::tempdir().unwrap();
    let said = baseline(room(), out.path(), "--max-frames 2 --size 32x48 --seed 7").works();
    assert!(said.contains("2 frames"), "{said}");
    assert_eq!(finished(out.path()).len(), 2);
    assert_eq!(summary(out.path())["settings"]["solver"]["patchmatch"]["seed"], 7);
}

#[test]
fn the_demo_renders_and_solves() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let mut command = dro();
    command.args(["sfm", "demo", "--frames", "2", "--stages", "1", "--inner", "1", "--weights"]);
    let said = ran(command.arg(weights()).arg("--out").arg(&out)).works();
    assert!(said.contains("2 frames") && said.contains("ground truth"), "{said}");
    assert_eq!(finished(&out), ["000000", "000001"]);
    assert!(out.join("input/frames.csv").is_file());
    let again = ran(dro().args(["sfm", "demo", "--out"]).arg(&out));
    again.refuses(&["demo", "--overwrite"]);
    ran(dro().args(["sfm", "demo", "--frames", "1", "--out", "/nowhere"])).refuses(&["--frames", "1"]);
}
