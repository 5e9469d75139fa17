//! Image files to pixels, within limits.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::{Error, Result};

/// How large an image may be. A file of a few bytes can claim a size that would fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Longest side, pixels.
    pub max_side: u32,
    /// Decoded size, bytes.
    pub max_bytes: u64,
}

impl Default for ImageLimits {
    /// 16384 pixels per side and 256 MB.
    fn default() -> Self {
        Self { max_side: 16_384, max_bytes: 256_000_000 }
    }
}

/// Decodes an image file to 8-bit RGB.
///
/// Grey is repeated three times, 16-bit and floating-point samples are scaled to 8 bits, palettes are looked up, and
/// an alpha channel is dropped. The EXIF orientation is ignored: intrinsics refer to the pixels as stored.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Input`] where it is empty, truncated, corrupt, of an unknown
/// format, or larger than `limits` (before memory is taken).
pub fn load_rgb(path: &Path, limits: &ImageLimits) -> Result<RgbImage> {
    Ok(load(path, limits)?.into_rgb8())
}

/// (height, width) from the header of an image file.
///
/// # Errors
/// As [`load_rgb`], without the limits.
pub fn image_size(path: &Path) -> Result<(usize, usize)> {
    let (width, height) = open(path)?.into_dimensions().map_err(|error| undecodable(path, &error))?;
    Ok((height as usize, width as usize))
}

/// The EXIF data of an image file, where it has any.
pub(super) fn exif(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut decoder = open(path)?.into_decoder().map_err(|error| undecodable(path, &error))?;
    Ok(decoder.exif_metadata().ok().flatten())
}

/// Decodes an image file and leaves its sample type as it is.
pub(super) fn load(path: &Path, limits: &ImageLimits) -> Result<DynamicImage> {
    let reader = open(path)?;
    if reader.format() == Some(ImageFormat::Jpeg) {
        check_jpeg_end(path)?;
    }
    let mut decoder = reader.into_decoder().map_err(|error| undecodable(path, &error))?;
    let (width, height) = decoder.dimensions();
    let bytes = decoder.total_bytes();
    if width.max(height) > limits.max_side || bytes > limits.max_bytes {
        return Err(Error::input(
            path,
            format!(
                "at most {} pixels per side and {} MB decoded",
                limits.max_side,
                limits.max_bytes / 1_000_000
            ),
            format!("{width}x{height} pixels, {} MB", bytes / 1_000_000),
        ));
    }
    if width == 0 || height == 0 {
        return Err(Error::input(path, "an image", format!("{width}x{height} pixels")));
    }
    let mut allowed = image::Limits::default();
    // Decoders count scratch memory too.
    allowed.max_alloc = Some(limits.max_bytes.saturating_mul(3));
    decoder.set_limits(allowed).map_err(|error| undecodable(path, &error))?;
    DynamicImage::from_decoder(decoder).map_err(|error| undecodable(path, &error))
}

/// The format is told from the content: wrong endings are common.
fn open(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let file = File::open(path).map_err(Error::io(path))?;
    if file.metadata().map_err(Error::io(path))?.len() == 0 {
        return Err(Error::input(path, "an image", "an empty file"));
    }
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(Error::io(path))?;
    if reader.format().is_none() {
        return Err(Error::input(
            path,
            "an image (png, jpg, bmp, tiff, webp, pnm)",
            "a file of another kind",
        ));
    }
    Ok(reader)
}

/// The JPEG decoder fills up what is missing from a truncated file with grey; the end marker tells.
fn check_jpeg_end(path: &Path) -> Result<()> {
    const TAIL: u64 = 64 * 1024;
    let mut file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(Error::io(path))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).map_err(Error::io(path))?;
    if tail.windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Ok(());
    }
    Err(Error::input(path, "a whole JPEG image", format!("a truncated one ({length} bytes, no end marker)")))
}

