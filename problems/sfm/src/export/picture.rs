//! Pictures for people: coloured inverse depth, cost, and how well a neighbour fits.

use std::{io::Write, path::Path};

use candle_core::{DType, Device, Tensor};
use colorous::Gradient;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, codecs::png::PngEncoder};

pub use super::warp::{Warped, warped};
use super::{atomic::from_image, write_atomically};
use crate::{Error, Map, Result};

/// The values drawn in the first and the last colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// First colour.
    pub low: f32,
    /// Last colour.
    pub high: f32,
}

impl Range {
    /// The 2nd to 98th percentile of all finite values other than 0 (which says "none"), over all maps; 0 to 1 if
    /// there are none. Taken over a whole trace, it makes its pictures comparable.
    pub fn robust<'a>(maps: impl IntoIterator<Item = &'a Map>) -> Self {
        let mut values: Vec<f32> = maps
            .into_iter()
            .flat_map(|map| map.values().iter().copied())
            .filter(|value| value.is_finite() && *value != 0.0)
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        let at = |percent: usize| values.get(values.len().saturating_sub(1) * percent / 100).copied();
        match (at(2), at(98)) {
            (Some(low), Some(high)) => Self { low, high },
            _ => Self { low: 0.0, high: 1.0 },
        }
    }

    /// 0 at `low`, 1 at `high`, within [0, 1]; one half if the range is empty.
    fn share(self, value: f32) -> f64 {
        let width = f64::from(self.high) - f64::from(self.low);
        if width > 0.0 { ((f64::from(value) - f64::from(self.low)) / width).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// Inverse depth in the colours of TURBO: near is red, far is blue, "none" is black.
pub fn inverse_depth(inv_depth: &Map, range: Range) -> RgbImage {
    coloured(inv_depth, range, colorous::TURBO, Rgb([0; 3]), |value| value > 0.0)
}

/// A cost in the colours of INFERNO: low is black, high is bright yellow; not finite is grey.
pub fn cost(cost: &Map, range: Range) -> RgbImage {
    coloured(cost, range, colorous::INFERNO, Rgb([128; 3]), |_| true)
}

fn coloured(
    map: &Map,
    range: Range,
    gradient: Gradient,
    missing: Rgb<u8>,
    present: impl Fn(f32) -> bool,
) -> RgbImage {
    let mut picture = RgbImage::from_pixel(map.width() as u32, map.height() as u32, missing);
    for (pixel, &value) in picture.pixels_mut().zip(map.values()) {
        if value.is_finite() && present(value) {
            *pixel = Rgb(gradient.eval_continuous(range.share(value)).into_array());
        }
    }
    picture
}

/// The target in red and the warped neighbour in cyan: grey where they agree, coloured fringes where they do not.
/// Pixels that the neighbour does not see are the target at a third of its brightness.
///
/// # Errors
/// If the two are not of one size.
pub fn overlap(target: &RgbImage, warped: &Warped) -> Result<RgbImage> {
    if target.dimensions() != warped.picture.dimensions() {
        return Err(Error::argument(
            "warped neighbour",
            format!("a picture of {:?}", target.dimensions()),
            format!("{:?}", warped.picture.dimensions()),
        ));
    }
    let mut picture = target.clone();
    for ((pixel, other), seen) in picture.pixels_mut().zip(warped.picture.pixels()).zip(&warped.seen) {
        let ours = luma(*pixel);
        *pixel = if *seen {
            let theirs = luma(*other);
            Rgb([ours, theirs, theirs])
        } else {
            Rgb([ours / 3; 3])
        };
    }
    Ok(picture)
}

/// Brightness by ITU-R BT.601.
fn luma(Rgb([r, g, b]): Rgb<u8>) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000) as u8
}

/// A picture from `[1, 3, height, width]` or `[3, height, width]`, RGB in [0, 1]; values outside are clamped.
///
/// # Errors
/// If the shape is another.
pub fn from_tensor(rgb: &Tensor) -> Result<RgbImage> {
    let (height, width) = match *rgb.dims() {
        [1, 3, height, width] | [3, height, width] => (height, width),
        _ => {
            return Err(Error::argument(
                "picture",
                "a tensor [1, 3, height, width]",
                format!("{:?}", rgb.dims()),
            ));
        }
    };
    let rows = rgb.reshape((3, height, width))?.permute((1, 2, 0))?.to_device(&Device::Cpu)?;
    let values: Vec<f32> = rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let bytes = values.into_iter().map(|x| (x * 255.0).round() as u8).collect();
    RgbImage::from_raw(width as u32, height as u32, bytes)
        .ok_or_else(|| Error::argument("picture", "three values per pixel", format!("{:?}", rgb.dims())))
}

