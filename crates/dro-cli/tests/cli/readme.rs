//! Every call of the program in the README, with small inputs in the places of the user's.

use std::{fs, path::Path};

use super::fixture::{dro, images, ran};

#[path = "../../../../problems/sfm/src/weights/test_checkpoint.rs"]
#[allow(dead_code)]
mod test_checkpoint;

/// The lines of the README that begin with `cargo run -- `, without that.
fn calls() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(path).unwrap();
    readme.lines().filter_map(|line| line.strip_prefix("cargo run -- ")).map(str::to_owned).collect()
}

/// A checkpoint in PyTorch's zip layout with every tensor of the smaller network: all are views of one storage.
fn write_checkpoint(path: &Path) {
    use dro_sfm::weights::{ModelConfig, expected_shapes};
    use test_checkpoint::{TestTensor, pickled, zipped};

    let config = ModelConfig::from_version("it12-out", 0.2, 10.0, (64, 96)).unwrap();
    let shapes = expected_shapes(&config);
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let storage = shapes.values().map(|shape| count(shape)).max().unwrap();
    let tensors: Vec<_> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let strides = (0..shape.len()).map(|i| count(&shape[i + 1..])).collect();
            let name = format!("model.depth_net.{name}");
            TestTensor { name, storage, offset: 0, shape, strides }
        })
        .collect();
    let pickle = pickled(&tensors, Some(("it12-out", 0.2, 10.0, (64, 96))));
    fs::copy(zipped(&pickle, storage).path(), path).unwrap();
}

#[test]
fn every_call_works_in_the_order_in_which_it_stands() {
    let here = tempfile::tempdir().unwrap();
    let photos = images(2);
    write_checkpoint(&here.path().join("model.ckpt"));
    let calls = calls();
    assert!(calls.len() >= 5, "{calls:?}");
    for call in calls {
        // CI runs the demo at its full size.
        let call = call
            .replace("PHOTOS", photos.path().to_str().unwrap())
            .replace("sfm demo", "sfm demo --frames 2");
        let mut words: Vec<&str> = call.split_whitespace().collect();
        if words.starts_with(&["sfm"]) {
            words.extend(["--overwrite", "--size", "32x48"]);
        }
        let result = ran(dro().current_dir(here.path()).args(&words));
        assert_eq!((result.code, result.stderr.as_str()), (0, ""), "{call}: {result:?}");
    }
    for file in [
        "demo/points.ply",
        "demo/trace/000000/all.png",
        "weights.safetensors",
        "out/summary.json",
        "out/curves.svg",
        "eval/table.md",
    ] {
        assert!(here.path().join(file).is_file(), "{file} is missing");
    }
}
