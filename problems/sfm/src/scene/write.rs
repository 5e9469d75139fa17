//! A rendered sequence on disk.

use std::path::Path;

use dro_vision::Pinhole;
use nalgebra::Isometry3;

use super::Room;
use crate::{
    Result,
    export::{depth, picture, write_atomically},
};

/// PNG steps per metre: a fifth of a millimetre, and 13 m at most, more than any room has.
const DEPTH_SCALE: f64 = 5000.0;

const HEADER: [&str; 22] = [
    "idx",
    "rgb",
    "depth",
    "depth_scale",
    "width",
    "height",
    "fx",
    "fy",
    "cx",
    "cy",
    "c2w_00",
    "c2w_01",
    "c2w_02",
    "c2w_03",
    "c2w_10",
    "c2w_11",
    "c2w_12",
    "c2w_13",
    "c2w_20",
    "c2w_21",
    "c2w_22",
    "c2w_23",
];

/// Renders the room from every pose and writes `rgb/000000.png`, `depth/000000.png` (16 bit, 5000 per metre) and, last,
/// `frames.csv`: size, intrinsics and `world_from_camera` of each frame.
///
/// # Errors
/// If the size is not renderable or a file cannot be written.
pub fn write_sequence(
    folder: impl AsRef<Path>,
    room: &Room,
    camera: &Pinhole,
    (height, width): (usize, usize),
    world_from_cameras: &[Isometry3<f64>],
) -> Result<()> {
    let folder = folder.as_ref();
    let mut rows = Vec::with_capacity(world_from_cameras.len());
    for (index, pose) in world_from_cameras.iter().enumerate() {
        let view = room.render(camera, height, width, pose)?;
        let (rgb, depth_m) = (format!("rgb/{index:06}.png"), format!("depth/{index:06}.png"));
        picture::write(folder.join(&rgb), &view.rgb)?;
        depth::write_png(folder.join(&depth_m), &view.depth, DEPTH_SCALE)?;

        let mut row = vec![index.to_string(), rgb, depth_m, DEPTH_SCALE.to_string()];
        row.extend([width.to_string(), height.to_string()]);
        row.extend([camera.fx, camera.fy, camera.cx, camera.cy].map(|x| format!("{x:.6}")));
        let matrix = pose.to_homogeneous();
        row.extend(matrix.fixed_rows::<3>(0).transpose().iter().map(|x| format!("{x:.9}")));
        rows.push(row);
    }
    write_atomically(folder.join("frames.csv"), |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(HEADER)?;
        for row in &rows {
            table.write_record(row)?;
        }
        table.flush()
    })
}
