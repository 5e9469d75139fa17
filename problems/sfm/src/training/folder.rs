//! Samples of a recorded sequence.

use std::path::PathBuf;

use candle_core::Device;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Map, Result, Sample,
    data::{Frame, ImageLimits, Listed, OpenOptions, Sequence, listed, prepare, prepare_depth},
};

/// A sequence on disk to take samples from: images with cameras and poses, and depth where a loss asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The file or folder.
    pub path: PathBuf,
    /// Its layout by name; recognised if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// A list of the images below `path` that are targets, as of `dro sfm eval --split`; it may name several sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<PathBuf>,
    /// How often it is drawn, beside the others.
    #[serde(default = "one")]
    pub weight: f64,
    /// Frames between the target and its nearest neighbour, least and most.
    #[serde(default = "next")]
    pub gap: [usize; 2],
    /// How many samples there are, kept in memory once read; 0: all there can be, read each time.
    #[serde(default)]
    pub pool: u64,
}

fn one() -> f64 {
    1.0
}

fn next() -> [usize; 2] {
    [1, 1]
}

impl FolderConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.weight >= 0.0 && self.weight.is_finite()) {
            return Err(Error::argument("folders.weight", "at least 0", self.weight));
        }
        let [least, most] = self.gap;
        if least == 0 || least > most {
            return Err(Error::argument("folders.gap", "1 <= least <= most", format!("{:?}", self.gap)));
        }
        Ok(())
    }
}

/// Open sequences to take samples from.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    recordings: Vec<Recording>,
    gap: [usize; 2],
    /// A recording's number, and the number of a target among its usable frames.
    targets: Vec<(usize, usize)>,
}

/// A sequence and those of its frames that have what a sample needs.
#[derive(Debug, Clone)]
struct Recording {
    sequence: Sequence,
    usable: Vec<usize>,
}

impl Recording {
    fn new(sequence: Sequence) -> Self {
        let complete = |frame: &Frame| {
            let pose = frame.world_from_camera.as_ref();
            frame.camera.is_some()
                && pose.is_some_and(|pose| pose.to_homogeneous().iter().all(|x| x.is_finite()))
        };
        let frames = sequence.frames.iter().enumerate();
        let usable = frames.filter(|(_, frame)| complete(frame)).map(|(index, _)| index).collect();
        Self { sequence, usable }
    }
}

impl Folder {
    pub(super) fn open(config: &FolderConfig) -> Result<Self> {
        config.validate()?;
        let layout = match &config.layout {
            Some(name) => Some(name.parse().map_err(|_| {
                Error::argument("folders.layout", "the name of a layout", format!("{name:?}"))
            })?),
            None => None,
        };
        let options = OpenOptions { layout, ..OpenOptions::default() };
        let (mut recordings, mut targets) = (Vec::new(), Vec::new());
        match &config.split {
            None => {
                let recording = Recording::new(Sequence::open_with(&config.path, &options)?);
                if recording.usable.len() > 1 {
                    targets.extend((0..recording.usable.len()).map(|target| (0, target)));
                }
                recordings.push(recording);
            }
            Some(list) => {
                for Listed { sequence, targets: named, .. } in listed(&config.path, list, &options)? {
                    let recording = Recording::new(sequence);
                    let usable = |frame: usize| recording.usable.iter().position(|&other| other == frame);
                    if recording.usable.len() > 1 {
                        let found = named.iter().filter_map(|(target, _)| usable(*target));
                        targets.extend(found.map(|target| (recordings.len(), target)));
                    }
                    recordings.push(recording);
                }
            }
        }
        if targets.is_empty() {
            let expected = "at least two frames with a camera and a finite pose";
            let found = recordings.iter().map(|recording| recording.usable.len()).max().unwrap_or(0);
            return Err(Error::input(&config.path, expected, found.to_string()));
        }
        Ok(Self { recordings, gap: config.gap, targets })
    }

    /// A target and the frames around it: next, before, second next, and so on.
    pub(super) fn sample(
        &self,
        rng: &mut impl Rng,
        neighbours: usize,
        size: (usize, usize),
    ) -> Result<Sample> {
        let drawn = self.targets.get(rng.random_range(0..self.targets.len().max(1)));
        let place = drawn.and_then(|(number, target)| Some((self.recordings.get(*number)?, *target as i64)));
        let (recording, target) = place.ok_or_else(|| Error::argument("folder", "a target", "none"))?;
        let count = recording.usable.len() as i64;
        let gap = rng.random_range(self.gap[0]..=self.gap[1]) as i64;
        let reflected = |mut at: i64| {
            // At the ends the path is walked back.
            if at < 0 {
                at = -at;
            }
            if at >= count {
                at = 2 * (count - 1) - at;
            }
            if at == target {
                if target > 0 { target - 1 } else { target + 1 }
            } else {
                at.clamp(0, count - 1)
            }
        };
        let around = (0..neighbours as i64).map(|index| {
            let away = (index / 2 + 1) * gap;
            reflected(if index % 2 == 0 { target + away } else { target - away })
        });
        let chosen: Vec<&Frame> = std::iter::once(target)
            .chain(around)
            .filter_map(|at| recording.sequence.frames.get(*recording.usable.get(at as usize)?))
            .collect();
        recording.read(&chosen, size)
    }
}

impl Recording {
    fn read(&self, frames: &[&Frame], size: (usize, usize)) -> Result<Sample> {
        let missing = |what: &str| Error::input(&self.sequence.root, what, "none");
        let (mut images, mut poses) = (Vec::new(), Vec::new());
        for frame in frames {
            let camera = frame.camera.as_ref().ok_or_else(|| missing("a camera"))?;
            let rgb = frame.load_rgb(&ImageLimits::default())?;
            let (image, pinhole) = prepare(&rgb, camera, size, &Device::Cpu)?;
            images.push((image.flatten_all()?.to_vec1::<f32>()?, pinhole));
            poses.push(frame.world_from_camera.ok_or_else(|| missing("a pose"))?);
        }
        let first = frames.first().ok_or_else(|| missing("a frame"))?;
        let (Some((_, camera)), Some(target)) = (images.first(), poses.first()) else {
            return Err(missing("a frame"));
        };
        let depth = match (&first.depth, &first.camera, first.load_depth()?) {
            (Some(file), Some(model), Some(depth)) => prepare_depth(&depth, &file.sensor, model, size)?,
            _ => Map::new(size.0, size.1, vec![0.0; size.0 * size.1])?,
        };
        let sample = Sample {
            size,
            camera: *camera,
            depth,
            poses: poses.iter().skip(1).map(|neighbour| neighbour.inv_mul(target)).collect(),
            images: images.into_iter().map(|(image, _)| image).collect(),
            start: None,
        };
        sample.check().map_err(|error| Error::input(&first.image, "a usable sample", error.to_string()))?;
        Ok(sample)
    }
}
