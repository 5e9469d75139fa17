//! Images brought to what a solver takes: undistorted, resized, a tensor in [0, 1].

use candle_core::{DType, Device, Tensor};
use dro_vision::Pinhole;
use image::{
    ImageBuffer, Rgb, RgbImage,
    imageops::{self, FilterType},
};
use rayon::prelude::*;

use super::camera::CameraModel;
use crate::{Error, Result};

type RgbF32 = ImageBuffer<Rgb<f32>, Vec<f32>>;

/// Undistorts an image, brings it to `size` (height, width), and gives the pinhole that belongs to the result.
///
/// Undistortion samples bilinearly and repeats the border. Resizing uses a triangle filter as wide as the step between
/// target pixels, so shrinking does not alias; both axes are scaled on their own and the intrinsics follow
/// ([`Pinhole::resized`]).
///
/// Returns `[1, 3, height, width]` on `device`, RGB in [0, 1].
///
/// # Errors
/// Where `rgb` is not of the camera's size, or `size` is 0.
pub fn prepare(
    rgb: &RgbImage,
    camera: &CameraModel,
    size: (usize, usize),
    device: &Device,
) -> Result<(Tensor, Pinhole)> {
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    if (height, width) != camera.size {
        return Err(Error::argument(
            "image",
            format!("{}x{} pixels, the camera's size", camera.size.1, camera.size.0),
            format!("{width}x{height}"),
        ));
    }
    let pinhole = camera.pinhole_at(size)?;
    let unit = rgb.as_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
    let mut image: RgbF32 = ImageBuffer::from_raw(rgb.width(), rgb.height(), unit)
        .ok_or_else(|| Error::argument("image", "three values per pixel", "another number"))?;
    if camera.is_distorted() {
        image = undistorted(&image, camera)?;
    }
    if size != (height, width) {
        let side = |n: usize| u32::try_from(n).map_err(|_| Error::argument("size", "at most 2^32", n));
        image = imageops::resize(&image, side(size.1)?, side(size.0)?, FilterType::Triangle);
    }
    let tensor = Tensor::from_vec(image.into_raw(), (1, size.0, size.1, 3), &Device::Cpu)?;
    Ok((tensor.permute((0, 3, 1, 2))?.contiguous()?.to_device(device)?, pinhole))
}

/// The image that a lens without distortion and with the same pinhole would have taken.
fn undistorted(image: &RgbF32, camera: &CameraModel) -> Result<RgbF32> {
    let (height, width) = camera.size;
    let coords = camera.distortion.undistortion_coords(&camera.pinhole, height, width)?;
    let coords = coords.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let mut out = RgbF32::new(image.width(), image.height());
    out.as_flat_samples_mut().samples.par_chunks_exact_mut(3).zip(coords.par_chunks_exact(2)).for_each(
        |(pixel, at)| {
            if let &[x, y] = at {
                pixel.copy_from_slice(&bilinear(image, x, y));
            }
        },
    );
    Ok(out)
}

/// Bilinear sample at (column, row); outside, the border.
fn bilinear(image: &RgbF32, x: f32, y: f32) -> [f32; 3] {
    let (last_x, last_y) = (image.width().saturating_sub(1), image.height().saturating_sub(1));
    // `max` before `min` turns NaN into 0.
    let (x, y) = (x.max(0.0).min(last_x as f32), y.max(0.0).min(last_y as f32));
    let (x0, y0) = (x.floor() as u32, y.floor() as u32);
    let (x1, y1) = ((x0 + 1).min(last_x), (y0 + 1).min(last_y));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let corners = [
        (image.get_pixel(x0, y0), (1.0 - fx) * (1.0 - fy)),
        (image.get_pixel(x1, y0), fx * (1.0 - fy)),
        (image.get_pixel(x0, y1), (1.0 - fx) * fy),
        (image.get_pixel(x1, y1), fx * fy),
    ];
    std::array::from_fn(|c| corners.iter().map(|(pixel, weight)| pixel.0[c] * weight).sum())
}
