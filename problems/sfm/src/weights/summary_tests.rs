#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::formula_weights;
use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/checkpoints");

#[test]
fn our_own_files_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let config = ModelConfig { hidden: 64, min_depth_m: 0.5, ..Default::default() };
    formula_weights(&config).unwrap().save(&path).unwrap();
    let text = summary(&path).unwrap().to_string();
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    for line in [
        "format     safetensors",
        "hidden     64",
        "updates    12 (3 stages of 4, Gauss-Seidel)",
        "depth      0.5 to 10 m, spread over it",
        "images     240x320 (height x width)",
        "fnet 3,520,448 81",
        "total 12,557,895 311",
        "fnet.conv1.weight float32 [64, 3, 7, 7]",
        "These are the tensors of the network.",
    ] {
        assert!(text.lines().any(|other| words(other) == words(line)), "no line {line:?} in\n{text}");
    }
}

#[test]
fn checkpoints_are_summed_up_in_both_layouts() {
    for (file, format) in [("tiny_zip.ckpt", "PyTorch zip"), ("tiny_legacy.ckpt", "PyTorch legacy")] {
        let summary = summary(Path::new(FIXTURES).join(file)).unwrap();
        assert_eq!(summary.format, format);
        assert_eq!(summary.config.as_ref().unwrap().updates, 8);
        let half = summary.tensors.iter().find(|tensor| tensor.name == "half").unwrap();
        assert_eq!((half.dtype.as_str(), half.shape.as_slice()), ("float16", &[3][..]));
        let text = summary.to_string();
        assert!(text.contains("These are not the tensors of the network: 311 missing"), "{text}");
    }
    let bare = summary(Path::new(FIXTURES).join("bare_zip.pth")).unwrap().to_string();
    assert!(bare.contains("config     none (version: "), "{bare}");
}

#[test]
fn other_files_are_one_line_errors() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for bytes in [&b""[..], b"some text that is long enough"] {
        std::fs::write(file.path(), bytes).unwrap();
        let message = summary(file.path()).unwrap_err().to_string();
        assert!(message.contains("expected weights (safetensors or a PyTorch checkpoint)"), "{message}");
        assert!(!message.contains('\n'));
    }
}

#[test]
fn numbers_are_grouped_by_thousands() {
    assert_eq!([0, 999, 1000, 15_448_711].map(grouped), ["0", "999", "1,000", "15,448,711"]);
}
