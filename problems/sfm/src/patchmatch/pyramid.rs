//! Grey images at different sizes.

use candle_core::{Device, Tensor};
use dro_core::{CostFunction, Point};
use dro_vision::Pinhole;
use image::{ImageBuffer, Luma, imageops};
use nalgebra::Isometry3;

use super::PoseChart;
use crate::{
    Error, Map, Result, Views,
    cost::{CensusConfig, CensusCost},
};

/// Luma of an RGB image `[1, 3, h, w]` in [0, 1] (ITU-R BT.601); what is not finite becomes 0.
pub(super) fn grey(image: &Tensor) -> Result<Map> {
    let &[1, 3, height, width] = image.dims() else {
        return Err(Error::argument(
            "image",
            "a tensor [1, 3, height, width]",
            format!("{:?}", image.dims()),
        ));
    };
    let rgb = image.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let n = height * width;
    let luma = |i: usize| 0.299 * rgb[i] + 0.587 * rgb[n + i] + 0.114 * rgb[2 * n + i];
    Map::new(
        height,
        width,
        (0..n).map(luma).map(|l| if l.is_finite() { l.clamp(0.0, 1.0) } else { 0.0 }).collect(),
    )
}

/// The size of an image brought to at most so many columns, at least 8 by 8.
pub(super) fn limited((height, width): (usize, usize), most_wide: usize) -> (usize, usize) {
    let scale = (most_wide as f64 / width as f64).min(1.0);
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(8);
    (side(height), side(width))
}

/// The image at a smaller size, averaged (a triangle as wide as the reduction).
pub(super) fn reduced(map: &Map, (height, width): (usize, usize)) -> Result<Map> {
    if (map.height(), map.width()) == (height, width) {
        return Ok(map.clone());
    }
    let side = |n: usize| u32::try_from(n).map_err(|_| Error::argument("image", "sides below 2^32", n));
    let image: Option<ImageBuffer<Luma<f32>, Vec<f32>>> =
        ImageBuffer::from_raw(side(map.width())?, side(map.height())?, map.values().to_vec());
    let image =
        image.ok_or_else(|| Error::argument("image", "as many values as pixels", map.values().len()))?;
    let small = imageops::resize(&image, side(width)?, side(height)?, imageops::FilterType::Triangle);
    Map::new(height, width, small.into_raw())
}

/// An inverse-depth map `[1, 1, h, w]` at another size, bilinear, pixel centres at integers.
pub(super) fn enlarged(map: &Tensor, (height, width): (usize, usize)) -> Result<Tensor> {
    Ok(map.upsample_bilinear2d(height, width, false)?)
}

/// Grey images of one size, and the camera of all of them.
#[derive(Debug, Clone)]
pub(super) struct Pictures {
    pub(super) target: Map,
    pub(super) neighbours: Vec<Map>,
    pub(super) camera: Pinhole,
}

impl Pictures {
    /// # Errors
    /// If there is no neighbour, or one has another size than the target, or they are smaller than 8 by 8.
    pub(super) fn of(views: &Views) -> Result<Self> {
        if views.neighbours.is_empty() {
            return Err(Error::argument("neighbours", "at least one", "none"));
        }
        let (_, _, height, width) = views.target.dims4()?;
        for n in &views.neighbours {
            if n.dims() != views.target.dims() {
                return Err(Error::argument(
                    "neighbour",
                    format!("the target's shape {:?}", views.target.dims()),
                    format!("{:?}", n.dims()),
                ));
            }
        }
        if height < 8 || width < 8 {
            return Err(Error::argument("views", "images of at least 8x8", format!("{height}x{width}")));
        }
        let neighbours = views.neighbours.iter().map(grey).collect::<Result<_>>()?;
        Ok(Self { target: grey(&views.target)?, neighbours, camera: views.camera })
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.target.height(), self.target.width())
    }

    /// At most so many columns wide.
    pub(super) fn limited(&self, most_wide: usize) -> Result<Self> {
        let size = limited(self.size(), most_wide);
        Ok(Self {
            target: reduced(&self.target, size)?,
            neighbours: self.neighbours.iter().map(|n| reduced(n, size)).collect::<Result<_>>()?,
            camera: self.camera.resized(self.size(), size)?,
        })
    }

    pub(super) fn cost(&self, range: (f64, f64), config: &CensusConfig) -> Result<CensusCost> {
        CensusCost::new(&self.target, &self.neighbours, self.camera, range, config)
    }
}

/// A point of [`CensusCost`]'s space: the same inverse depth everywhere.
pub(super) fn flat(cost: &CensusCost, inverse_depth: f64, poses: &[Isometry3<f64>]) -> Result<Point> {
    let (height, width) = cost.size();
    let depth = Tensor::full(inverse_depth as f32, (1, 1, height, width), &Device::Cpu)?;
    let encoded: Vec<f32> = poses.iter().flat_map(PoseChart::encode).collect();
    let encoded = Tensor::from_vec(encoded, (1, poses.len(), 6), &Device::Cpu)?;
    Ok(cost.space().point(vec![depth, encoded])?)
}
