//! The camera by what it wrote into its images.

use std::path::Path;

use dro_vision::Pinhole;
use exif::{Exif, In, Tag};

use super::{camera::CameraModel, decode};
use crate::Result;

/// The diagonal of a frame of 35 mm film, mm.
const FILM_DIAGONAL_MM: f64 = 43.266_615;

impl CameraModel {
    /// A camera without distortion, its principal point in the middle, with the focal length of an image's EXIF data, as cameras and
    /// phones write it; `None` where it is not there.
    ///
    /// `FocalLengthIn35mmFilm` is rounded to millimetres and about the diagonal of the picture: of an image that was cropped it says
    /// something wrong. Without it, `FocalLength` with `FocalPlaneXResolution` counts, for images of the size the camera took.
    ///
    /// # Errors
    /// As [`image_size`](super::image_size). EXIF data that cannot be read are none.
    pub fn from_exif(image: &Path) -> Result<Option<Self>> {
        let bytes = decode::exif(image)?;
        let Some(exif) = bytes.and_then(|bytes| exif::Reader::new().read_raw(bytes).ok()) else {
            return Ok(None);
        };
        let (height, width) = decode::image_size(image)?;
        let diagonal_px = (height as f64).hypot(width as f64);
        let film_mm = number(&exif, Tag::FocalLengthIn35mmFilm);
        let by_film = film_mm.map(|mm| mm / FILM_DIAGONAL_MM * diagonal_px);
        let Some(focal) = by_film.or_else(|| by_sensor_px(&exif, width)) else { return Ok(None) };
        let (cx, cy) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        let pinhole = Pinhole::new(focal, focal, cx, cy).ok();
        Ok(pinhole.map(|pinhole| Self::undistorted(pinhole, (height, width))))
    }
}

/// By the size of the sensor's pixels, where the image has as many as the camera took.
fn by_sensor_px(exif: &Exif, width: usize) -> Option<f64> {
    let unit_mm = match number(exif, Tag::FocalPlaneResolutionUnit).unwrap_or(2.0) {
        2.0 => 25.4,
        3.0 => 10.0,
        _ => return None,
    };
    let per_mm = number(exif, Tag::FocalPlaneXResolution)? / unit_mm;
    let resized = number(exif, Tag::PixelXDimension).is_some_and(|taken| taken != width as f64);
    number(exif, Tag::FocalLength).filter(|_| !resized).map(|mm| mm * per_mm)
}

/// A positive number; 0 stands for unknown.
fn number(exif: &Exif, tag: Tag) -> Option<f64> {
    let value = &exif.get_field(tag, In::PRIMARY)?.value;
    let found = match value {
        exif::Value::Rational(ratios) => ratios.first()?.to_f64(),
        _ => f64::from(value.get_uint(0)?),
    };
    (found.is_finite() && found > 0.0).then_some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{io::Cursor, path::PathBuf};

    use exif::{Field, Rational, Value, experimental::Writer};
    use image::{ImageEncoder, RgbImage, codecs};
    use tempfile::TempDir;

    use super::*;

    fn raw(fields: &[(Tag, Value)]) -> Vec<u8> {
        let fields: Vec<Field> = fields
            .iter()
            .map(|(tag, value)| Field { tag: *tag, ifd_num: In::PRIMARY, value: value.clone() })
            .collect();
        let (mut writer, mut bytes) = (Writer::new(), Cursor::new(Vec::new()));
        fields.iter().for_each(|field| writer.push_field(field));
        writer.write(&mut bytes, false).unwrap();
        bytes.into_inner()
    }

    /// 120x90 pixels.
    fn jpeg(folder: &TempDir, exif: Vec<u8>) -> PathBuf {
        let (path, image) =
            (folder.path().join("a.jpg"), RgbImage::from_pixel(120, 90, image::Rgb([9, 99, 199])));
        let mut bytes = Vec::new();
        let mut encoder = codecs::jpeg::JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&image, 120, 90, image::ExtendedColorType::Rgb8).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn ratio(num: u32, denom: u32) -> Value {
        Value::Rational(vec![Rational { num, denom }])
    }

    fn focal(fields: &[(Tag, Value)]) -> Option<f64> {
        let folder = tempfile::tempdir().unwrap();
        let camera = CameraModel::from_exif(&jpeg(&folder, raw(fields))).unwrap()?;
        let Pinhole { fx, fy, cx, cy, .. } = camera.pinhole;
        assert_eq!((fx, cx, cy, camera.size), (fy, 59.5, 44.5, (90, 120)));
        assert!(!camera.is_distorted());
        Some(fx)
    }

    /// As of a lens of 26 mm on film, whose diagonal is seen by the image's diagonal of 150 pixels.
    #[test]
    fn focal_lengths_are_of_the_diagonal() {
        let found =
            focal(&[(Tag::FocalLengthIn35mmFilm, Value::Short(vec![26])), (Tag::FocalLength, ratio(5, 1))]);
        assert!((found.unwrap() - 26.0 * 150.0 / 43.2666).abs() < 1e-3, "{found:?}");
    }

    /// 2 pixels per mm, or 50.8 per inch.
    #[test]
    fn pixels_of_the_sensor_count_where_all_are_there() {
        let of = |unit: u16, resolution: Value, taken: u32| {
            focal(&[
                (Tag::FocalLength, ratio(500, 10)),
                (Tag::FocalPlaneXResolution, resolution),
                (Tag::FocalPlaneResolutionUnit, Value::Short(vec![unit])),
                (Tag::PixelXDimension, Value::Long(vec![taken])),
                (Tag::FocalLengthIn35mmFilm, Value::Short(vec![0])),
            ])
        };
        assert!((of(3, ratio(20, 1), 120).unwrap() - 100.0).abs() < 1e-9);
        assert!((of(2, ratio(508, 10), 120).unwrap() - 100.0).abs() < 1e-9);
        assert_eq!(of(3, ratio(20, 1), 4000), None);
        assert_eq!(of(3, ratio(20, 0), 120), None);
        assert_eq!(of(7, ratio(20, 1), 120), None);
    }

    #[test]
    fn no_focal_length_is_none() {
        assert_eq!(focal(&[(Tag::FocalLength, ratio(5, 1))]), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(CameraModel::from_exif(&jpeg(&folder, b"no EXIF data at all".to_vec())).unwrap(), None);
        let plain = folder.path().join("a.png");
        RgbImage::new(4, 3).save(&plain).unwrap();
        assert_eq!(CameraModel::from_exif(&plain).unwrap(), None);
        assert!(CameraModel::from_exif(&folder.path().join("missing.jpg")).is_err());
    }
}
