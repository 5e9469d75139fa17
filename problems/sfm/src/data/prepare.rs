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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dro_vision::BrownConrady;
    use nalgebra::Point2;

    use super::*;

    fn camera(distortion: BrownConrady) -> CameraModel {
        CameraModel { pinhole: Pinhole::new(80.0, 90.0, 47.0, 33.0).unwrap(), distortion, size: (64, 96) }
    }

    fn channel(tensor: &Tensor, channel: usize) -> Vec<Vec<f32>> {
        tensor.squeeze(0).unwrap().get(channel).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn the_same_size_keeps_every_pixel() {
        let rgb = RgbImage::from_fn(96, 64, |x, y| Rgb([x as u8, y as u8, 255]));
        let camera = camera(BrownConrady::default());
        let (tensor, pinhole) = prepare(&rgb, &camera, (64, 96), &Device::Cpu).unwrap();
        assert_eq!(pinhole, camera.pinhole);
        assert_eq!(tensor.dims(), [1, 3, 64, 96]);
        assert_eq!(channel(&tensor, 0)[5][7], 7.0 / 255.0);
        assert_eq!(channel(&tensor, 1)[5][7], 5.0 / 255.0);
        assert_eq!(channel(&tensor, 2)[63][95], 1.0);
    }

    /// A ramp that names its own position: after resizing, a pixel must show the place that the intrinsics say.
    #[test]
    fn intrinsics_follow_the_resize() {
        let rgb = RgbImage::from_fn(96, 64, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, 0]));
        let camera = camera(BrownConrady::default());
        for size in [(32, 48), (16, 48), (24, 36), (128, 192)] {
            let (tensor, pinhole) = prepare(&rgb, &camera, size, &Device::Cpu).unwrap();
            let (row, column) = (size.0 / 3, size.1 / 3);
            let ray = pinhole.backproject(&Point2::new(column as f64, row as f64), 1.0);
            let seen = camera.pinhole.project(&ray).unwrap();
            let shown_x = f64::from(channel(&tensor, 0)[row][column]) * 255.0 / 2.0;
            let shown_y = f64::from(channel(&tensor, 1)[row][column]) * 255.0 / 3.0;
            // Where the ratio is not whole, the filter's few taps miss its centre by up to 0.03 pixels. A mistake
            // in the convention of pixel centres would be a quarter of a pixel or more.
            assert!(
                (shown_x - seen.x).abs() < 0.05 && (shown_y - seen.y).abs() < 0.05,
                "{size:?}: {shown_x} {seen}"
            );
        }
    }

    /// Stripes finer than the target's pixels must become grey, not other stripes.
    #[test]
    fn shrinking_does_not_alias() {
        let rgb = RgbImage::from_fn(96, 64, |x, _| Rgb([if x % 2 == 0 { 255 } else { 0 }; 3]));
        let (tensor, _) = prepare(&rgb, &camera(BrownConrady::default()), (16, 24), &Device::Cpu).unwrap();
        assert!(channel(&tensor, 0)[8][2..22].iter().all(|v| (v - 0.5).abs() < 0.05));
    }

    /// The ramp again: an undistorted pixel shows the place to which the lens bends its ray.
    #[test]
    fn undistortion_follows_the_lens() {
        let rgb = RgbImage::from_fn(96, 64, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, 0]));
        let camera = camera(BrownConrady { k1: -0.2, k2: 0.05, ..Default::default() });
        let (tensor, pinhole) = prepare(&rgb, &camera, (64, 96), &Device::Cpu).unwrap();
        assert_eq!(pinhole, camera.pinhole);
        let (row, column) = (10, 80);
        let ray = pinhole.backproject(&Point2::new(f64::from(column), f64::from(row)), 1.0);
        let r2 = ray.x * ray.x + ray.y * ray.y;
        let bent = 1.0 - 0.2 * r2 + 0.05 * r2 * r2;
        let x = pinhole.fx * ray.x * bent + pinhole.cx;
        let shown = f64::from(channel(&tensor, 0)[row as usize][column as usize]) * 255.0 / 2.0;
        assert!((x - f64::from(column)).abs() > 1.0, "the lens must bend this ray");
        assert!((shown - x).abs() < 0.01, "{shown} {x}");
    }

    #[test]
    fn wrong_sizes_are_named() {
        let rgb = RgbImage::new(10, 20);
        let camera = camera(BrownConrady::default());
        let message = prepare(&rgb, &camera, (64, 96), &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("96x64") && message.contains("10x20"), "{message}");
        assert!(prepare(&RgbImage::new(96, 64), &camera, (0, 96), &Device::Cpu).is_err());
    }
}
