//! Depth maps as 16-bit PNG and as NumPy arrays.

use std::{
    io::{self, Write},
    path::Path,
};

use candle_core::Device;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::atomic::{from_image, write_atomically, write_named};
use crate::{Map, Result};

/// The scales tried by [`png_scale`], in steps per metre: millimetres, then KITTI's 256, then coarser ones.
const SCALES: [f64; 6] = [1000.0, 256.0, 100.0, 10.0, 1.0, 0.1];

/// The finest scale (PNG steps per metre) at which `max_depth_m` still fits into 16 bits; 1000 up to 65.5 m.
///
/// One scale serves a whole sequence: take `max_depth_m` from the settings or from [`largest_depth_m`].
pub fn png_scale(max_depth_m: f32) -> f64 {
    let fits = |scale: &f64| f64::from(max_depth_m) * scale <= f64::from(u16::MAX);
    SCALES.into_iter().find(fits).unwrap_or(if max_depth_m.is_nan() { 1000.0 } else { 0.1 })
}

/// The depth below which 99.9 % of all present depths lie, over all maps; 0 if there is none.
///
/// Not the maximum: an inverse depth close to 0 is no reason to round all other depths to metres.
pub fn largest_depth_m<'a>(depths_m: impl IntoIterator<Item = &'a Map>) -> f32 {
    let mut present: Vec<f32> = depths_m
        .into_iter()
        .flat_map(|map| map.values().iter().copied())
        .filter(|depth| *depth > 0.0 && depth.is_finite())
        .collect();
    let rank = present.len().saturating_sub(1) * 999 / 1000;
    if rank >= present.len() {
        return 0.0;
    }
    *present.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// The 16-bit PNG value of a depth: `round(depth_m · scale)` within 1..=65535; 0 where there is no depth.
pub fn png_value(depth_m: f32, scale: f64) -> u16 {
    if depth_m.is_nan() || depth_m <= 0.0 {
        return 0;
    }
    // Saturates; present depths never become 0, which says "none".
    ((f64::from(depth_m) * scale).round() as u16).max(1)
}

/// Writes a 16-bit grey PNG with [`png_value`] of every pixel. `depth_m / value = 1 / scale`.
///
/// # Errors
/// If the file cannot be written, or the map is empty.
pub fn write_png(path: impl AsRef<Path>, depth_m: &Map, scale: f64) -> Result<()> {
    let values: Vec<u16> = depth_m.values().iter().map(|&depth| png_value(depth, scale)).collect();
    // The encoder takes 16-bit samples in the machine's byte order.
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let (width, height) = (depth_m.width() as u32, depth_m.height() as u32);
    write_atomically(path, |file| {
        // Encoded first: encoders write their last bytes when dropped, where a full disk would go unnoticed.
        let mut encoded = Vec::new();
        let encoder = PngEncoder::new(&mut encoded);
        encoder.write_image(&bytes, width, height, ExtendedColorType::L16).map_err(from_image)?;
        file.write_all(&encoded)
    })
}

/// Writes a NumPy array `[height, width]`, float32, of the map's values as they are.
///
/// # Errors
/// If the file cannot be written.
pub fn write_npy(path: impl AsRef<Path>, map: &Map) -> Result<()> {
    let tensor = map.to_tensor(&Device::Cpu)?.reshape((map.height(), map.width()))?;
    write_named(path, |file| {
        tensor.write_npy(file.path()).map_err(|error| match error {
            candle_core::Error::Io(source) => source,
            other => io::Error::other(other),
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use candle_core::Tensor;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn png_and_npy_give_the_depths_back() {
        let folder = tempfile::tempdir().unwrap();
        let map = Map::new(2, 3, vec![0.0, 0.5, 65.535, 1e-6, 1e9, f32::NAN]).unwrap();
        let path = folder.path().join("depth.png");
        write_png(&path, &map, 1000.0).unwrap();
        let read = image::open(&path).unwrap().into_luma16();
        assert_eq!(read.dimensions(), (3, 2));
        assert_eq!(read.into_raw(), [0, 500, 65535, 1, 65535, 0]);

        let path = folder.path().join("depth.npy");
        let map = map.mapped(|x| if x.is_nan() { -1.0 } else { x });
        write_npy(&path, &map).unwrap();
        let read = Tensor::read_npy(&path).unwrap();
        assert_eq!(read.dims(), [2, 3]);
        assert_eq!(Map::from_tensor(&read).unwrap(), map);
    }

    #[test]
    fn the_scale_is_the_finest_that_fits() {
        for (depth_m, scale) in [(10.0, 1000.0), (65.5, 1000.0), (80.0, 256.0), (300.0, 100.0), (1e9, 0.1)] {
            assert_eq!(png_scale(depth_m), scale, "{depth_m} m");
        }
        let mut values = vec![0.0; 50];
        values.extend((1..=1000).map(|i| i as f32));
        values.push(1e9);
        assert_eq!(largest_depth_m([&Map::new(1, 1051, values).unwrap()]), 1000.0);
        assert_eq!(largest_depth_m([&Map::new(1, 2, vec![0.0; 2]).unwrap()]), 0.0);
    }

    proptest! {
        #[test]
        fn rounding_is_within_half_a_step(max_m in 0.5f32..5000.0, share in 0.01f32..1.0) {
            let scale = png_scale(max_m);
            let depth_m = max_m * share;
            let value = png_value(depth_m, scale);
            prop_assert!((f64::from(value) / scale - f64::from(depth_m)).abs() <= 0.5 / scale + 1e-4 || value == 1);
        }
    }
}
