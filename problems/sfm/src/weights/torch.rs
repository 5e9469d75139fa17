//! PyTorch's checkpoint files, in both layouts, read without executing anything.
//!
//! - zip (PyTorch 1.6 and later): an archive of `NAME/data.pkl`, the object with its tensors' storages left out, and of
//!   `NAME/data/KEY`, the bytes of each storage, uncompressed.
//! - legacy: the pickles of a magic number, of a version, of the machine's properties, of the object, and of the list of
//!   storage keys; then, for each key, the number of elements (8 bytes) and the elements.
//!
//! PyTorch's `torch/serialization.py` is the reference for both.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use zip::{CompressionMethod, ZipArchive};

use super::file::one_line;
use super::pickle;
use super::pickle_value::{Pickle, Value};
use super::torch_tensor::{Storage, TensorView};
use crate::{Error, Result};

const LEGACY_MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const LEGACY_VERSION: i128 = 1001;

/// An open checkpoint: the object is in memory, storages are read when asked for.
pub(super) struct Checkpoint {
    path: PathBuf,
    pickle: Pickle,
    storages: Storages,
    big_endian: bool,
    /// The storage read last: tensors that share one come one after another.
    last: Option<(String, Vec<u8>)>,
}

enum Storages {
    Zip {
        archive: ZipArchive<BufReader<File>>,
        /// What stands before `data.pkl` in the names.
        prefix: String,
    },
    Legacy {
        file: BufReader<File>,
        /// Where each storage's elements start, and how many there are.
        spans: BTreeMap<String, (u64, u64)>,
    },
}

/// How a file starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Zip,
    Legacy,
}

impl Layout {
    /// `None` if the file starts like neither.
    pub(super) fn of(path: &Path) -> Result<Option<Self>> {
        let mut start = Vec::new();
        let file = File::open(path).map_err(Error::io(path))?;
        file.take(4).read_to_end(&mut start).map_err(Error::io(path))?;
        Ok(Self::starting(&start))
    }

    /// By the first bytes.
    pub(super) fn starting(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            // A protocol, then the magic number: an integer of 10 bytes, in a frame or not. A safetensors file that starts
            // with these would have a header larger than they may have.
            [0x80, 2..=5, 0x8a, 0x0a, ..] | [0x80, 4..=5, 0x95, 10..=15, ..] => Some(Self::Legacy),
            _ => None,
        }
    }
}

impl Checkpoint {
    /// Reads everything but the storages.
    pub(super) fn open(path: &Path) -> Result<Self> {
        match Layout::of(path)? {
            Some(Layout::Zip) => Self::open_zip(path),
            Some(Layout::Legacy) => Self::open_legacy(path),
            None => Err(wrong(path, "a file that starts like neither of PyTorch's formats")),
        }
    }

    fn open_zip(path: &Path) -> Result<Self> {
        let file = BufReader::new(File::open(path).map_err(Error::io(path))?);
        let mut archive =
            ZipArchive::new(file).map_err(|e| wrong(path, format!("a broken archive ({})", one_line(&e))))?;
        let prefix = archive
            .file_names()
            .filter_map(|name| name.ok()?.strip_suffix("data.pkl").map(str::to_string))
            .find(|prefix| prefix.is_empty() || prefix.ends_with('/'))
            .ok_or_else(|| wrong(path, "an archive without data.pkl"))?;
        let order = format!("{prefix}byteorder");
        let big_endian = archive.index_for_name(&order).is_some()
            && read_entry(path, &mut archive, &order)?.trim_ascii() == b"big";
        let bytes = read_entry(path, &mut archive, &format!("{prefix}data.pkl"))?;
        let pickle = unpickle(path, bytes.as_slice(), "data.pkl")?;
        Ok(Self {
            path: path.into(),
            pickle,
            storages: Storages::Zip { archive, prefix },
            big_endian,
            last: None,
        })
    }

    fn open_legacy(path: &Path) -> Result<Self> {
        let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
        let magic = unpickle(path, &mut file, "the magic number")?;
        if magic.root().as_int() != Some(LEGACY_MAGIC) {
            return Err(wrong(path, format!("a pickle of {}", magic.root().kind())));
        }
        let version = unpickle(path, &mut file, "the version")?;
        if version.root().as_int() != Some(LEGACY_VERSION) {
            return Err(wrong(
                path,
                format!("version {} instead of {LEGACY_VERSION}", version.root().kind()),
            ));
        }
        let machine = unpickle(path, &mut file, "the machine's properties")?;
        let big_endian = machine.root().get("little_endian").and_then(Value::as_bool) == Some(false);
        let pickle = unpickle(path, &mut file, "the object")?;
        let keys = unpickle(path, &mut file, "the storage keys")?;
        let spans = legacy_spans(path, &mut file, &pickle, keys.root(), big_endian)?;
        Ok(Self {
            path: path.into(),
            pickle,
            storages: Storages::Legacy { file, spans },
            big_endian,
            last: None,
        })
    }