fn undecodable(path: &Path, error: &image::ImageError) -> Error {
    match error {
        image::ImageError::IoError(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::input(path, "a whole image", format!("a truncated one ({source})"))
        }
        _ => {
            let said = error.to_string();
            // The PNG decoder shows broken chunks as they are in the program, which tells users nothing.
            let found = if said.contains(" { ") { "damaged data".to_owned() } else { said };
            Error::input(path, "an image that can be decoded", found)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    fn saved(image: impl Into<DynamicImage>, name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        image.into().save(&path).unwrap();
        (folder, path)
    }

    fn first_pixel(image: impl Into<DynamicImage>) -> [u8; 3] {
        let (_folder, path) = saved(image, "a.png");
        load_rgb(&path, &ImageLimits::default()).unwrap().get_pixel(0, 0).0
    }

    #[test]
    fn every_sample_type_becomes_rgb8() {
        assert_eq!(first_pixel(GrayImage::from_pixel(3, 2, Luma([77]))), [77; 3]);
        let grey16: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(3, 2, Luma([200 * 257]));
        assert_eq!(first_pixel(grey16), [200; 3]);
        let rgb16: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(3, 2, Rgb([257, 2 * 257, 65535]));
        assert_eq!(first_pixel(rgb16), [1, 2, 255]);
        let rgba: ImageBuffer<Rgba<u8>, _> = ImageBuffer::from_pixel(3, 2, Rgba([1u8, 2, 3, 128]));
        assert_eq!(first_pixel(rgba), [1, 2, 3]);
        let grey_alpha: ImageBuffer<LumaA<u8>, _> = ImageBuffer::from_pixel(3, 2, LumaA([9u8, 128]));
        assert_eq!(first_pixel(grey_alpha), [9; 3]);
    }

    #[test]
    fn size_is_height_then_width_and_comes_from_the_content() {
        let (folder, path) = saved(GrayImage::new(5, 2), "a.png");
        assert_eq!(image_size(&path).unwrap(), (2, 5));
        let wrong = folder.path().join("b.jpg");
        std::fs::rename(&path, &wrong).unwrap();
        assert_eq!(load_rgb(&wrong, &ImageLimits::default()).unwrap().dimensions(), (5, 2));
    }

    #[test]
    fn limits_are_named_before_decoding() {
        let (_folder, path) = saved(GrayImage::new(50, 20), "a.png");
        for limits in [
            ImageLimits { max_side: 49, ..Default::default() },
            ImageLimits { max_bytes: 999, ..Default::default() },
        ] {
            let message = load_rgb(&path, &limits).unwrap_err().to_string();
            assert!(message.contains("a.png") && message.contains("50x20"), "{message}");
        }
    }

    /// A PNG whose header claims a giant image must not take the memory for it.
    #[test]
    fn a_lying_header_is_refused() {
        let (_folder, path) = saved(GrayImage::new(8, 8), "a.png");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[16..24].copy_from_slice(&[0x00, 0x0f, 0, 0, 0x00, 0x0f, 0, 0]);
        std::fs::write(&path, bytes).unwrap();
        assert!(load_rgb(&path, &ImageLimits::default()).is_err());
    }

    #[test]
    fn truncated_corrupt_and_empty_files_are_named() {
        let noise =
            RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x ^ y) as u8]));
        for name in ["a.png", "a.jpg", "a.bmp", "a.tiff", "a.webp", "a.ppm"] {
            let (_folder, path) = saved(noise.clone(), name);
            let whole = std::fs::read(&path).unwrap();
            load_rgb(&path, &ImageLimits::default()).unwrap();
            for keep in [0, 1, 7, whole.len() / 2, whole.len() - 20] {
                std::fs::write(&path, &whole[..keep]).unwrap();
                let error = load_rgb(&path, &ImageLimits::default());
                let message = error.map(|_| format!("{name} cut at {keep}")).unwrap_err().to_string();
                assert!(message.contains(name), "{message}");
            }
        }
        let (_folder, path) = saved(noise, "a.png");
        std::fs::write(&path, "no image at all, but some text").unwrap();
        let message = load_rgb(&path, &ImageLimits::default()).unwrap_err().to_string();
        assert!(message.contains("a.png: expected an image"), "{message}");
        assert!(load_rgb(Path::new("/nowhere/a.png"), &ImageLimits::default()).is_err());
    }

    /// 2x1 pixels, colours 1 and 0 of the palette (1, 2, 3), (200, 100, 50).
    #[test]
    fn palettes_are_looked_up() {
        let png: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x01\x08\x03\x00\x00\x00\
          \xc3\xfc\x8f\xb8\x00\x00\x00\x06PLTE\x01\x02\x03\xc8d2P\xb4\xae?\x00\x00\x00\x0bIDATx\x9cc`d\x00\
          \x00\x00\x05\x00\x02\xd1f3x\x00\x00\x00\x00IEND\xaeB`\x82";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, png).unwrap();
        let rgb = load_rgb(&path, &ImageLimits::default()).unwrap();
        assert_eq!(rgb.as_raw(), &[200, 100, 50, 1, 2, 3]);
    }
}
