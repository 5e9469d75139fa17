#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use super::super::formula_weights;
use super::super::test_checkpoint::{TestConfig, TestTensor, pickled, zipped};
use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/checkpoints");
const KITTI: TestConfig<'_> = ("it12-h", 0.2, 80.0, (96, 160));
/// As long as the largest tensor of the network.
const STORAGE: usize = 256 * 256 * 9;

/// Every tensor of the network as a view of the same storage, and some that the network does not use.
fn network() -> Vec<TestTensor> {
    let unused = [("cnet.conv1.weight", vec![64, 3, 7, 7]), ("fnet.bn1.num_batches_tracked", vec![])];
    let unused = unused.into_iter().map(|(name, shape)| (name.to_string(), shape));
    let whole = expected_shapes(&ModelConfig::default()).into_iter().chain(unused);
    whole.map(|(name, shape)| contiguous(format!("model.depth_net.{name}"), shape)).collect()
}

fn contiguous(name: String, shape: Vec<usize>) -> TestTensor {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    TestTensor { name, storage: STORAGE, offset: 0, shape, strides }
}

fn imported(
    tensors: &[TestTensor],
    config: Option<TestConfig<'_>>,
    overrides: &ImportOverrides,
) -> Result<(Weights, ImportReport)> {
    import_checkpoint(zipped(&pickled(tensors, config), STORAGE).path(), overrides)
}

fn error(tensors: &[TestTensor], config: Option<TestConfig<'_>>) -> String {
    let message = imported(tensors, config, &ImportOverrides::default()).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn a_whole_network_is_imported() {
    let (weights, report) = imported(&network(), Some(KITTI), &ImportOverrides::default()).unwrap();
    assert_eq!(weights.config, ModelConfig::from_version("it12-h", 0.2, 80.0, (96, 160)).unwrap());
    let bias = weights.tensors["update_block_depth.encoder.convd.bias"].to_vec1::<f32>().unwrap();
    assert_eq!(bias, (0..127).map(|i| i as f32).collect::<Vec<_>>());
    assert_eq!(report.dropped, ["cnet.conv1.weight", "fnet.bn1.num_batches_tracked"]);
    let values = expected_shapes(&weights.config).values().map(|shape| shape.iter().product::<usize>()).sum();
    assert_eq!((report.version.as_str(), report.epoch, report.values), ("it12-h", Some(49), values));
    let text = "version it12-h, epoch 49\n311 tensors, 15462151 values\n\
                left out: 1 tensors of the unused encoder cnet, 1 batch counters";
    assert_eq!(report.to_string(), text);
}

#[test]
fn settings_come_from_the_overrides_first_and_are_asked_for_by_name() {
    let given = ImportOverrides {
        version: Some("it8-seq2-h-inter-out".into()),
        min_depth_m: Some(0.5),
        max_depth_m: Some(20.0),
        image_size: Some((320, 960)),
    };
    let expected = ModelConfig::from_version("it8-seq2-h-inter-out", 0.5, 20.0, (320, 960)).unwrap();
    for config in [Some(KITTI), None] {
        assert_eq!(imported(&network(), config, &given).unwrap().0.config, expected);
    }
    for (name, without) in [
        ("version", ImportOverrides { version: None, ..given.clone() }),
        ("min_depth_m", ImportOverrides { min_depth_m: None, ..given.clone() }),
        ("max_depth_m", ImportOverrides { max_depth_m: None, ..given.clone() }),
        ("image_size", ImportOverrides { image_size: None, ..given.clone() }),
    ] {
        let message = imported(&network(), None, &without).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name}: expected a value, or ")), "{message}");
        assert!(message.ends_with("found a checkpoint without config"), "{message}");
        assert!(imported(&network(), Some(KITTI), &without).is_ok());
    }
}

