//! Microsoft 7-Scenes (Shotton et al., CVPR 2013): `frame-N.color.png`, `frame-N.depth.png`, `frame-N.pose.txt`.
//!
//! The data set publishes no calibration. Its page gives f = 585, c = (320, 240) for the *depth* camera, which
//! the poses (KinectFusion tracked the depth camera) belong to as well. For the colour camera the usual numbers of that
//! Kinect are taken: f = 525, c = (320, 240), 2.5 cm to the right of the depth camera and parallel to it. Both numbers
//! are nominal, so depth and poses brought to the colour camera are good to a few pixels, not better.

use std::path::{Path, PathBuf};

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Translation3, UnitQuaternion};

use super::{
    camera::CameraModel,
    decode,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    folder::{self, file_name},
    pose,
    sequence::Frame,
    text,
};
use crate::{Error, Result};

/// (height, width) of everything in the data set.
const SIZE: (usize, usize) = (480, 640);

/// Whether the folder, or a folder `seq-*` in it, holds frames.
pub(super) fn recognise(folder: &Path) -> bool {
    !colour_images(folder).is_empty() || !sequences(folder).is_empty()
}

/// Opens a sequence folder, or a scene folder with one sequence.
pub(super) fn open(input: &Path) -> Result<Vec<Frame>> {
    let folder = choose(input)?;
    let images = colour_images(&folder);
    let colour_from_depth =
        Isometry3::from_parts(Translation3::new(-0.025, 0.0, 0.0), UnitQuaternion::identity());
    let sensor = DepthSensor::Own { pinhole: Pinhole::new(585.0, 585.0, 320.0, 240.0)?, colour_from_depth };
    let colour = CameraModel::undistorted(Pinhole::new(525.0, 525.0, 320.0, 240.0)?, SIZE);
    // ScanNet's raw exporter uses the same file names with another camera.
    let known = match images.first() {
        Some(first) => decode::image_size(first)? == SIZE,
        None => return Err(Error::input(input, "files frame-N.color.png", "none")),
    };
    if !known {
        tracing::warn!("{}: not 640x480 as 7-Scenes is; intrinsics are not known", folder.display());
    }
    images
        .into_iter()
        .map(|image| {
            let name = frame_name(&image).unwrap_or_default();
            let depth = folder.join(format!("{name}.depth.png"));
            let pose_file = folder.join(format!("{name}.pose.txt"));
            let world_from_depth = if pose_file.exists() {
                pose::from_matrix(&pose_file, &text::numbers(&pose_file)?)?
            } else {
                None
            };
            Ok(Frame {
                depth: depth.exists().then_some(DepthFile {
                    path: depth,
                    encoding: DepthEncoding::Png16 { units_per_metre: 1000.0 },
                    sensor,
                }),
                world_from_camera: world_from_depth.map(|pose| pose * colour_from_depth.inverse()),
                camera: known.then_some(colour),
                name,
                ..Frame::of_image(image)
            })
        })
        .collect()
}

fn choose(input: &Path) -> Result<PathBuf> {
    if !colour_images(input).is_empty() {
        return Ok(input.to_path_buf());
    }
    match sequences(input).as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::input(input, "files frame-N.color.png, here or in folders seq-*", "none")),
        several => {
            let names: Vec<_> = several.iter().map(|path| file_name(path)).collect();
            Err(Error::input(
                input,
                "one sequence; name one of its folders",
                format!("{} sequences: {}", names.len(), names.join(", ")),
            ))
        }
    }
}

/// The folders `seq-*` that hold frames.
fn sequences(folder: &Path) -> Vec<PathBuf> {
    let mut folders = folder::list(folder).unwrap_or_default().folders;
    folders.retain(|path| file_name(path).starts_with("seq") && !colour_images(path).is_empty());
    folders
}

fn colour_images(folder: &Path) -> Vec<PathBuf> {
    let mut files = folder::list(folder).unwrap_or_default().files;
    files.retain(|path| folder::is_image_name(path) && frame_name(path).is_some());
    files
}

/// `frame-000010` for `frame-000010.color.jpg`.
fn frame_name(image: &Path) -> Option<String> {
    let stem = folder::stem(image);
    stem.strip_suffix(".color").filter(|name| name.starts_with("frame-")).map(str::to_owned)
}
