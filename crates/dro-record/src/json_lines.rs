//! Logs of one JSON value a line.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// A growing file of JSON lines. Every line is handed to the system as it is written, so a program that is killed loses
/// at most the line it was writing; [`append`](Self::append) cuts such a torn line off.
#[derive(Debug)]
pub struct JsonLines<T> {
    path: PathBuf,
    file: File,
    kind: PhantomData<fn(&T)>,
}

impl<T: Serialize> JsonLines<T> {
    /// A new file; one that is there is replaced.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::create(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file, kind: PhantomData })
    }

    /// Goes on after the last whole line; makes the file if there is none.
    pub fn append(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = open_at_last_line(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file, kind: PhantomData })
    }

    /// Writes one line.
    pub fn write(&mut self, value: &T) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(io::Error::from).map_err(Error::io(&self.path))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(Error::io(&self.path))
    }

    /// Waits until what was written is on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }
}

fn open_at_last_line(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let (mut whole, mut line) = (0, Vec::new());
    let mut reader = BufReader::new(&file);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        whole += read as u64;
    }
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok(file)
}

/// All values of a file; a torn last line is left out.
///
/// # Errors
/// [`Error::Line`] with the number of the line that is not a `T`.
pub fn read_json_lines<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<Vec<T>> {
    let path = path.as_ref();
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let lines = text[..whole].split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|source| Error::Line {
                path: path.into(),
                line: number + 1,
                source,
            })
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_and_the_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = JsonLines::create(&path).unwrap();
        log.write(&1).unwrap();
        log.write(&2).unwrap();
        drop(log);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"34").unwrap();
        assert_eq!(read_json_lines::<i32>(&path).unwrap(), [1, 2]);
        JsonLines::append(&path).unwrap().write(&5).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n5\n");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, "1\n{\n3\n").unwrap();
        let error = read_json_lines::<i32>(&path).unwrap_err().to_string();
        assert!(error.contains("log.jsonl, line 2"), "{error}");
    }
}
