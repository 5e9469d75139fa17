//! A training on disk, such that it can go on after a crash at any moment.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use dro_record::write_atomically;
use serde::{Deserialize, Serialize};

use crate::{Best, Descent, Error, Result, Settings, Tasks};

/// Everything that a training goes on from.
///
/// On disk: the line `dro checkpoint 1`, the CRC-32 and the length of what follows (little-endian, 4 and 8 bytes), and
/// this in CBOR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The caller's note, such as the text of a configuration.
    pub about: String,
    /// The settings; the learning rate and the curriculum follow from them and the step.
    pub settings: Settings,
    /// Training steps done. All noise follows from it and the seed, so that it is the counter of the random numbers.
    pub step: u64,
    /// The weights.
    pub theta: Vec<f32>,
    /// The moving average of the weights, if one is kept.
    #[serde(default)]
    pub averaged: Option<Vec<f32>>,
    /// The optimizer's moments.
    pub descent: Descent,
    /// How far the list of tasks is used.
    pub tasks: Tasks,
    /// The best weights so far.
    pub best: Option<Best>,
    /// The estimator's roll-outs under way.
    pub estimator: Vec<u8>,
}

const MAGIC: &[u8] = b"dro checkpoint 1\n";
const HEADER: usize = MAGIC.len() + 4 + 8;

/// The newest checkpoint's file name.
pub const NEWEST: &str = "checkpoint.dro";

/// The file name of the one before it.
pub const PREVIOUS: &str = "checkpoint.previous.dro";

impl Checkpoint {
    /// Writes the checkpoint to `folder`; the one that was the newest is kept as the previous one, unless it is damaged.
    /// At every moment at least one good checkpoint is in the folder, once there was one.
    ///
    /// # Errors
    /// If the folder cannot be written or the disk is full; then what was there is still there.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut body = Vec::new();
        ciborium::into_writer(self, &mut body).map_err(Error::outside)?;
        let (newest, previous) = (folder.join(NEWEST), folder.join(PREVIOUS));
        // The newest is copied rather than renamed: with a full disk, or a kill between the two, it is still there.
        if let Ok(bytes) = fs::read(&newest)
            && checked(&bytes).is_ok()
        {
            write_atomically(&previous, |file| file.write_all(&bytes))?;
        }
        write_atomically(&newest, |file| {
            file.write_all(MAGIC)?;
            file.write_all(&crc32fast::hash(&body).to_le_bytes())?;
            file.write_all(&(body.len() as u64).to_le_bytes())?;
            file.write_all(&body)
        })?;
        Ok(())
    }

    /// Reads one file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is not a checkpoint, cut short or changed.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let refused = |reason: String| Error::Checkpoint { path: path.into(), reason };
        let body = checked(&bytes).map_err(refused)?;
        ciborium::from_reader(body).map_err(|error| refused(format!("expected a checkpoint, found {error}")))
    }

    /// The newest good checkpoint of a folder, and what is wrong with the newest file where that is not the one.
    ///
    /// # Errors
    /// If there is no good one; the error is about the newest file.
    pub fn load(folder: &Path) -> Result<(Self, Option<Error>)> {
        let first = match Self::read(&folder.join(NEWEST)) {
            Ok(newest) => return Ok((newest, None)),
            Err(error) => error,
        };
        match Self::read(&folder.join(PREVIOUS)) {
            Ok(previous) => Ok((previous, Some(first))),
            Err(_) => Err(first),
        }
    }

    /// Whether a folder has a checkpoint, good or damaged.
    pub fn exists(folder: &Path) -> bool {
        [NEWEST, PREVIOUS].iter().any(|name| folder.join(name).exists())
    }
}

/// The body, if the header and the checksum are right; else what was expected and found.
fn checked(bytes: &[u8]) -> std::result::Result<&[u8], String> {
    if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
        return Err("expected a checkpoint of dro train, found something else".into());
    }
    let (header, body) = bytes.split_at(HEADER);
    let (sum, length) = header[MAGIC.len()..].split_at(4);
    let length = length.iter().rev().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
    if body.len() as u64 != length {
        return Err(format!("expected {length} bytes after the header, found {}", body.len()));
    }
    let sum = sum.iter().rev().fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
    let found = crc32fast::hash(body);
    if sum != found {
        return Err(format!("expected the checksum {sum:08x}, found {found:08x}"));
    }
    Ok(body)
}

/// Removes the checkpoints of a folder, for a fresh start.
pub fn remove_checkpoints(folder: &Path) -> Result<()> {
    for name in [NEWEST, PREVIOUS] {
        let path: PathBuf = folder.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
