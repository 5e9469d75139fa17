//! The ways a sequence may lie on disk, and how to tell which.

use std::{fmt, path::Path, str::FromStr};

use super::{demon, folder, kitti, scannet, seven_scenes, video};
use crate::{Error, Result};

/// How a sequence lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// Image files in one folder, in natural order (`2.png` before `10.png`), or one image file.
    ImageFolder,
    /// One video file, decoded by the program `ffmpeg`.
    Video,
    /// A table `frames.csv` of images, depth, cameras and poses.
    FramesCsv,
    /// The TUM RGB-D benchmark: `rgb.txt`, `depth.txt`, `groundtruth.txt`.
    TumRgbd,
    /// Microsoft 7-Scenes: `frame-N.color.png`, `.depth.png`, `.pose.txt`.
    SevenScenes,
    /// KITTI raw data: drives with `image_02/data`, `oxts`, and calibration beside the drive.
    KittiRaw,
    /// ScanNet as its exporter writes it: `color`, `depth`, `pose`, `intrinsic`.
    ScanNet,
    /// A DeMoN test pair: `0000.jpg`, `0001.jpg`, `cam.txt`, `poses.txt`, `0000.npz`.
    DemonPair,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 8] = [
        Self::ImageFolder,
        Self::Video,
        Self::FramesCsv,
        Self::TumRgbd,
        Self::SevenScenes,
        Self::KittiRaw,
        Self::ScanNet,
        Self::DemonPair,
    ];

    /// The name users type.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageFolder => "images",
            Self::Video => "video",
            Self::FramesCsv => "frames-csv",
            Self::TumRgbd => "tum",
            Self::SevenScenes => "7scenes",
            Self::KittiRaw => "kitti",
            Self::ScanNet => "scannet",
            Self::DemonPair => "demon",
        }
    }

    /// Recognises the layout of a file or folder.
    ///
    /// # Errors
    /// Where nothing is there, or what is there is no sequence.
    pub fn recognise(input: &Path) -> Result<Self> {
        let kind = std::fs::metadata(input).map_err(Error::io(input))?;
        if kind.is_file() {
            return recognise_file(input);
        }
        if !kind.is_dir() {
            return Err(Error::input(
                input,
                "a folder of images, a video, or a sequence",
                "a device or socket",
            ));
        }
        // From the most to the least particular: a KITTI camera folder also holds cam.txt and poses.txt, and any
        // of them may also hold images.
        let layout = if input.join("frames.csv").is_file() {
            Self::FramesCsv
        } else if input.join("rgb.txt").is_file() {
            Self::TumRgbd
        } else if demon::recognise(input) {
            Self::DemonPair
        } else if seven_scenes::recognise(input) {
            Self::SevenScenes
        } else if kitti::recognise(input) {
            Self::KittiRaw
        } else if scannet::recognise(input) {
            Self::ScanNet
        } else {
            Self::ImageFolder
        };
        Ok(layout)
    }
}

fn recognise_file(input: &Path) -> Result<Layout> {
    if input.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        Ok(Layout::FramesCsv)
    } else if folder::is_image_name(input) {
        Ok(Layout::ImageFolder)
    } else if video::is_video_name(input) {
        Ok(Layout::Video)
    } else {
        Err(Error::input(
            input,
            "a folder of images, a video (mp4, mov, mkv, avi, …), or a sequence folder",
            "a file of another kind (name the layout to override, e.g. \"video\")",
        ))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::argument("layout", format!("one of {known}"), format!("{name:?}"))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for layout in Layout::ALL {
            assert_eq!(layout.to_string().parse::<Layout>().unwrap(), layout);
        }
        let message = "tumm".parse::<Layout>().unwrap_err().to_string();
        assert!(message.contains("frames-csv, tum, 7scenes") && message.contains("\"tumm\""), "{message}");
    }
}
