//! KITTI raw data (Geiger et al., IJRR 2013), synchronised and rectified drives.
//!
//! ```text
//! 2011_09_26/calib_cam_to_cam.txt  calib_velo_to_cam.txt  calib_imu_to_velo.txt
//! 2011_09_26/2011_09_26_drive_0023_sync/image_02/data/0000000000.png  timestamps.txt
//!                                       oxts/data/0000000000.txt
//!                                       proj_depth/velodyne/image_02/0000000000.npz (or .png)
//! ```
//!
//! The input may be the camera's folder, the drive, the day, or a folder above it; camera 02 (left colour) is taken
//! unless the path names another. Intrinsics are `P_rect`, poses come from OXTS ([`oxts`](super::oxts)), carried from
//! the inertial unit through the Velodyne to the rectified camera. Depth is projected Velodyne: `.npz` with the key
//! `velodyne_depth`, or 16-bit `.png` with 256 steps per metre; `proj_depth/groundtruth` is used where there is no
//! `proj_depth/velodyne`.

use std::path::{Path, PathBuf};

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Matrix3, Translation3, Vector3};

use super::{
    camera::CameraModel,
    decode,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    folder::{self, file_name},
    oxts, pose,
    sequence::Frame,
    text,
};
use crate::{Error, Result};

/// In order of preference.
const CAMERAS: [&str; 4] = ["image_02", "image_03", "image_00", "image_01"];

/// One camera of one drive.
#[derive(Debug)]
struct Place {
    drive: PathBuf,
    camera: String,
}

/// Whether there is a drive at, above, or below the folder.
pub(super) fn recognise(folder: &Path) -> bool {
    !places(folder).is_empty()
}

/// Opens one camera of one drive.
pub(super) fn open(input: &Path) -> Result<Vec<Frame>> {
    let found = places(input);
    let place = match found.as_slice() {
        [one] => one,
        [] => return Err(Error::input(input, "a KITTI raw drive with image_02/data", "none")),
        several => {
            let names: Vec<_> = several.iter().map(|place| file_name(&place.drive)).collect();
            return Err(Error::input(
                input,
                "one drive; name its folder",
                format!("{} drives: {}", names.len(), names.join(", ")),
            ));
        }
    };
    let mut frames = folder::open(&place.drive.join(&place.camera).join("data"))?;
    let calibration = Calibration::read(place)?;
    let camera = match (&calibration, frames.first()) {
        (Some(calibration), Some(first)) => Some(calibration.at_size(decode::image_size(&first.image)?)?),
        _ => None,
    };
    let track = match calibration.as_ref().and_then(|c| c.camera_from_imu) {
        Some(camera_from_imu) => {
            oxts::Track::open(&place.drive.join("oxts/data"))?.map(|t| (t, camera_from_imu))
        }
        None => None,
    };
    let times = oxts::read_times(&place.drive.join(&place.camera).join("timestamps.txt"))?;
    for frame in &mut frames {
        frame.camera = camera;
        frame.depth = depth_file(place, &frame.name);
        frame.timestamp_s = frame.name.parse().ok().and_then(|n: usize| times.get(n).copied());
        if let Some((track, camera_from_imu)) = &track {
            frame.world_from_camera = track
                .world_from_imu(&frame.name)?
                .map(|world_from_imu| world_from_imu * camera_from_imu.inverse());
        }
    }
    Ok(frames)
}

fn places(input: &Path) -> Vec<Place> {
    let here = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
    // The camera's folder, or `data` in it.
    for folder in [Some(here.as_path()), here.parent()].into_iter().flatten() {
        let name = file_name(folder);
        if let (Some(drive), true) =
            (folder.parent(), CAMERAS.contains(&name.as_str()) && folder.join("data").is_dir())
        {
            return vec![Place { drive: drive.to_path_buf(), camera: name }];
        }
    }
    let mut level = vec![here];
    for _ in 0..3 {
        let drives: Vec<_> = level.iter().filter_map(|folder| drive(folder)).collect();
        if !drives.is_empty() {
            return drives;
        }
        level = level.iter().flat_map(|folder| folder::list(folder).unwrap_or_default().folders).collect();
    }
    Vec::new()
}

fn drive(folder: &Path) -> Option<Place> {
    let camera = CAMERAS.into_iter().find(|camera| folder.join(camera).join("data").is_dir())?;
    Some(Place { drive: folder.to_path_buf(), camera: camera.to_owned() })
}

