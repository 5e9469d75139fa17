//! The mirror image, left and right exchanged.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};

use crate::{Map, Result, Sample, SampleStart};

/// The sample as a mirror shows it: images, depth, camera, poses and start together, so that it is as true as before.
///
/// With F = diag(−1, 1, 1): a point p is at F·p, so a pose T becomes F·T·F; the principal point moves from c_x to
/// w − 1 − c_x. Twice is the identity.
///
/// # Errors
/// If the sample's camera cannot be mirrored (a width of 0).
pub fn flipped(sample: &Sample) -> Result<Sample> {
    let (height, width) = sample.size;
    let depth = mirrored(sample.depth.values(), width);
    Ok(Sample {
        size: sample.size,
        images: sample.images.iter().map(|image| mirrored(image, width)).collect(),
        camera: mirrored_camera(&sample.camera, width)?,
        depth: Map::new(height, width, depth)?,
        poses: sample.poses.iter().map(mirrored_pose).collect(),
        start: sample.start.as_ref().map(mirrored_start).transpose()?,
    })
}

fn mirrored_start(start: &SampleStart) -> Result<SampleStart> {
    let map = &start.inv_depth;
    Ok(SampleStart {
        inv_depth: Map::new(map.height(), map.width(), mirrored(map.values(), map.width()))?,
        poses: start.poses.iter().map(mirrored_pose).collect(),
    })
}

/// The camera of the mirror image, of this width.
pub(super) fn mirrored_camera(camera: &Pinhole, width: usize) -> Result<Pinhole> {
    Ok(Pinhole::new(camera.fx, camera.fy, width as f64 - 1.0 - camera.cx, camera.cy)?)
}

/// Every row backwards.
fn mirrored(values: &[f32], width: usize) -> Vec<f32> {
    values.chunks(width.max(1)).flat_map(|row| row.iter().rev().copied()).collect()
}

/// F·T·F. A rotation by an angle about (x, y, z) becomes one by the same angle about (x, −y, −z).
pub(super) fn mirrored_pose(pose: &Isometry3<f64>) -> Isometry3<f64> {
    let (q, t) = (pose.rotation.quaternion(), pose.translation.vector);
    let turned = Quaternion::new(q.w, q.i, -q.j, -q.k);
    Isometry3::from_parts(Translation3::new(-t.x, t.y, t.z), UnitQuaternion::new_unchecked(turned))
}
