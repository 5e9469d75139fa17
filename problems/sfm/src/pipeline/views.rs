//! Images of a sequence, prepared as the solver wants them and kept only while a window needs them.

use std::{collections::BTreeMap, ops::RangeInclusive};

use candle_core::{Device, Tensor};
use dro_vision::Pinhole;

use crate::{
    Error, Result, Views,
    data::{CameraModel, Frame, ImageLimits, Intrinsics, Sequence, prepare},
};

/// The frames of a run with their cameras, and a small cache of prepared images.
pub(super) struct PreparedFrames<'a> {
    frames: &'a [Frame],
    cameras: Vec<CameraModel>,
    size: (usize, usize),
    cache: BTreeMap<usize, (Tensor, Pinhole)>,
}

impl<'a> PreparedFrames<'a> {
    /// Checks that all images are of one size and that every frame has a camera, from the data or from the user.
    pub(super) fn new(
        sequence: &'a Sequence,
        given: Option<&Intrinsics>,
        size: (usize, usize),
    ) -> Result<Self> {
        let image_size = sequence.image_size()?;
        let cameras = sequence
            .frames
            .iter()
            .map(|frame| match (given, &frame.camera) {
                (Some(given), _) => given.camera(image_size),
                (None, Some(camera)) => Ok(*camera),
                (None, None) => Err(Error::input(
                    &sequence.root,
                    "the camera's intrinsics (in the data, or by --intrinsics fx,fy,cx,cy, or a guess by --fov DEGREES)",
                    "none",
                )),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { frames: &sequence.frames, cameras, size, cache: BTreeMap::new() })
    }

    pub(super) fn camera(&self, index: usize) -> Option<&CameraModel> {
        self.cameras.get(index)
    }

    /// The target and its neighbours; images far from the window are forgotten.
    pub(super) fn views(&mut self, target: usize, neighbours: &[usize]) -> Result<Views> {
        let window = || neighbours.iter().copied().chain([target]);
        let reach = window().min().unwrap_or(target)..=window().max().unwrap_or(target);
        self.forget_outside(&reach);
        let (image, camera) = self.prepared(target)?;
        let mut images = Vec::with_capacity(neighbours.len());
        for &neighbour in neighbours {
            let (image, other) = self.prepared(neighbour)?;
            self.check_same_camera(&camera, &other, neighbour)?;
            images.push(image);
        }
        Ok(Views { target: image, neighbours: images, camera })
    }

    fn prepared(&mut self, index: usize) -> Result<(Tensor, Pinhole)> {
        if let Some(found) = self.cache.get(&index) {
            return Ok(found.clone());
        }
        let (Some(frame), Some(camera)) = (self.frames.get(index), self.cameras.get(index)) else {
            return Err(Error::argument("frame", format!("below {}", self.frames.len()), index));
        };
        let rgb = frame.load_rgb(&ImageLimits::default())?;
        let prepared = prepare(&rgb, camera, self.size, &Device::Cpu)?;
        self.cache.insert(index, prepared.clone());
        Ok(prepared)
    }

    fn forget_outside(&mut self, reach: &RangeInclusive<usize>) {
        self.cache.retain(|index, _| reach.contains(index));
    }

    /// A window has one camera; sequences mixed from several are refused rather than solved wrongly.
    fn check_same_camera(&self, camera: &Pinhole, other: &Pinhole, index: usize) -> Result<()> {
        let apart = |a: f64, b: f64| (a - b).abs() > 1e-3 * camera.fx.max(camera.fy);
        let differs = apart(camera.fx, other.fx)
            || apart(camera.fy, other.fy)
            || apart(camera.cx, other.cx)
            || apart(camera.cy, other.cy);
        match self.frames.get(index) {
            Some(frame) if differs => Err(Error::input(
                &frame.image,
                format!("its neighbour's intrinsics {camera:?}"),
                format!("{other:?}"),
            )),
            _ => Ok(()),
        }
    }
}
