//! Either the whole file or none of it, with this crate's errors.

use std::{fs::File, io, path::Path};

use crate::{Error, Result};

/// [`dro_record::write_atomically`], with this crate's [`Error::Io`].
///
/// # Errors
/// [`Error::Io`] with the *final* path: the folder cannot be made or written, or the disk is full.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    // The bare file: its errors do not name the temporary path.
    write_named(path, |file| write(file.as_file_mut()))
}

/// The same for writers that open a path by themselves.
pub(super) fn write_named(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut tempfile::NamedTempFile) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    dro_record::complete(path, write).map_err(Error::io(path))
}

/// What the system said, if that is what stopped a picture from being written.
pub(super) fn from_image(error: image::ImageError) -> io::Error {
    match error {
        image::ImageError::IoError(source) => source,
        other => io::Error::other(other),
    }
}
