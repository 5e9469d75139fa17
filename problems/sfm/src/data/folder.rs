//! A folder of images, and what the other layouts need to look into folders.

use std::path::{Path, PathBuf};

use super::sequence::Frame;
use crate::{Error, Result};

/// Endings of the image formats that are decoded.
const IMAGE_ENDINGS: [&str; 10] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pnm"];

/// The files and folders inside a folder, in natural order, hidden ones left out.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
}

/// Lists a folder.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if file_name(&path).starts_with('.') {
            continue;
        }
        // Follows links, which data folders often are.
        if path.is_dir() {
            listing.folders.push(path);
        } else {
            listing.files.push(path);
        }
    }
    alphanumeric_sort::sort_path_slice(&mut listing.files);
    alphanumeric_sort::sort_path_slice(&mut listing.folders);
    Ok(listing)
}

/// The last part of a path, for names and messages.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The last part of a path without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether a file is named like an image that can be decoded.
pub(super) fn is_image_name(path: &Path) -> bool {
    ends_with_one_of(path, &IMAGE_ENDINGS)
}

/// Whether the file's ending is one of `endings`, in any case.
pub(super) fn ends_with_one_of(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|found| endings.iter().any(|e| found.eq_ignore_ascii_case(e)))
}

/// The images of a folder in natural order, or the one image.
pub(super) fn open(input: &Path) -> Result<Vec<Frame>> {
    if input.is_file() {
        return Ok(vec![Frame::of_image(input.to_path_buf())]);
    }
    let Listing { files, folders } = list(input)?;
    let images: Vec<_> = files.iter().filter(|path| is_image_name(path)).collect();
    if images.is_empty() {
        return Err(Error::input(
            input,
            "image files (png, jpg, bmp, tiff, webp, pnm)",
            match (files.len(), folders.as_slice()) {
                (0, []) => "an empty folder".to_owned(),
                (n, []) => format!("{n} other files"),
                (n, folders) => {
                    let names: Vec<_> = folders.iter().take(5).map(|f| file_name(f)).collect();
                    let more = if folders.len() > names.len() { ", …" } else { "" };
                    format!("{n} other files and {} folders ({}{more})", folders.len(), names.join(", "))
                }
            },
        ));
    }
    Ok(images.into_iter().map(|path| Frame::of_image(path.clone())).collect())
}
