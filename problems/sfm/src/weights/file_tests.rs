#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use half::{bf16, f16};

use super::*;

fn tensor(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn weights(names: &[&str]) -> Weights {
    let tensors = names.iter().map(|name| (name.to_string(), tensor(&[1.0, -2.5]))).collect();
    Weights::new(ModelConfig::default(), tensors)
}

fn shapes(names: &[&str]) -> BTreeMap<String, Vec<usize>> {
    names.iter().map(|name| (name.to_string(), vec![2])).collect()
}

fn values(weights: &Weights, name: &str) -> Vec<f32> {
    weights.tensors[name].to_vec1().unwrap()
}

fn metadata(config: &str) -> Option<HashMap<String, String>> {
    Some(HashMap::from([(CONFIG_KEY.to_string(), config.to_string())]))
}

fn default_metadata() -> Option<HashMap<String, String>> {
    metadata(&serde_json::to_string(&ModelConfig::default()).unwrap())
}

#[test]
fn saved_weights_come_back_and_replace_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, "old").unwrap();
    let mut saved = weights(&["a", "b"]);
    saved.config.image_size = (96, 160);
    // A transposed view is stored as what it shows, not as what lies in memory.
    saved
        .tensors
        .insert("t".into(), Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap().t().unwrap());
    saved.save(&path).unwrap();
    let loaded = Weights::load(&path).unwrap();
    assert_eq!(loaded.config, saved.config);
    assert_eq!(loaded.tensors.keys().collect::<Vec<_>>(), ["a", "b", "t"]);
    assert_eq!(values(&loaded, "b"), [1.0, -2.5]);
    assert_eq!(loaded.tensors["t"].to_vec2::<f32>().unwrap(), [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
    let first = std::fs::read(&path).unwrap();
    saved.save(&path).unwrap();
    assert_eq!(first, std::fs::read(&path).unwrap(), "the same weights give the same bytes");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/w.safetensors");
    let message = weights(&["a"]).save(&path).unwrap_err().to_string();
    assert!(message.contains("no/w.safetensors"), "{message}");
    let message = Weights::load(&path).unwrap_err().to_string();
    assert!(message.contains("no/w.safetensors"), "{message}");
}

#[test]
fn half_precision_is_widened_and_integers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let write = |tensors: HashMap<&str, Tensor>| {
        std::fs::write(&path, safetensors::serialize(tensors, default_metadata()).unwrap()).unwrap();
    };
    let half = [0.1f32, -3.0].map(f16::from_f32);
    let brain = [0.1f32, 1e30].map(bf16::from_f32);
    write(HashMap::from([
        ("half", Tensor::new(&half, &Device::Cpu).unwrap()),
        ("brain", Tensor::new(&brain, &Device::Cpu).unwrap()),
    ]));
    let loaded = Weights::load(&path).unwrap();
    assert_eq!(values(&loaded, "half"), half.map(f16::to_f32));
    assert_eq!(values(&loaded, "brain"), brain.map(bf16::to_f32));
    write(HashMap::from([("count", Tensor::new(&[1i64], &Device::Cpu).unwrap())]));
    let message = Weights::load(&path).unwrap_err().to_string();
    assert!(message.contains("in tensor \"count\", found I64"), "{message}");
}

#[test]
fn the_configuration_must_be_there_and_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let whole = serde_json::to_string(&ModelConfig::default()).unwrap();
    for (metadata, found) in [
        (None, "no \"dro_config\" in its metadata"),
        (metadata("{"), "is wrong"),
        (
            metadata(&whole.replace("\"hidden\":128", "\"hidden\":12")),
            "hidden: expected a multiple of 8, 16 to 1024, found 12",
        ),
        (metadata(&whole.replace("\"hidden\":128,", "")), "\"hidden\" is missing"),
        (metadata(&whole.replace("\"hidden\"", "\"hide\"")), "unknown field `hide`"),
    ] {
        let bytes = safetensors::serialize([("a", tensor(&[1.0]))], metadata).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let message = Weights::load(&path).unwrap_err().to_string();
        assert!(message.contains(found) && message.contains("w.safetensors"), "{message}");
    }
}

#[test]
fn broken_files_are_one_line_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    weights(&["a", "b"]).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut broken: Vec<Vec<u8>> = (0..whole.len()).map(|n| whole[..n].to_vec()).collect();
    broken.push([&whole[..], b"more"].concat());
    broken.push(b"PK\x03\x04 a zip file, not safetensors, with some length".to_vec());
    broken.push([&u64::MAX.to_le_bytes()[..], &whole[8..]].concat());
    for bytes in broken {
        std::fs::write(&path, &bytes).unwrap();
        let message = Weights::load(&path).unwrap_err().to_string();
        assert!(message.contains("w.safetensors: expected a safetensors file"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn every_difference_is_listed_and_long_lists_are_cut() {
    let mut found = weights(&["a", "b", "c", "bad"]);
    found.check(&shapes(&["a", "b", "c", "bad"])).unwrap();
    found.tensors.insert("b".into(), tensor(&[1.0]));
    found.tensors.insert("bad".into(), tensor(&[1.0, f32::NAN]));
    let message = found.check(&shapes(&["a", "b", "d", "bad"])).unwrap_err().to_string();
    let expected =
        "weights: 1 missing: d; 1 extra: c; 1 misshaped: b (expected [2], found [1]); 1 not finite: bad";
    assert_eq!(message, expected);

    let many: Vec<String> = (10..30).map(|i| format!("t{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let message = weights(&[]).check(&shapes(&many)).unwrap_err().to_string();
    assert_eq!(message, "weights: 20 missing: t10, t11, t12, t13, t14, t15, t16, t17 and 12 more");
}

#[test]
fn the_var_builder_gives_tensors_by_path() {
    let builder = weights(&["net.conv.bias"]).var_builder(&Device::Cpu);
    let bias = builder.pp("net").pp("conv").get(2, "bias").unwrap();
    assert_eq!(bias.to_vec1::<f32>().unwrap(), [1.0, -2.5]);
    assert!(builder.get(3, "net.conv.bias").is_err(), "shapes are checked");
}
