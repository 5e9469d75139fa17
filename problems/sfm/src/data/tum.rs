//! The TUM RGB-D benchmark (Sturm et al., IROS 2012): lists of times and files, and a motion-capture track.
//!
//! Depth is registered to the colour image (lens distortion included) at 5000 steps per metre. Colour and depth are
//! taken at slightly different times and are associated where they are at most 0.02 s apart, as the benchmark's own
//! tools do.
//!
//! Intrinsics are not in the folder. Those of the three sensors are known from the benchmark's page "File formats"
//! (section "Intrinsic camera calibration of the Kinect", ROS/OpenCV numbers), and are chosen by the sequence's name:
//! `freiburg1`/`fr1`, `freiburg2`/`fr2`, `freiburg3`/`fr3` in the folder's name or in the first lines of `rgb.txt`.

use std::path::{Path, PathBuf};

use dro_vision::{BrownConrady, Pinhole};
use nalgebra::Isometry3;

use super::{
    camera::CameraModel,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    folder, pose,
    sequence::Frame,
    text,
};
use crate::{Error, Result};

/// Colour and depth belong together when their times differ by at most this.
const ASSOCIATION_S: f64 = 0.02;
/// Motion capture runs at 100 Hz; over a longer gap the markers were hidden and the pose is not known.
const LONGEST_POSE_GAP_S: f64 = 0.2;
const DEPTH_UNITS_PER_METRE: f64 = 5000.0;

/// Opens a sequence folder.
pub(super) fn open(folder: &Path) -> Result<Vec<Frame>> {
    let list = folder.join("rgb.txt");
    let images = timed_files(&list)?;
    if images.is_empty() {
        return Err(Error::input(&list, "lines of \"time file\"", "none"));
    }
    let depth = optional(&folder.join("depth.txt"), timed_files)?;
    let track = optional(&folder.join("groundtruth.txt"), read_track)?;
    let camera = known_camera(folder, &list)?;
    if camera.is_none() {
        tracing::warn!(
            "{}: neither the folder nor rgb.txt names freiburg1, 2 or 3; intrinsics are not known",
            folder.display()
        );
    }
    let frames = images.into_iter().map(|(time_s, image)| Frame {
        depth: nearest_in_time(&depth, time_s).map(|path| DepthFile {
            path: path.clone(),
            encoding: DepthEncoding::Png16 { units_per_metre: DEPTH_UNITS_PER_METRE },
            sensor: DepthSensor::Registered,
        }),
        world_from_camera: pose::interpolate(&track, time_s, LONGEST_POSE_GAP_S),
        timestamp_s: Some(time_s),
        camera,
        ..Frame::of_image(image)
    });
    Ok(frames.collect())
}

/// An empty list where the file is not there.
fn optional<T>(path: &Path, read: impl Fn(&Path) -> Result<Vec<T>>) -> Result<Vec<T>> {
    if path.exists() { read(path) } else { Ok(Vec::new()) }
}

/// The lines "time file", sorted by time; files relative to the list.
fn timed_files(list: &Path) -> Result<Vec<(f64, PathBuf)>> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let content = text::read(list)?;
    let mut files = Vec::new();
    for line in text::lines(list, &content) {
        let expected = "\"time file\", the time in seconds";
        let (time, file) = line
            .text
            .split_once(|c: char| c.is_whitespace() || c == ',')
            .ok_or_else(|| line.error(expected))?;
        let time_s: f64 = time.parse().map_err(|_| line.error(expected))?;
        if !time_s.is_finite() {
            return Err(line.error(expected));
        }
        files.push((time_s, folder.join(file.trim())));
    }
    files.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(files)
}

/// The lines "time tx ty tz qx qy qz qw", sorted by time, without entries that are no pose.
fn read_track(path: &Path) -> Result<Vec<(f64, Isometry3<f64>)>> {
    let content = text::read(path)?;
    let mut track = Vec::new();
    for line in text::lines(path, &content) {
        let numbers = line.numbers()?;
        let &[time_s, x, y, z, qx, qy, qz, qw] = numbers.as_slice() else {
            return Err(line.error("8 numbers: time tx ty tz qx qy qz qw"));
        };
        if !time_s.is_finite() {
            return Err(line.error("a time in seconds first"));
        }
        match pose::from_quaternion([x, y, z, qx, qy, qz, qw]) {
            Some(pose) => track.push((time_s, pose)),
            None => tracing::warn!("{}:{}: no pose; left out", path.display(), line.number),
        }
    }
    track.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(track)
}

fn nearest_in_time(files: &[(f64, PathBuf)], time_s: f64) -> Option<&PathBuf> {
    let after = files.partition_point(|(time, _)| *time < time_s);
    let around = files.get(after.saturating_sub(1)..(after + 1).min(files.len()))?;
    let apart = |(time, _): &(f64, PathBuf)| (time - time_s).abs();
    let closest = around.iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    // Times are printed to the microsecond.
    (apart(closest) <= ASSOCIATION_S + 1e-6).then_some(&closest.1)
}

/// The calibration that the benchmark publishes for a sensor, 640x480.
fn known_camera(folder: &Path, list: &Path) -> Result<Option<CameraModel>> {
    let real = std::fs::canonicalize(folder).map_err(Error::io(folder))?;
    let header: String = text::read(list)?.lines().take_while(|line| line.starts_with('#')).collect();
    let number = [folder::file_name(folder), folder::file_name(&real), header]
        .iter()
        .find_map(|name| sensor_number(name));
    let (intrinsics, distortion) = match number {
        Some(1) => (
            [517.306408, 516.469215, 318.643040, 255.313989],
            BrownConrady { k1: 0.262383, k2: -0.953104, p1: -0.005358, p2: 0.002628, k3: 1.163314 },
        ),
        Some(2) => (
            [520.908620, 521.007327, 325.141442, 249.701764],
            BrownConrady { k1: 0.231222, k2: -0.784899, p1: -0.003257, p2: -0.000105, k3: 0.917205 },
        ),
        // Published already rectified.
        Some(3) => ([535.4, 539.2, 320.1, 247.6], BrownConrady::default()),
        _ => return Ok(None),
    };
    let [fx, fy, cx, cy] = intrinsics;
    Ok(Some(CameraModel { pinhole: Pinhole::new(fx, fy, cx, cy)?, distortion, size: (480, 640) }))
}

/// 1, 2 or 3 for a name with `freiburgN` or the word `frN`.
fn sensor_number(name: &str) -> Option<u8> {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    (1..=3).find(|n| {
        name.contains(&format!("freiburg{n}")) || words.clone().any(|word| word == format!("fr{n}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_by_name() {
        let names =
            ["tum_fr1_xyz", "rgbd_dataset_freiburg2_desk", "# file: 'x_freiburg3_y.bag'", "fr2", "afr1"];
        assert_eq!(names.map(sensor_number), [Some(1), Some(2), Some(3), Some(2), None]);
    }

    #[test]
    fn association_takes_the_nearest_within_reach() {
        let files: Vec<_> = [1.0, 1.03, 2.0].map(|t| (t, PathBuf::from(t.to_string()))).into();
        let at = |time_s| nearest_in_time(&files, time_s).map(|p| p.display().to_string());
        assert_eq!(at(1.014).as_deref(), Some("1"));
        assert_eq!(at(1.017).as_deref(), Some("1.03"));
        assert_eq!(at(1.98).as_deref(), Some("2"));
        assert_eq!(at(2.02).as_deref(), Some("2"));
        assert_eq!(at(1.06), None);
        assert!(nearest_in_time(&[], 1.0).is_none());
    }
}
