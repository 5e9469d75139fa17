//! Images of a sequence, prepared as the solver wants them and kept only while a window needs them.

use std::{collections::BTreeMap, ops::RangeInclusive};

use candle_core::{Device, Tensor};
use dro_vision::Pinhole;
use rayon::prelude::*;

use crate::{
    Error, Result, Views,
    data::{self, CameraModel, Frame, ImageLimits, Intrinsics, Sequence, prepare},
    sequence::Window,
};

/// The (height, width) that all readable images have, from their headers.
///
/// An image that cannot be read is no error here: it is one when its turn comes, and the frames before it are kept.
///
/// # Errors
/// Names the first image of another size than the first one, with both sizes; or what is wrong with the first image,
/// where none can be read.
pub fn image_size(sequence: &Sequence) -> Result<(usize, usize)> {
    let sizes: Vec<_> = sequence.frames.par_iter().map(|frame| data::image_size(&frame.image)).collect();
    let mut first: Option<(&Frame, (usize, usize))> = None;
    let mut broken = None;
    for (frame, size) in sequence.frames.iter().zip(sizes) {
        match (size, first) {
            (Err(error), _) => broken = broken.or(Some(error)),
            (Ok(size), None) => first = Some((frame, size)),
            (Ok((h, w)), Some((known, (height, width)))) if (h, w) != (height, width) => {
                let expected = format!("{width}x{height} pixels like {}", known.image.display());
                return Err(Error::input(&frame.image, expected, format!("{w}x{h}")));
            }
            (Ok(_), Some(_)) => {}
        }
    }
    match (first, broken) {
        (Some((_, size)), _) => Ok(size),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::input(&sequence.root, "at least one frame", "none")),
    }
}

/// The (height, width) that images of a size are brought to where nobody says it: their own, at most 640 wide.
///
/// Sides are rounded, so the shape may change by a pixel; intrinsics follow each axis.
pub fn default_size((height, width): (usize, usize)) -> (usize, usize) {
    if width <= 640 { (height, width) } else { ((height * 640).div_ceil(width), 640) }
}

/// The frames of a run with their cameras, and a small cache of prepared images.
pub(crate) struct PreparedFrames<'a> {
    frames: &'a [Frame],
    cameras: Vec<CameraModel>,
    size: (usize, usize),
    cache: BTreeMap<usize, (Tensor, Pinhole)>,
}

impl<'a> PreparedFrames<'a> {
    /// Checks that all images are of one size and that every frame has a camera, from the data or from the user.
    pub(crate) fn new(
        sequence: &'a Sequence,
        given: Option<&Intrinsics>,
        size: (usize, usize),
    ) -> Result<Self> {
        let image_size = image_size(sequence)?;
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

    pub(crate) fn camera(&self, index: usize) -> Option<&CameraModel> {
        self.cameras.get(index)
    }

    /// The target and its readable neighbours, and the window that has only those. Images far from the window are
    /// forgotten.
    ///
    /// A broken image ends a run when it is the target; until then, frames do with the neighbours they have.
    pub(crate) fn views(&mut self, window: &Window) -> Result<(Views, Window)> {
        let target = window.target;
        let all = || window.neighbours.iter().copied().chain([target]);
        let reach = all().min().unwrap_or(target)..=all().max().unwrap_or(target);
        self.forget_outside(&reach);
        let (image, camera) = self.prepared(target)?;
        let mut views = Views { target: image, neighbours: Vec::new(), camera };
        let mut used = Window { target, neighbours: Vec::new() };
        let mut broken = None;
        for &neighbour in &window.neighbours {
            match self.prepared(neighbour) {
                Ok((image, other)) => {
                    self.check_same_camera(&camera, &other, neighbour)?;
                    views.neighbours.push(image);
                    used.neighbours.push(neighbour);
                }
                Err(error @ (Error::Input { .. } | Error::Io { .. })) => broken = Some(error),
                Err(error) => return Err(error),
            }
        }
        match broken {
            Some(error) if views.neighbours.is_empty() => Err(error),
            _ => Ok((views, used)),
        }
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
                format!("its neighbour's intrinsics {}", in_words(camera)),
                in_words(other),
            )),
            _ => Ok(()),
        }
    }
}

fn in_words(Pinhole { fx, fy, cx, cy, .. }: &Pinhole) -> String {
    format!("fx {fx:.2}, fy {fy:.2}, cx {cx:.2}, cy {cy:.2}")
}
