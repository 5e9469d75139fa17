#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};

use proptest::prelude::*;
use serde::Deserialize;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::super::import::state_dict;
use super::super::test_checkpoint::{TestTensor, pickled, zipped};
use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/checkpoints");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

/// A tensor of a checkpoint as PyTorch has it.
#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    dtype: String,
    values: Vec<f64>,
}

/// Every tensor with its name, or what is wrong with it, as text.
fn read_all(path: &Path) -> Result<Vec<(String, String)>> {
    let mut checkpoint = Checkpoint::open(path)?;
    let views = state_dict(path, checkpoint.root())?;
    let describe = |(name, view): (String, std::result::Result<TensorView, String>)| {
        let text = match view {
            Ok(view) => {
                checkpoint.tensor(&name, &view).map_or_else(|e| e.to_string(), |t| format!("{:?}", t.dims()))
            }
            Err(fault) => fault,
        };
        (name, text)
    };
    Ok(views.into_iter().map(describe).collect())
}

fn error(path: &Path) -> String {
    let message = match Checkpoint::open(path).map(|_| ()).and_then(|()| read_all(path)) {
        Ok(all) => all.into_iter().map(|(_, text)| text).find(|text| text.contains("expected")).unwrap(),
        Err(e) => e.to_string(),
    };
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn both_layouts_give_the_tensors_that_pytorch_saved() {
    let json = std::fs::read_to_string(fixture("tiny.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&json).unwrap();
    for file in ["tiny_zip.ckpt", "tiny_legacy.ckpt"] {
        let mut checkpoint = Checkpoint::open(&fixture(file)).unwrap();
        let views = state_dict(&fixture(file), checkpoint.root()).unwrap();
        assert_eq!(views.len(), expected.len());
        for (full, expected) in &expected {
            let name = full.strip_prefix("model.depth_net.").unwrap_or(full);
            let (_, view) = views.iter().find(|(other, _)| other == name).unwrap();
            let view = view.as_ref().unwrap();
            assert_eq!(view.shape, expected.shape, "{file} {name}");
            assert_eq!(view.storage.element.name, expected.dtype, "{file} {name}");
            if !view.storage.element.is_float() {
                assert!(checkpoint.tensor(name, view).is_err(), "{file} {name}");
                continue;
            }
            let tensor = checkpoint.tensor(name, view).unwrap();
            assert_eq!(tensor.dims(), expected.shape);
            let values: Vec<f32> = expected.values.iter().map(|&x| x as f32).collect();
            assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values, "{file} {name}");
        }
    }
}

#[test]
fn the_rest_of_a_checkpoint_is_readable_too() {
    for file in ["tiny_zip.ckpt", "tiny_legacy.ckpt"] {
        let checkpoint = Checkpoint::open(&fixture(file)).unwrap();
        let root = checkpoint.root();
        let version = root.at(&["config", "model", "depth_net", "version"]).and_then(Value::as_str);
        assert_eq!(version, Some("it8-seq4-inter-out"), "{file}");
        assert_eq!(root.at(&["scheduler", "step_size"]).and_then(Value::as_int), Some(30), "{file}");
        assert_eq!(root.get("long").and_then(Value::as_int), Some(1 << 80), "{file}");
        let groups = root.at(&["optimizer", "param_groups"]).unwrap().items().unwrap();
        assert_eq!(groups[0].get("name").and_then(Value::as_str), Some("Depth"), "{file}");
    }
}

/// The archive with one entry replaced, or added, or (`None`) left out.
fn with_entry(file: &str, name: &str, content: Option<&[u8]>) -> tempfile::NamedTempFile {
    let mut old = ZipArchive::new(File::open(fixture(file)).unwrap()).unwrap();
    let mut new = tempfile::NamedTempFile::new().unwrap();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(new.as_file_mut());
    let names: Vec<String> = old.file_names().map(|name| name.unwrap().into_owned()).collect();
    for other in names.iter().filter(|other| *other != name) {
        let mut bytes = Vec::new();
        old.by_name(other).unwrap().read_to_end(&mut bytes).unwrap();
        writer.start_file(other.as_str(), stored).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    if let Some(content) = content {
        writer.start_file(name, stored).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
    new
}

#[test]
fn big_endian_files_are_turned_round() {
    let file = with_entry("bare_zip.pth", "bare_zip/byteorder", Some(b"big"));
    let values = |path: &Path| -> Vec<u32> {
        let mut checkpoint = Checkpoint::open(path).unwrap();
        let (name, view) = state_dict(path, checkpoint.root()).unwrap().remove(0);
        let tensor = checkpoint.tensor(&name, &view.unwrap()).unwrap();
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    let little = values(&fixture("bare_zip.pth"));
    assert_eq!(values(file.path()), little.iter().map(|bits| bits.swap_bytes()).collect::<Vec<_>>());
}

#[test]
fn broken_archives_say_what_is_wrong() {
    let missing = with_entry("bare_zip.pth", "bare_zip/data/0", None);
    assert!(error(missing.path()).contains("bare_zip/data/0"));
    let short = with_entry("bare_zip.pth", "bare_zip/data/0", Some(&[0; 23]));
    assert!(error(short.path()).contains("storage \"0\" of 23 bytes instead of 24"));
    let empty = with_entry("bare_zip.pth", "bare_zip/data.pkl", None);
    assert!(error(empty.path()).contains("an archive without data.pkl"));
    let nonsense = with_entry("bare_zip.pth", "bare_zip/data.pkl", Some(b"K"));
    assert!(error(nonsense.path()).contains("in data.pkl, the file ends at byte 1"));

    // A changed value is noticed by its checksum.
    let mut bytes = std::fs::read(fixture("bare_zip.pth")).unwrap();
    let mut archive = ZipArchive::new(File::open(fixture("bare_zip.pth")).unwrap()).unwrap();
    let at = archive.by_name("bare_zip/data/0").unwrap().data_start().unwrap() as usize;
    bytes[at] ^= 1;
    let file = written(&bytes);
    assert!(error(file.path()).contains("checksum"), "{}", error(file.path()));
}

#[test]
fn files_of_another_kind_are_named() {
    for (bytes, found) in [
        (&b""[..], "starts like neither"),
        (b"\x80\x02}.", "starts like neither"),
        (b"\x80\x02\x8a\x0a\x01\0\0\0\0\0\0\0\0\0.", "found a pickle of 1"),
        (b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}.", "found a pickle of a dict"),
        (b"PK\x03\x04", "a broken archive"),
        (b"hello, this is text", "starts like neither"),
    ] {
        let file = written(bytes);
        let message = error(file.path());
        assert!(message.contains(found), "{message}");
        assert!(message.starts_with(&file.path().display().to_string()), "{message}");
    }
    assert!(error(Path::new("/nowhere/x.ckpt")).starts_with("/nowhere/x.ckpt: "));
}

#[test]
fn views_outside_their_storage_are_refused() {
    let view = |offset: usize, shape: &[usize], strides: &[usize], storage: usize| {
        let tensor =
            TestTensor { name: "t".into(), storage, offset, shape: shape.into(), strides: strides.into() };
        let file = zipped(&pickled(&[tensor], None), 4);
        let checkpoint = Checkpoint::open(file.path()).unwrap();
        let view = TensorView::of(checkpoint.root().at(&["state_dict", "t"]).unwrap());
        view.map(|view| checkpoint_values(file.path(), &view))
    };
    // The storage holds 0, 1, 2, 3.
    assert_eq!(view(0, &[2, 2], &[2, 1], 4).unwrap().unwrap(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(view(0, &[2, 2], &[1, 2], 4).unwrap().unwrap(), [0.0, 2.0, 1.0, 3.0]);
    assert_eq!(view(1, &[2], &[2], 4).unwrap().unwrap(), [1.0, 3.0]);
    assert_eq!(view(3, &[], &[], 4).unwrap().unwrap(), [3.0]);
    assert_eq!(view(4, &[0, 7], &[7, 1], 4).unwrap().unwrap(), [0.0; 0]);
    for (offset, shape, strides) in [
        (1, &[4][..], &[1][..]),
        (0, &[2, 3], &[2, 1]),
        (4, &[], &[]),
        (5, &[0], &[1]),
        // More elements than the storage has, at strides of 0, would take any memory.
        (0, &[1 << 40], &[0]),
        (0, &[1 << 40, 1 << 40], &[0, 0]),
        (usize::MAX, &[2], &[1]),
        (0, &[2], &[usize::MAX]),
        (0, &[0, usize::MAX, usize::MAX], &[1, 1, 1]),
    ] {
        let message = view(offset, shape, strides, 4).unwrap_err();
        assert!(message.contains("outside a storage of 4"), "{message}");
    }
    assert!(view(0, &[2, 2], &[1], 4).unwrap_err().contains("2 sizes with 1 strides"));
    // A storage that says it is larger than it is.
    assert!(view(0, &[1 << 40], &[1], 1 << 40).unwrap().unwrap_err().contains("16 bytes instead of"));
    assert!(view(0, &[1], &[1], usize::MAX).unwrap_err().contains("a storage of"));
}

fn checkpoint_values(path: &Path, view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    let tensor = Checkpoint::open(path).unwrap().tensor("t", view).map_err(|e| e.to_string())?;
    Ok(tensor.flatten_all().unwrap().to_vec1().unwrap())
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn no_truncation_passes_for_the_whole() {
    for name in ["tiny_legacy.ckpt", "tiny_zip.ckpt"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for end in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
            let file = written(&bytes[..end]);
            assert!(Checkpoint::open(file.path()).is_err(), "{name}, {end} bytes");
        }
    }
}

proptest! {
    #[test]
    fn changed_files_never_panic(
        legacy in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let name = if legacy { "tiny_legacy.ckpt" } else { "tiny_zip.ckpt" };
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let file = written(&bytes);
        let _ = read_all(file.path());
        let _ = super::super::summary(file.path()).map(|summary| summary.to_string());
    }
}
