//! Checkpoints written by hand, for tests: what PyTorch would not write, and what is too large to keep as a file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A view of the float storage "0".
pub(super) struct TestTensor {
    pub(super) name: String,
    /// How long the file says the storage is.
    pub(super) storage: usize,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// `version, min_depth, max_depth, (height, width)` as the published configuration has them.
pub(super) type TestConfig<'a> = (&'a str, f64, f64, (usize, usize));

/// The pickle of a checkpoint with these tensors in its `state_dict`.
pub(super) fn pickled(tensors: &[TestTensor], config: Option<TestConfig<'_>>) -> Vec<u8> {
    let state: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), tensor(t))).collect();
    let mut all = vec![("state_dict", dict(&state)), ("epoch", int(49))];
    if let Some((version, min, max, (height, width))) = config {
        let params = dict(&[("min_depth", float(min)), ("max_depth", float(max))]);
        let model = dict(&[("params", params), ("depth_net", dict(&[("version", text(version))]))]);
        let shape = tuple(&[int(height), int(width)]);
        let datasets = dict(&[("augmentation", dict(&[("image_shape", shape)]))]);
        all.push(("config", dict(&[("model", model), ("datasets", datasets)])));
    }
    [dict(&all), vec![b'.']].concat()
}

/// An archive of this pickle and of a storage "0" that holds 0, 1, 2, … in f32.
pub(super) fn zipped(pickle: &[u8], elements: usize) -> tempfile::NamedTempFile {
    let storage: Vec<u8> = (0..elements).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(file.as_file_mut());
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", &storage)] {
        writer.start_file(name, stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    file
}

fn tensor(tensor: &TestTensor) -> Vec<u8> {
    let numbers = |list: &[usize]| tuple(&list.iter().map(|&n| int(n)).collect::<Vec<_>>());
    let class = b"ctorch\nFloatStorage\n".to_vec();
    let id = tuple(&[text("storage"), class, text("0"), text("cpu"), int(tensor.storage)]);
    let storage = [id, b"Q".to_vec()].concat();
    let args = tuple(&[storage, int(tensor.offset), numbers(&tensor.shape), numbers(&tensor.strides)]);
    [b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), args, b"R".to_vec()].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let content: Vec<u8> =
        entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"(".to_vec(), content, b"d".to_vec()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn int(number: usize) -> Vec<u8> {
    format!("I{number}\n").into_bytes()
}

fn float(number: f64) -> Vec<u8> {
    [&b"G"[..], &number.to_be_bytes()].concat()
}