/// Writes a PNG.
///
/// # Errors
/// If the file cannot be written or the picture is empty.
pub fn write(path: impl AsRef<Path>, picture: &RgbImage) -> Result<()> {
    write_atomically(path, |file| {
        // Encoded first: encoders write their last bytes when dropped, where a full disk would go unnoticed.
        let mut encoded = Vec::new();
        PngEncoder::new(&mut encoded)
            .write_image(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
            .map_err(from_image)?;
        file.write_all(&encoded)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use dro_vision::Pinhole;
    use nalgebra::{Isometry3, Translation3};

    use super::*;

    #[test]
    fn the_range_ignores_outliers_and_missing_values() {
        let mut values = vec![0.0; 400];
        values.extend((0..101).map(|i| 1.0 + i as f32));
        values.extend([f32::NAN, f32::INFINITY]);
        let range = Range::robust([&Map::new(1, 503, values).unwrap()]);
        assert_eq!(range, Range { low: 3.0, high: 99.0 });
        assert_eq!(Range::robust([&Map::new(0, 0, vec![]).unwrap()]), Range { low: 0.0, high: 1.0 });
    }

    #[test]
    fn near_is_red_far_is_blue_none_is_black() {
        let map = Map::new(1, 4, vec![0.9, 0.1, 0.0, f32::NAN]).unwrap();
        let picture = inverse_depth(&map, Range { low: 0.0, high: 1.0 });
        let [near, far, none, nan] = [0, 1, 2, 3].map(|x| picture.get_pixel(x, 0).0);
        assert!(near[0] > 2 * near[2] && far[2] > 2 * far[0], "{near:?} {far:?}");
        assert_eq!((none, nan), ([0; 3], [0; 3]));
        assert_eq!(cost(&map, Range { low: 0.0, high: 1.0 }).get_pixel(3, 0).0, [128; 3]);
    }

    #[test]
    fn a_shifted_plane_overlaps_in_grey_and_a_wrong_depth_has_fringes() {
        // A plane at 2 m, camera moved right by 0.1 m: 0.1 · 40 / 2 = 2 pixels.
        let camera = Pinhole::new(40.0, 40.0, 15.5, 11.5).unwrap();
        let texture = |x: u32, y: u32| Rgb([(x * 37 + y * 11) as u8, (x * 5 + y * 71) as u8, (x * y) as u8]);
        let target = RgbImage::from_fn(32, 24, texture);
        let neighbour = RgbImage::from_fn(32, 24, |x, y| texture(x + 2, y));
        let pose = Isometry3::from(Translation3::new(-0.1, 0.0, 0.0));
        let picture = |inverse: f32| {
            let map = Map::new(24, 32, vec![inverse; 24 * 32]).unwrap();
            let warped = warped(&neighbour, &map, &camera, &pose).unwrap();
            assert_eq!(
                warped.seen.iter().filter(|seen| **seen).count(),
                24 * (32 - (4.0 * inverse) as usize)
            );
            overlap(&target, &warped).unwrap()
        };
        let fringes = |picture: &RgbImage| picture.pixels().filter(|p| p.0[0].abs_diff(p.0[1]) > 1).count();
        assert_eq!(fringes(&picture(0.5)), 0);
        assert!(fringes(&picture(0.75)) > 500);
    }

    #[test]
    fn a_tensor_becomes_its_picture_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.png");
        let planes = [0f32, 1.0, 0.5, -1.0, 1.0, 2.0];
        let picture = from_tensor(&Tensor::from_slice(&planes, (1, 3, 1, 2), &Device::Cpu).unwrap()).unwrap();
        assert_eq!(picture.as_raw(), &[0, 128, 255, 255, 0, 255]);
        write(&path, &picture).unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgb8(), picture);
        assert!(from_tensor(&Tensor::zeros((2, 3, 1, 2), DType::F32, &Device::Cpu).unwrap()).is_err());
    }
}