fn depth_file(place: &Place, name: &str) -> Option<DepthFile> {
    ["velodyne", "groundtruth"].into_iter().find_map(|kind| {
        let stem = place.drive.join("proj_depth").join(kind).join(&place.camera).join(name);
        // Not `with_extension`: a name may hold a dot.
        let with_ending = |ending: &str| PathBuf::from(format!("{}.{ending}", stem.display()));
        let (npz, png) = (with_ending("npz"), with_ending("png"));
        let (path, encoding) = if npz.exists() {
            (npz, DepthEncoding::Npz { key: "velodyne_depth".into() })
        } else if png.exists() {
            (png, DepthEncoding::Png16 { units_per_metre: 256.0 })
        } else {
            return None;
        };
        Some(DepthFile { path, encoding, sensor: DepthSensor::Registered })
    })
}

/// What the calibration files of the day say about one rectified camera.
#[derive(Debug)]
struct Calibration {
    pinhole: Pinhole,
    /// (height, width) after rectification.
    size: (usize, usize),
    /// `None` where one of the files on the way is missing.
    camera_from_imu: Option<Isometry3<f64>>,
}

impl Calibration {
    /// `None` (and a warning) where there is no calibration file.
    fn read(place: &Place) -> Result<Option<Self>> {
        // Beside the drive, or copied into it.
        let folders = [place.drive.parent().unwrap_or(&place.drive), &place.drive];
        let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let Some(cameras) = find("calib_cam_to_cam.txt") else {
            tracing::warn!("{}: no calib_cam_to_cam.txt; intrinsics are not known", place.drive.display());
            return Ok(None);
        };
        let number = place.camera.trim_start_matches("image_");
        let p = values::<12>(&cameras, &format!("P_rect_{number}"))?;
        let [width, height] = values(&cameras, &format!("S_rect_{number}"))?;
        if !(width >= 1.0 && height >= 1.0 && width <= 1e6 && height <= 1e6) {
            return Err(Error::input(
                &cameras,
                format!("an image size in S_rect_{number}"),
                format!("{width}x{height}"),
            ));
        }
        let pinhole = Pinhole::new(p[0], p[5], p[2], p[6]).map_err(|error| {
            Error::input(&cameras, format!("a camera in P_rect_{number}"), error.to_string())
        })?;
        let rectification = values::<9>(&cameras, "R_rect_00")?;
        let rectification = pose::nearest_rotation(&Matrix3::from_row_slice(&rectification))
            .ok_or_else(|| Error::input(&cameras, "a rotation in R_rect_00", format!("{rectification:?}")))?;
        // P = K [I | t] with t from the rectified camera 0 to this one, so K t is its last column.
        let z = p[11];
        let offset = Vector3::new((p[3] - p[2] * z) / p[0], (p[7] - p[6] * z) / p[5], z);
        let camera_from_velo_axes = Isometry3::from_parts(Translation3::from(offset), rectification);
        let camera_from_imu = match (find("calib_velo_to_cam.txt"), find("calib_imu_to_velo.txt")) {
            (Some(velo_to_cam), Some(imu_to_velo)) => {
                Some(camera_from_velo_axes * rigid(&velo_to_cam)? * rigid(&imu_to_velo)?)
            }
            _ => {
                tracing::warn!(
                    "{}: no calib_velo_to_cam.txt and calib_imu_to_velo.txt; poses are not known",
                    place.drive.display()
                );
                None
            }
        };
        Ok(Some(Self { pinhole, size: (height as usize, width as usize), camera_from_imu }))
    }

    /// The camera of images that were resized after rectification.
    fn at_size(&self, size: (usize, usize)) -> Result<CameraModel> {
        let whole = CameraModel::undistorted(self.pinhole, self.size);
        Ok(CameraModel::undistorted(whole.pinhole_at(size)?, size))
    }
}

/// The keys R and T of a calibration file.
fn rigid(path: &Path) -> Result<Isometry3<f64>> {
    let rotation = values::<9>(path, "R")?;
    let [x, y, z] = values(path, "T")?;
    let rotation = pose::nearest_rotation(&Matrix3::from_row_slice(&rotation))
        .ok_or_else(|| Error::input(path, "a rotation in R", format!("{rotation:?}")))?;
    Ok(Isometry3::from_parts(Translation3::new(x, y, z), rotation))
}

/// The numbers of the line `key: …`.
fn values<const N: usize>(path: &Path, key: &str) -> Result<[f64; N]> {
    let content = text::read(path)?;
    let found = text::lines(path, &content).find_map(|line| {
        let (name, rest) = line.text.split_once(':')?;
        (name.trim() == key).then_some((line, rest))
    });
    let Some((line, rest)) = found else {
        return Err(Error::input(path, format!("a line \"{key}: …\""), "none"));
    };
    let numbers: Vec<f64> = rest
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .filter(|v: &f64| v.is_finite())
        .collect();
    if rest.split_whitespace().count() != N {
        return Err(line.error(format!("{N} numbers after \"{key}:\"")));
    }
    numbers.try_into().map_err(|_| line.error(format!("{N} finite numbers after \"{key}:\"")))
}
