//! ScanNet (Dai et al., CVPR 2017) as its exporter writes it: `color/N.jpg`, `depth/N.png`, `pose/N.txt`,
//! `intrinsic/intrinsic_color.txt` and `intrinsic_depth.txt`.
//!
//! Depth is 16-bit millimetres at its own, smaller size with its own intrinsics; both cameras are taken to stand in the
//! same place (the exporter's extrinsics are the identity). Without `intrinsic_depth.txt` depth is taken to be
//! registered. Poses are camera-to-world; `-inf` where tracking failed.

use std::path::Path;

use dro_vision::Pinhole;
use nalgebra::Isometry3;

use super::{
    camera::CameraModel,
    decode,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    folder, intrinsics, pose,
    sequence::Frame,
    text,
};
use crate::Result;

/// Whether the folder holds `color` and one of its companions.
pub(super) fn recognise(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_dir();
    has("color") && (has("pose") || has("intrinsic"))
}

/// Opens a scan.
pub(super) fn open(input: &Path) -> Result<Vec<Frame>> {
    let mut frames = folder::open(&input.join("color"))?;
    let colour = optional_pinhole(&input.join("intrinsic/intrinsic_color.txt"))?;
    if colour.is_none() {
        tracing::warn!("{}: no intrinsic/intrinsic_color.txt; intrinsics are not known", input.display());
    }
    let camera = match (colour, frames.first()) {
        (Some(pinhole), Some(first)) => {
            Some(CameraModel::undistorted(pinhole, decode::image_size(&first.image)?))
        }
        _ => None,
    };
    let sensor = match optional_pinhole(&input.join("intrinsic/intrinsic_depth.txt"))? {
        Some(pinhole) => DepthSensor::Own { pinhole, colour_from_depth: Isometry3::identity() },
        None => DepthSensor::Registered,
    };
    for frame in &mut frames {
        let depth = input.join("depth").join(format!("{}.png", frame.name));
        let pose_file = input.join("pose").join(format!("{}.txt", frame.name));
        frame.camera = camera;
        frame.depth = depth.exists().then_some(DepthFile {
            path: depth,
            encoding: DepthEncoding::Png16 { units_per_metre: 1000.0 },
            sensor,
        });
        if pose_file.exists() {
            frame.world_from_camera = pose::from_matrix(&pose_file, &text::numbers(&pose_file)?)?;
        }
    }
    Ok(frames)
}

fn optional_pinhole(path: &Path) -> Result<Option<Pinhole>> {
    if path.exists() {
        intrinsics::pinhole_from_matrix(path, &text::numbers(path)?).map(Some)
    } else {
        Ok(None)
    }
}
