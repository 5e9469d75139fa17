//! Depth files, and depth brought to the pixels of a target image.

use std::path::{Path, PathBuf};

use dro_vision::Pinhole;
use image::DynamicImage;
use nalgebra::{Isometry3, Point2};

use super::{
    camera::CameraModel,
    decode::{self, ImageLimits},
    npz,
};
use crate::{Error, Map, Result};

/// How metres are written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DepthEncoding {
    /// A 16-bit grey PNG: metres = value / `units_per_metre`; 0 and 65535 (what sensors and converters write for "too
    /// far") mean none.
    Png16 {
        /// Steps per metre, e.g. 1000 for millimetres.
        units_per_metre: f64,
    },
    /// The array `key` of a numpy archive, in metres; 0, negative and not finite mean none.
    Npz {
        /// The array's name.
        key: String,
    },
}

/// Which pixels a depth file belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DepthSensor {
    /// The colour image, lens distortion included, possibly at another size.
    Registered,
    /// A camera of its own.
    Own {
        /// Its intrinsics at the depth file's size.
        pinhole: Pinhole,
        /// Where it stands, metres.
        colour_from_depth: Isometry3<f64>,
    },
}

/// A depth map on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthFile {
    /// The file.
    pub path: PathBuf,
    /// How metres are written in it.
    pub encoding: DepthEncoding,
    /// Which pixels it belongs to.
    pub sensor: DepthSensor,
}

impl DepthFile {
    /// Metres at the file's own size, 0 = none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Input`] naming the file.
    pub fn load(&self) -> Result<Map> {
        match &self.encoding {
            DepthEncoding::Png16 { units_per_metre } => load_png16(&self.path, *units_per_metre),
            DepthEncoding::Npz { key } => {
                Ok(npz::read_map(&self.path, key)?.mapped(|x| if x.is_finite() && x > 0.0 { x } else { 0.0 }))
            }
        }
    }
}

fn load_png16(path: &Path, units_per_metre: f64) -> Result<Map> {
    let image = match decode::load(path, &ImageLimits::default())? {
        DynamicImage::ImageLuma16(image) => image,
        other => {
            let found = format!("{:?}", other.color());
            return Err(Error::input(path, "depth as a 16-bit grey PNG", found));
        }
    };
    let (width, height) = image.dimensions();
    let metres =
        |value: u16| if value == u16::MAX { 0.0 } else { (f64::from(value) / units_per_metre) as f32 };
    Map::new(height as usize, width as usize, image.into_raw().into_iter().map(metres).collect())
}

/// Brings depth to the pixels of the undistorted image of `camera` at `size` (height, width); metres, 0 = none.
///
/// Values are never mixed: depth on both sides of an edge has no meaningful average.
/// - [`DepthSensor::Registered`]: the nearest depth pixel, through the lens distortion of `camera`.
/// - [`DepthSensor::Own`] in the place of the colour camera: the nearest depth pixel along the same ray.
/// - [`DepthSensor::Own`] elsewhere: every depth pixel is carried to the colour camera, the closest one wins, and
///   pixels that none reaches stay 0.
///
/// # Errors
/// Where a size is 0.
pub fn prepare_depth(
    depth: &Map,
    sensor: &DepthSensor,
    camera: &CameraModel,
    size: (usize, usize),
) -> Result<Map> {
    let target = camera.pinhole_at(size)?;
    match sensor {
        DepthSensor::Registered => registered(depth, camera, &target, size),
        DepthSensor::Own { pinhole, colour_from_depth } => {
            if *colour_from_depth == Isometry3::identity() {
                gathered(depth, size, |row, column| {
                    let ray = target.backproject(&Point2::new(column as f64, row as f64), 1.0);
                    pinhole.project(&ray).map(|p| (p.x, p.y))
                })
            } else {
                splatted(depth, pinhole, colour_from_depth, &target, size)
            }
        }
    }
}

fn registered(depth: &Map, camera: &CameraModel, target: &Pinhole, size: (usize, usize)) -> Result<Map> {
    // From the target's pixels, corner at -0.5, to the depth file's.
    let scale_x = depth.width() as f64 / size.1 as f64;
    let scale_y = depth.height() as f64 / size.0 as f64;
    let to_file = |u: f64, v: f64| ((u + 0.5) * scale_x - 0.5, (v + 0.5) * scale_y - 0.5);
    if !camera.is_distorted() {
        return gathered(depth, size, |row, column| Some(to_file(column as f64, row as f64)));
    }
    let coords = camera.distortion.undistortion_coords(target, size.0, size.1)?;
    let coords = coords.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    gathered(depth, size, |row, column| {
        let at = 2 * (row * size.1 + column);
        let (u, v) = (*coords.get(at)?, *coords.get(at + 1)?);
        Some(to_file(f64::from(u), f64::from(v)))
    })
}

/// The nearest value of `depth` at the (column, row) that `source` names for each target (row, column).
fn gathered(
    depth: &Map,
    size: (usize, usize),
    source: impl Fn(usize, usize) -> Option<(f64, f64)>,
) -> Result<Map> {
    let mut values = Vec::with_capacity(size.0 * size.1);
    for row in 0..size.0 {
        for column in 0..size.1 {
            values.push(source(row, column).and_then(|(x, y)| nearest(depth, x, y)).unwrap_or(0.0));
        }
    }
    Map::new(size.0, size.1, values)
}

/// The value of the pixel that (x, y) lies in; `None` outside.
fn nearest(map: &Map, x: f64, y: f64) -> Option<f32> {
    let (column, row) = ((x + 0.5).floor(), (y + 0.5).floor());
    // Comparisons that NaN fails.
    let inside = column >= 0.0 && row >= 0.0 && column < map.width() as f64 && row < map.height() as f64;
    inside.then(|| map.at(row as usize, column as usize)).flatten()
}

fn splatted(
    depth: &Map,
    sensor: &Pinhole,
    colour_from_depth: &Isometry3<f64>,
    target: &Pinhole,
    size: (usize, usize),
) -> Result<Map> {
    let mut values = vec![0.0f32; size.0 * size.1];
    for (index, &z) in depth.values().iter().enumerate().filter(|(_, z)| **z > 0.0) {
        let pixel = Point2::new((index % depth.width()) as f64, (index / depth.width()) as f64);
        let point = colour_from_depth * sensor.backproject(&pixel, f64::from(z));
        let Some(seen) = target.project(&point) else { continue };
        let (column, row) = ((seen.x + 0.5).floor(), (seen.y + 0.5).floor());
        if !(column >= 0.0 && row >= 0.0 && column < size.1 as f64 && row < size.0 as f64) {
            continue;
        }
        if let Some(value) = values.get_mut(row as usize * size.1 + column as usize) {
            let z = point.z as f32;
            if *value == 0.0 || z < *value {
                *value = z;
            }
        }
    }
    Map::new(size.0, size.1, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_none_outside_and_for_what_is_no_number() -> Result<()> {
        let map = Map::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
        assert_eq!(nearest(&map, -0.5, 1.49), Some(4.0));
        assert_eq!(nearest(&map, 2.49, -0.5), Some(3.0));
        for (x, y) in
            [(2.5, 0.0), (-0.51, 0.0), (0.0, 1.5), (f64::NAN, 0.0), (0.0, f64::INFINITY), (0.0, 1e300)]
        {
            assert_eq!(nearest(&map, x, y), None, "{x} {y}");
        }
        Ok(())
    }
}
