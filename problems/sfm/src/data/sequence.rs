//! A sequence of frames and how to open it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::RgbImage;
use nalgebra::Isometry3;
use rayon::prelude::*;

use super::{
    camera::CameraModel,
    decode::{self, ImageLimits},
    demon,
    depth::DepthFile,
    folder, frames_csv, kitti,
    layout::Layout,
    scannet, seven_scenes, tum, video,
};
use crate::{Error, Map, Result};

/// One image and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// For names of output files: the image's name without its ending, unique in the sequence.
    pub name: String,
    /// The colour image.
    pub image: PathBuf,
    /// Measured or rendered depth, where there is one.
    pub depth: Option<DepthFile>,
    /// Ground-truth pose, metres; x right, y down, z forward.
    pub world_from_camera: Option<Isometry3<f64>>,
    /// Seconds, from whatever clock the sequence uses.
    pub timestamp_s: Option<f64>,
    /// The camera, where the layout says it.
    pub camera: Option<CameraModel>,
}

impl Frame {
    /// An image about which nothing else is known.
    pub fn of_image(image: PathBuf) -> Self {
        let name = folder::stem(&image);
        Self { name, image, depth: None, world_from_camera: None, timestamp_s: None, camera: None }
    }

    /// Decodes the image to 8-bit RGB; see [`load_rgb`](super::load_rgb).
    pub fn load_rgb(&self, limits: &ImageLimits) -> Result<RgbImage> {
        decode::load_rgb(&self.image, limits)
    }

    /// Decodes the depth, metres, 0 = none, at the depth file's own size. `None` where the frame has none.
    pub fn load_depth(&self) -> Result<Option<Map>> {
        self.depth.as_ref().map(DepthFile::load).transpose()
    }
}

/// Which frames of a sequence to take, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// `None`: recognise it.
    pub layout: Option<Layout>,
    /// Frames to leave out at the beginning.
    pub start: usize,
    /// Take every `stride`-th frame, at least 1.
    pub stride: usize,
    /// Take at most this many, at least 1; `None`: all.
    pub max_frames: Option<usize>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { layout: None, start: 0, stride: 1, max_frames: None }
    }
}

/// Frames in order, all read from one place.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// How it lies on disk.
    pub layout: Layout,
    /// The file or folder that was opened.
    pub root: PathBuf,
    /// At least one.
    pub frames: Vec<Frame>,
    /// Frames of a video lie here; the folder goes when the last copy of the sequence goes.
    _extracted: Option<Arc<tempfile::TempDir>>,
}

impl Sequence {
    /// Opens a file or folder; `layout` `None` means "recognise it". Reads text files and no pixels.
    ///
    /// # Errors
    /// Names the file (and line) that is missing or malformed.
    pub fn open(input: &Path, layout: Option<Layout>) -> Result<Self> {
        Self::open_with(input, &OpenOptions { layout, ..OpenOptions::default() })
    }

    /// Opens a file or folder and keeps the frames that `options` ask for.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where no frame is left.
    pub fn open_with(input: &Path, options: &OpenOptions) -> Result<Self> {
        if options.stride == 0 {
            return Err(Error::argument("stride", "at least 1", 0));
        }
        if options.max_frames == Some(0) {
            return Err(Error::argument("max_frames", "at least 1", 0));
        }
        let layout = match options.layout {
            Some(layout) => {
                std::fs::metadata(input).map_err(Error::io(input))?;
                layout
            }
            None => Layout::recognise(input)?,
        };
        let mut extracted = None;
        let all = match layout {
            Layout::ImageFolder => folder::open(input)?,
            Layout::FramesCsv => frames_csv::open(&inside(input, "frames.csv"))?,
            Layout::TumRgbd => tum::open(input)?,
            Layout::SevenScenes => seven_scenes::open(input)?,
            Layout::KittiRaw => kitti::open(input)?,
            Layout::ScanNet => scannet::open(input)?,
            Layout::DemonPair => demon::open(input)?,
            Layout::Video => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let (folder, frames) = video::open(input, options, &path)?;
                extracted = Some(Arc::new(folder));
                frames
            }
        };
        let count = all.len();
        let mut frames: Vec<_> = if layout == Layout::Video {
            all
        } else {
            let most = options.max_frames.unwrap_or(usize::MAX);
            all.into_iter().skip(options.start).step_by(options.stride).take(most).collect()
        };
        if frames.is_empty() {
            let expected = format!("more than {} frames (the first to take)", options.start);
            return Err(Error::input(input, expected, format!("{count} frames")));
        }
        make_names_unique(&mut frames);
        Ok(Self { layout, root: input.to_path_buf(), frames, _extracted: extracted })
    }

    /// The (height, width) that all images have, from their headers.
    ///
    /// # Errors
    /// Names the first image of another size than the first one, with both sizes, or that has no readable header.
    pub fn image_size(&self) -> Result<(usize, usize)> {
        let sizes = self
            .frames
            .par_iter()
            .map(|frame| decode::image_size(&frame.image))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let mut known = self.frames.iter().zip(&sizes);
        let Some((first, &(height, width))) = known.next() else {
            return Err(Error::input(&self.root, "at least one frame", "none"));
        };
        match known.find(|(_, size)| **size != (height, width)) {
            None => Ok((height, width)),
            Some((frame, (h, w))) => Err(Error::input(
                &frame.image,
                format!("{width}x{height} pixels like {}", first.image.display()),
                format!("{w}x{h}"),
            )),
        }
    }
}

/// `input/name`, or `input` itself where it already is that file.
fn inside(input: &Path, name: &str) -> PathBuf {
    if input.is_file() { input.to_path_buf() } else { input.join(name) }
}

/// Output files are named after frames: `a.png` and `a.jpg` in one folder become `a` and `a_2`.
fn make_names_unique(frames: &mut [Frame]) {
    let mut taken: HashSet<String> = HashSet::new();
    for frame in frames {
        let mut name = frame.name.clone();
        let mut copy = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}_{copy}", frame.name);
            copy += 1;
        }
        frame.name = name;
    }
}
