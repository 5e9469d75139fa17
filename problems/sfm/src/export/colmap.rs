//! Cameras, images and points as a COLMAP text model, which radiance-field and Gaussian-splatting trainers read.

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
};

use dro_vision::Pinhole;
use nalgebra::Isometry3;

use super::{points::ColouredPoint, write_atomically};
use crate::{Error, Result};

/// An image of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct PosedImage {
    /// The file, below the folder of images.
    pub name: String,
    /// Its pose, translation in the unit of the points.
    pub world_from_camera: Isometry3<f64>,
    /// Its camera, pixel centres at integers.
    pub camera: Pinhole,
    /// Height and width in pixels.
    pub size: (usize, usize),
}

/// Writes `cameras.txt`, `images.txt` and `points3D.txt` into `folder`, which is made where it is missing, as COLMAP's documentation says
/// (*Output Format*; Schönberger & Frahm, CVPR 2016): cameras `PINHOLE fx fy cx cy` with the middle of the first pixel at 0.5, rotations
/// and translations of `camera_from_world`. Images that share a camera share its number; points have no tracks.
///
/// # Errors
/// If a pose is not finite, a name has a line break or spaces, or a file cannot be written.
pub fn write_model(folder: &Path, images: &[PosedImage], points: &[ColouredPoint]) -> Result<()> {
    for image in images {
        if !image.world_from_camera.to_homogeneous().iter().all(|x| x.is_finite()) {
            let found = image.world_from_camera.to_string();
            return Err(Error::argument(format!("pose of {}", image.name), "finite numbers", found));
        }
        if image.name.contains(char::is_whitespace) {
            return Err(Error::argument("image name", "one without spaces", format!("{:?}", image.name)));
        }
    }
    let mut cameras: Vec<(Pinhole, (usize, usize))> = Vec::new();
    let numbers: Vec<usize> = images
        .iter()
        .map(|image| {
            let own = (image.camera, image.size);
            cameras.iter().position(|other| *other == own).unwrap_or_else(|| {
                cameras.push(own);
                cameras.len() - 1
            })
        })
        .collect();
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    write_atomically(folder.join("cameras.txt"), |file| {
        let mut out = BufWriter::new(file);
        writeln!(out, "# CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy")?;
        for (number, (camera, (height, width))) in (1..).zip(&cameras) {
            let Pinhole { fx, fy, cx, cy } = camera;
            writeln!(out, "{number} PINHOLE {width} {height} {fx} {fy} {} {}", cx + 0.5, cy + 0.5)?;
        }
        out.flush()
    })?;
    write_atomically(folder.join("images.txt"), |file| {
        let mut out = BufWriter::new(file);
        writeln!(out, "# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of points, empty here")?;
        for ((number, image), camera) in (1..).zip(images).zip(&numbers) {
            let camera_from_world = image.world_from_camera.inverse();
            let (q, t) = (camera_from_world.rotation, camera_from_world.translation);
            let numbers = [q.w, q.i, q.j, q.k, t.x, t.y, t.z].map(|x| format!("{x:.12}")).join(" ");
            writeln!(out, "{number} {numbers} {} {}\n", camera + 1, image.name)?;
        }
        out.flush()
    })?;
    write_atomically(folder.join("points3D.txt"), |file| {
        let mut out = BufWriter::new(file);
        writeln!(out, "# POINT3D_ID X Y Z R G B ERROR, no track")?;
        for (number, point) in (1..).zip(points) {
            let ([x, y, z], [red, green, blue]) = (point.position, point.colour);
            writeln!(out, "{number} {x} {y} {z} {red} {green} {blue} 0")?;
        }
        out.flush()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use nalgebra::{Point3, Quaternion, Translation3, UnitQuaternion, Vector3};

    use super::*;

    fn numbers(line: &str) -> Vec<f64> {
        line.split(' ').filter_map(|word| word.parse().ok()).collect()
    }

    fn posed(name: &str, fx: f64, pose: Isometry3<f64>) -> PosedImage {
        let camera = Pinhole::new(fx, 210.0, 39.5, 29.5).unwrap();
        PosedImage { name: name.into(), world_from_camera: pose, camera, size: (60, 80) }
    }

    /// A reader that knows nothing but the format sees each point where we do, half a pixel to the right and down.
    #[test]
    fn points_project_to_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let pose =
            |i: f64| Isometry3::new(Vector3::new(0.3 * i, -0.1, 0.2), Vector3::new(0.02, -0.1 * i, 0.05));
        let images = [
            posed("a.png", 200.0, pose(0.0)),
            posed("b.png", 200.0, pose(1.0)),
            posed("c.png", 230.0, pose(2.0)),
        ];
        let point = ColouredPoint { position: [0.25, -0.5, 3.0], colour: [1, 128, 255] };
        write_model(folder.path(), &images, &[point; 2]).unwrap();
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            text.lines().skip(1).map(str::to_owned).collect()
        };
        let cameras = lines("cameras.txt");
        assert_eq!(cameras, ["1 PINHOLE 80 60 200 210 40 30", "2 PINHOLE 80 60 230 210 40 30"]);
        let points = lines("points3D.txt");
        assert_eq!(points, ["1 0.25 -0.5 3 1 128 255 0", "2 0.25 -0.5 3 1 128 255 0"]);
        let rows = lines("images.txt");
        assert_eq!(rows.len(), 6);
        for (rows, image) in rows.chunks(2).zip(&images) {
            assert!(rows[0].ends_with(&image.name) && rows[1].is_empty(), "{rows:?}");
            let [_, w, x, y, z, tx, ty, tz, camera] = numbers(&rows[0])[..] else { panic!("{rows:?}") };
            let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
            let seen =
                Isometry3::from_parts(Translation3::new(tx, ty, tz), rotation) * Point3::new(0.25, -0.5, 3.0);
            let [_, _, _, fx, fy, cx, cy] = numbers(&cameras[camera as usize - 1].replace("PINHOLE", ""))[..]
            else {
                panic!("{cameras:?}")
            };
            let theirs = [fx * seen.x / seen.z + cx, fy * seen.y / seen.z + cy];
            let ours = image
                .camera
                .project(&image.world_from_camera.inverse_transform_point(&Point3::new(0.25, -0.5, 3.0)));
            let ours = ours.unwrap();
            assert!(
                (theirs[0] - ours.x - 0.5).abs() < 1e-6 && (theirs[1] - ours.y - 0.5).abs() < 1e-6,
                "{theirs:?} {ours}"
            );
        }
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("model");
        let nowhere = posed("a.png", 200.0, Isometry3::translation(f64::NAN, 0.0, 0.0));
        assert!(write_model(&folder, &[nowhere], &[]).unwrap_err().to_string().contains("a.png"));
        let spaces = posed("a b.png", 200.0, Isometry3::identity());
        assert!(write_model(&folder, &[spaces], &[]).unwrap_err().to_string().contains("a b.png"));
        assert!(!folder.exists());
    }
}