    /// The object that was saved.
    pub(super) fn root(&self) -> Value<'_> {
        self.pickle.root()
    }

    /// A floating-point tensor, as f32. `name` is for messages.
    pub(super) fn tensor(&mut self, name: &str, view: &TensorView) -> Result<Tensor> {
        let storage = &view.storage;
        if self.last.as_ref().is_none_or(|(key, _)| *key != storage.key) {
            let bytes = self.read_storage(storage)?;
            self.last = Some((storage.key.clone(), bytes));
        }
        let bytes = self.last.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        let values = view.read(bytes).ok_or_else(|| {
            wrong(
                &self.path,
                format!("tensor {name:?} with {} bytes of {}", bytes.len(), storage.element.name),
            )
        })?;
        Ok(Tensor::from_vec(values, view.shape.as_slice(), &Device::Cpu)?)
    }

    /// Little-endian, whatever the file is.
    fn read_storage(&mut self, storage: &Storage) -> Result<Vec<u8>> {
        let path = &self.path;
        let size = (storage.len * storage.element.bytes) as u64;
        let mut bytes = match &mut self.storages {
            Storages::Zip { archive, prefix } => {
                read_entry(path, archive, &format!("{prefix}data/{}", storage.key))?
            }
            Storages::Legacy { file, spans } => {
                let &(at, count) = spans
                    .get(&storage.key)
                    .ok_or_else(|| wrong(path, format!("no storage {:?}", storage.key)))?;
                if count != storage.len as u64 {
                    let found =
                        format!("storage {:?} of {count} elements instead of {}", storage.key, storage.len);
                    return Err(wrong(path, found));
                }
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(at)).map_err(Error::io(path))?;
                file.take(size).read_to_end(&mut bytes).map_err(Error::io(path))?;
                bytes
            }
        };
        if bytes.len() as u64 != size {
            let found = format!("storage {:?} of {} bytes instead of {size}", storage.key, bytes.len());
            return Err(wrong(path, found));
        }
        if self.big_endian {
            bytes.chunks_exact_mut(storage.element.bytes).for_each(<[u8]>::reverse);
        }
        Ok(bytes)
    }
}

fn wrong(path: &Path, found: impl Into<String>) -> Error {
    Error::input(path, "a PyTorch checkpoint", found)
}

fn unpickle(path: &Path, reader: impl std::io::BufRead, part: &str) -> Result<Pickle> {
    pickle::read(reader).map_err(|e| wrong(path, format!("a broken file: in {part}, {e}")))
}

/// An entry of the archive, checked against its CRC.
fn read_entry(path: &Path, archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<Vec<u8>> {
    let broken =
        |e: &dyn std::fmt::Display| wrong(path, format!("a broken archive ({name}: {})", one_line(&e)));
    let mut entry = archive.by_name(name).map_err(|e| broken(&e))?;
    // PyTorch never compresses; without compression an entry cannot unfold to more than the file holds.
    if entry.compression() != CompressionMethod::Stored {
        return Err(wrong(path, format!("a compressed entry {name}")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|e| broken(&e))?;
    Ok(bytes)
}

/// Walks over the storages that follow the list of their keys.
fn legacy_spans(
    path: &Path,
    file: &mut BufReader<File>,
    pickle: &Pickle,
    keys: Value<'_>,
    big_endian: bool,
) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut sizes = BTreeMap::new();
    for id in pickle.persistent_ids() {
        // What is not a storage is only wrong where a tensor refers to it.
        if let Ok(storage) = Storage::of(id) {
            sizes.insert(storage.key, storage.element.bytes as u64);
        }
    }
    let end = file.get_ref().metadata().map_err(Error::io(path))?.len();
    let mut at = file.stream_position().map_err(Error::io(path))?;
    let mut spans = BTreeMap::new();
    let keys = keys.items().ok_or_else(|| wrong(path, format!("{} as the storage keys", keys.kind())))?;
    for key in keys {
        let key = key.as_str().ok_or_else(|| wrong(path, format!("{} as a storage key", key.kind())))?;
        let size = sizes
            .get(key)
            .ok_or_else(|| wrong(path, format!("storage {key:?} of a type that is not known")))?;
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut count))
            .map_err(|_| wrong(path, format!("a file that ends before storage {key:?}")))?;
        let count = if big_endian { u64::from_be_bytes(count) } else { u64::from_le_bytes(count) };
        let start = at + 8;
        at = count
            .checked_mul(*size)
            .and_then(|bytes| start.checked_add(bytes))
            .filter(|&after| after <= end)
            .ok_or_else(|| wrong(path, format!("a file that ends inside storage {key:?}")))?;
        spans.insert(key.to_string(), (start, count));
    }
    Ok(spans)
}

#[cfg(test)]
#[path = "torch_tests.rs"]
mod tests;
