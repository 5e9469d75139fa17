//! Images of a sequence, prepared as the solver wants them and kept only while a window needs them.

use std::collections::{BTreeMap, btree_map::Entry};

use candle_core::{Device, Tensor};
use dro_vision::Pinhole;
use rayon::prelude::*;

use crate::{
    Error, Result, Views,
    data::{self, CameraModel, Frame, ImageLimits, Intrinsics, Sequence, prepare},
    patchmatch::Described,
    sequence::{REACH, Window, connect, select},
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

/// Images farther from the target than this are not kept for later windows.
const KEPT: usize = 8;

/// The frames of a run with their cameras, and a small cache of prepared images.
pub(crate) struct PreparedFrames<'a> {
    frames: &'a [Frame],
    cameras: Vec<CameraModel>,
    /// Whether one of the cameras is by its image's EXIF data.
    by_exif: bool,
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
        let known = |frame: &Frame| match (given, &frame.camera) {
            (Some(given), _) => given.camera(image_size).map(Some),
            (None, camera) => Ok(*camera),
        };
        let known = sequence.frames.iter().map(known).collect::<Result<Vec<_>>>()?;
        let by_exif = known.iter().any(Option::is_none);
        let cameras = completed(sequence, &known)?;
        Ok(Self { frames: &sequence.frames, cameras, by_exif, size, cache: BTreeMap::new() })
    }

    /// What users should know about the cameras.
    pub(crate) fn note(&self) -> Option<String> {
        let camera = self.cameras.first().filter(|_| self.by_exif)?;
        let fov_deg = 2.0 * (camera.size.1 as f64 / 2.0 / camera.pinhole.fx).atan().to_degrees();
        Some(format!(
            "the focal length is what the images' EXIF data say: {:.0} pixels of {} ({fov_deg:.0} degrees)",
            camera.pinhole.fx, camera.size.1
        ))
    }

    pub(crate) fn frames(&self) -> &'a [Frame] {
        self.frames
    }

    pub(crate) fn camera(&self, index: usize) -> Option<&CameraModel> {
        self.cameras.get(index)
    }

    /// Fills windows that have no neighbours yet with those that the images show to be far enough apart; `connected` where there is
    /// to be one trajectory of all targets.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if `interrupted` says so.
    pub(crate) fn select(
        &self,
        windows: &mut [Window],
        connected: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<()> {
        if windows.iter().all(|window| !window.neighbours.is_empty()) {
            return Ok(());
        }
        let mut described = BTreeMap::new();
        select(windows, self.frames.len(), &mut |first, second| {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            described.retain(|index, _| index + 2 * REACH >= second);
            for index in [first, second] {
                if let Entry::Vacant(entry) = described.entry(index) {
                    entry.insert(self.described(index)?);
                }
            }
            match (&described[&first], &described[&second]) {
                (Some(first), Some(second)) => first.overlap(second).map(Some),
                _ => Ok(None),
            }
        })?;
        if connected {
            connect(windows, self.frames.len());
        }
        Ok(())
    }

    /// The corners of an image; `None` if it cannot be read, which is said when its turn comes.
    fn described(&self, index: usize) -> Result<Option<Described>> {
        match self.load(index) {
            Ok((image, camera)) => Described::new(&image, &camera).map(Some),
            Err(Error::Input { .. } | Error::Io { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The target and its readable neighbours, and the window that has only those. Images far from the window are
    /// forgotten.
    ///
    /// A broken image ends a run when it is the target; until then, frames do with the neighbours they have.
    pub(crate) fn views(&mut self, window: &Window) -> Result<(Views, Window)> {
        let target = window.target;
        self.forget_all_but(window);
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
        let prepared = self.load(index)?;
        self.cache.insert(index, prepared.clone());
        Ok(prepared)
    }

    fn load(&self, index: usize) -> Result<(Tensor, Pinhole)> {
        let (Some(frame), Some(camera)) = (self.frames.get(index), self.cameras.get(index)) else {
            return Err(Error::argument("frame", format!("below {}", self.frames.len()), index));
        };
        let rgb = frame.load_rgb(&ImageLimits::default())?;
        prepare(&rgb, camera, self.size, &Device::Cpu)
    }

    /// Images within the reach of a window will be wanted again soon, if they are not too many.
    fn forget_all_but(&mut self, window: &Window) {
        let used = || window.neighbours.iter().copied().chain([window.target]);
        let near = window.target.saturating_sub(KEPT)..=window.target + KEPT;
        let reach = used().min().unwrap_or(0)..=used().max().unwrap_or(0);
        self.cache.retain(|index, _| {
            (near.contains(index) && reach.contains(index)) || used().any(|frame| frame == *index)
        });
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

/// The cameras that are known, and where none is, the one that the image itself tells of. An image that cannot be read is no error yet.
fn completed(sequence: &Sequence, known: &[Option<CameraModel>]) -> Result<Vec<CameraModel>> {
    let told = |(frame, known): (&Frame, &Option<CameraModel>)| match known {
        Some(camera) => Ok(Some(*camera)),
        None => CameraModel::from_exif(&frame.image),
    };
    let told: Vec<_> = sequence.frames.par_iter().zip(known).map(told).collect();
    let first = told.iter().find_map(|told| told.as_ref().ok().copied().flatten());
    let camera = |(frame, told): (&Frame, Result<Option<CameraModel>>)| match (told, first) {
        (Ok(Some(camera)), _) | (Err(_), Some(camera)) => Ok(camera),
        (Err(error), None) => Err(error),
        (Ok(None), _) => Err(Error::input(
            &sequence.root,
            "the camera's intrinsics (in the data, in the EXIF data of every image, by --intrinsics fx,fy,cx,cy, or a guess by --fov DEGREES)",
            format!("none for {}", frame.name),
        )),
    };
    sequence.frames.iter().zip(told).map(camera).collect()
}

fn in_words(Pinhole { fx, fy, cx, cy, .. }: &Pinhole) -> String {
    format!("fx {fx:.2}, fy {fy:.2}, cx {cx:.2}, cy {cy:.2}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;
    use crate::{
        scene::{Room, write_sequence},
        sequence::{Neighbours, windows},
    };

    /// A camera that moves to the right, so many metres per frame, and the windows of its frames.
    fn chosen(step: f64) -> Vec<Vec<usize>> {
        let folder = tempfile::tempdir().unwrap();
        let (size, count) = ((192, 256), 7);
        let camera = Pinhole::from_fov_deg(65.0, size.0, size.1).unwrap();
        let path: Vec<_> = (0..count).map(|i| Isometry3::translation(step * i as f64, 0.0, 0.0)).collect();
        write_sequence(folder.path(), &Room::new(3), &camera, size, &path).unwrap();
        let sequence = Sequence::open(folder.path(), None).unwrap();
        let frames = PreparedFrames::new(&sequence, None, size).unwrap();
        let mut windows = windows(count, &Neighbours::Auto).unwrap();
        assert!(matches!(frames.select(&mut windows, true, &|| true), Err(Error::Interrupted)));
        frames.select(&mut windows, true, &|| false).unwrap();
        windows.into_iter().map(|window| window.neighbours).collect()
    }

    #[test]
    fn neighbours_are_chosen_by_what_images_show() {
        let (slow, fast) = (chosen(0.01), chosen(0.3));
        assert!(slow[0][0] > 2 && slow[6][0] < 4, "{slow:?}");
        assert_eq!(fast[1..6], [[2, 0], [3, 1], [4, 2], [5, 3], [6, 4]]);
    }
}