#[test]
fn other_networks_are_refused_with_the_reason() {
    let message = error(&network(), Some(("it12", 0.2, 80.0, (96, 160))));
    assert!(message.contains("hidden size 128, and version \"it12\" says 64; "), "{message}");
    assert!(error(&network(), Some(("resnet18", 0.2, 80.0, (96, 160)))).starts_with("version: expected itN"));
    assert!(error(&network(), Some(("it12-h", 0.0, 80.0, (96, 160)))).starts_with("min_depth_m: expected"));

    let mut tensors = network();
    tensors.remove(0);
    tensors.push(contiguous("model.pose_net.bias".into(), vec![2]));
    tensors[0].shape[0] += 1;
    let message = error(&tensors, Some(KITTI));
    assert!(message.contains("1 missing: ") && message.contains("1 extra: pose_net.bias"), "{message}");
    assert!(message.contains("1 misshaped: "), "{message}");

    let mut tensors = network();
    tensors.push(contiguous("module.fnet.conv1.weight".into(), vec![64, 3, 7, 7]));
    assert!(error(&tensors, Some(KITTI)).contains("tensor \"fnet.conv1.weight\" twice"));
    assert!(error(&[], Some(KITTI)).contains("without tensors"));
}

#[test]
fn pytorchs_own_files_are_understood_up_to_the_missing_tensors() {
    for file in ["tiny_zip.ckpt", "tiny_legacy.ckpt"] {
        let path = Path::new(FIXTURES).join(file);
        let checkpoint = Checkpoint::open(&path).unwrap();
        let (version, config) = configuration(checkpoint.root(), &ImportOverrides::default()).unwrap();
        assert_eq!(version, "it8-seq4-inter-out");
        assert_eq!(config, ModelConfig::from_version(&version, 0.5, 80.0, (320, 960)).unwrap());
        let message = import_checkpoint(&path, &ImportOverrides::default()).unwrap_err().to_string();
        assert!(message.contains("311 missing: "), "{message}");
        assert!(message.contains("11 extra: brain, double, empty, flags, "), "{message}");
        assert!(message.ends_with("1 not floating point: flags (bool)"), "{message}");
    }
    let bare = Path::new(FIXTURES).join("bare_zip.pth");
    let checkpoint = Checkpoint::open(&bare).unwrap();
    let names: Vec<_> =
        state_dict(&bare, checkpoint.root()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["plain"]);
}

/// Most memory this process has used, in MiB, where the system says.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// Needs the files that `tests/fixtures/checkpoints/make.py --full FOLDER` writes.
#[test]
#[ignore = "needs DRO_FULL_CHECKPOINTS=FOLDER, written by tests/fixtures/checkpoints/make.py --full FOLDER"]
fn full_checkpoints_give_the_weights_by_formula_bit_for_bit() {
    let folder = std::env::var("DRO_FULL_CHECKPOINTS").expect("DRO_FULL_CHECKPOINTS names a folder");
    let config = ModelConfig::from_version("it12-h", 0.2, 80.0, (96, 160)).unwrap();
    let mut imports = Vec::new();
    for file in ["full_zip.ckpt", "full_legacy.ckpt"] {
        let start = Instant::now();
        let (weights, report) =
            import_checkpoint(Path::new(&folder).join(file), &ImportOverrides::default()).unwrap();
        println!("{file}: {:?}, peak {:?} MiB\n{report}", start.elapsed(), peak_mib());
        assert_eq!(report.dropped.len(), 452 - 311);
        imports.push(weights);
    }
    let formula = formula_weights(&config).unwrap();
    for weights in &imports {
        assert_eq!(weights.config, config);
        assert!(weights.tensors.keys().eq(formula.tensors.keys()));
        for (name, tensor) in &formula.tensors {
            let bits = |tensor: &candle_core::Tensor| -> Vec<u32> {
                let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
                values.into_iter().map(f32::to_bits).collect()
            };
            assert!(bits(tensor) == bits(&weights.tensors[name]), "{name}");
        }
    }
}
