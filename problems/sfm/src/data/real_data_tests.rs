//! The loaders on real sequences, where these lie beside the checkout (`../shared/data`).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use candle_core::Device;
use nalgebra::{Isometry3, Point2};

use super::*;
use crate::Map;

/// `None` (and a line of output) where the data is not there.
fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no {}", path.display());
    None
}

/// Opens a set and reads every file of it.
fn opened(path: &Path, layout: Layout, frames: usize) -> Sequence {
    let sequence = Sequence::open(path, None).unwrap();
    assert_eq!(sequence.layout, layout);
    assert_eq!(sequence.frames.len(), frames);
    let size = sequence.image_size().unwrap();
    let names: std::collections::HashSet<_> = sequence.frames.iter().map(|frame| &frame.name).collect();
    assert_eq!(names.len(), frames);
    for frame in &sequence.frames {
        let rgb = frame.load_rgb(&ImageLimits::default()).unwrap();
        assert_eq!((rgb.height() as usize, rgb.width() as usize), size);
        assert_eq!(frame.camera.unwrap().size, size);
        assert!(frame.world_from_camera.is_some(), "{}", frame.name);
        let depth = frame.load_depth().unwrap().unwrap();
        assert!(depth.values().iter().any(|&z| z > 0.0), "{}", frame.name);
    }
    sequence
}

/// Depth of a frame without distortion, its camera there, and its pose.
fn prepared(frame: &Frame, size: (usize, usize)) -> (Map, dro_vision::Pinhole, Isometry3<f64>) {
    let camera = frame.camera.unwrap();
    let depth = frame.load_depth().unwrap().unwrap();
    let sensor = frame.depth.as_ref().unwrap().sensor;
    let depth = prepare_depth(&depth, &sensor, &camera, size).unwrap();
    (depth, camera.pinhole_at(size).unwrap(), frame.world_from_camera.unwrap())
}

/// Carries the depth of one frame to another with the poses: the median of |z − z'| / z'.
fn median_depth_difference(a: &Frame, b: &Frame, size: (usize, usize)) -> f64 {
    let (depth_a, camera_a, world_from_a) = prepared(a, size);
    let (depth_b, camera_b, world_from_b) = prepared(b, size);
    let b_from_a = world_from_b.inverse() * world_from_a;
    let mut differences = Vec::new();
    for row in 0..size.0 {
        for column in 0..size.1 {
            let z = f64::from(depth_a.at(row, column).unwrap());
            if z == 0.0 {
                continue;
            }
            let point = b_from_a * camera_a.backproject(&Point2::new(column as f64, row as f64), z);
            let Some(pixel) = camera_b.project(&point) else { continue };
            if pixel.x < 0.0 || pixel.y < 0.0 {
                continue;
            }
            let seen = depth_b.at((pixel.y + 0.5) as usize, (pixel.x + 0.5) as usize);
            if let Some(seen) = seen.filter(|&z| z > 0.0) {
                differences.push((point.z / f64::from(seen) - 1.0).abs());
            }
        }
    }
    // So little overlap is no evidence; it also happens with wrong poses.
    if differences.len() < 300 {
        return f64::INFINITY;
    }
    differences.sort_by(f64::total_cmp);
    differences[differences.len() / 2]
}

/// The worst of three pairs `apart` frames apart must be below `limit`; with the poses the wrong way round it is not.
fn check_warp(sequence: &Sequence, apart: usize, size: (usize, usize), limit: f64) {
    let count = sequence.frames.len() - apart;
    let inverted = |frame: &Frame| Frame {
        world_from_camera: frame.world_from_camera.map(|pose| pose.inverse()),
        ..frame.clone()
    };
    let (mut worst, mut worst_inverted) = (0.0f64, 0.0f64);
    for start in [0, count / 2, count - 1] {
        let (a, b) = (&sequence.frames[start], &sequence.frames[start + apart]);
        worst = worst.max(median_depth_difference(a, b, size));
        worst_inverted = worst_inverted.max(median_depth_difference(&inverted(a), &inverted(b), size));
    }
    let name = sequence.root.file_name().unwrap().display();
    println!("{name}: median relative depth difference {worst:.4}, poses inverted {worst_inverted:.4}");
    assert!(worst < limit, "{name}: {worst}");
    assert!(worst_inverted > 1.5 * worst, "{name}: inverted poses do as well: {worst_inverted}");
}

#[test]
fn tum_fr1() {
    let Some(path) = data("tum_fr1_xyz") else { return };
    let sequence = opened(&path, Layout::TumRgbd, 40);
    assert!(sequence.frames[0].camera.unwrap().is_distorted());
    check_warp(&sequence, 1, (480, 640), 0.03);
}

#[test]
fn tables() {
    for (name, frames, limit) in [
        ("tum_fr3_structure_notexture_far", 12, 0.03),
        ("tartanair_hospital", 30, 0.02),
        ("iclnuim_office_kt0", 16, 0.02),
        ("redwood_livingroom1", 48, 0.02),
    ] {
        let Some(path) = data(name) else { return };
        let sequence = opened(&path, Layout::FramesCsv, frames);
        check_warp(&sequence, 2, (480, 640), limit);
    }
}

#[test]
fn seven_scenes() {
    let Some(path) = data("sevenscenes_redkitchen") else { return };
    let sequence = opened(&path, Layout::SevenScenes, 48);
    assert_eq!(sequence.frames[1].name, "frame-000005");
    assert_eq!(Sequence::open(&path.join("seq-01"), None).unwrap().frames, sequence.frames);
    check_warp(&sequence, 2, (240, 320), 0.02);
}

/// The colour images decide whether the colour camera stands right of the depth camera, as this crate says, or left:
/// carried with depth and poses, one image must match the next better than with the offset the other way round.
#[test]
fn seven_scenes_colour_offset() {
    let Some(path) = data("sevenscenes_redkitchen") else { return };
    let sequence = Sequence::open(&path, None).unwrap();
    let shifted = |frame: &Frame, offset_m: f64| {
        let mut frame = frame.clone();
        let Some(DepthFile { sensor: DepthSensor::Own { colour_from_depth, .. }, .. }) = &mut frame.depth
        else {
            panic!("a depth camera of its own")
        };
        let world_from_depth = frame.world_from_camera.unwrap() * *colour_from_depth;
        *colour_from_depth = Isometry3::translation(offset_m, 0.0, 0.0);
        frame.world_from_camera = Some(world_from_depth * colour_from_depth.inverse());
        frame
    };
    let error = |offset_m| {
        let pairs = [0, 10, 20, 30, 40];
        let sum: f64 = pairs
            .iter()
            .map(|&i| {
                photometric(
                    &shifted(&sequence.frames[i], offset_m),
                    &shifted(&sequence.frames[i + 4], offset_m),
                )
            })
            .sum();
        sum / pairs.len() as f64
    };
    let errors = [-0.05, -0.025, 0.0, 0.025].map(|offset_m| (offset_m, error(offset_m)));
    println!("7-Scenes: photometric error by colour_from_depth x: {errors:?}");
    assert!(errors[1].1 < errors[3].1);
}

/// Mean absolute grey difference of `b` and `a` carried to `b`'s pixels, 0 to 255.
fn photometric(a: &Frame, b: &Frame) -> f64 {
    let size = (480, 640);
    let (depth, camera, world_from_a) = prepared(a, size);
    let (_, camera_b, world_from_b) = prepared(b, size);
    let b_from_a = world_from_b.inverse() * world_from_a;
    let grey = |frame: &Frame| image::imageops::grayscale(&frame.load_rgb(&ImageLimits::default()).unwrap());
    let (image_a, image_b) = (grey(a), grey(b));
    let mut differences = Vec::new();
    for row in 0..size.0 {
        for column in 0..size.1 {
            let z = f64::from(depth.at(row, column).unwrap());
            if z == 0.0 {
                continue;
            }
            let point = b_from_a * camera.backproject(&Point2::new(column as f64, row as f64), z);
            let Some(pixel) = camera_b.project(&point) else { continue };
            let Some(value) = image::imageops::interpolate_bilinear(&image_b, pixel.x as f32, pixel.y as f32)
            else {
                continue;
            };
            let own = image_a.get_pixel(column as u32, row as u32);
            differences.push(f64::from(value.0[0].abs_diff(own.0[0])));
        }
    }
    differences.iter().sum::<f64>() / differences.len() as f64
}

#[test]
fn kitti() {
    let Some(path) = data("kitti_tiny") else { return };
    let sequence = opened(&path, Layout::KittiRaw, 7);
    let drive = path.join("2011_09_26/2011_09_26_drive_0023_sync");
    for place in [path.join("2011_09_26"), drive.clone(), drive.join("image_02"), drive.join("image_02/data")]
    {
        let same = Sequence::open(&place, None).unwrap();
        assert_eq!(same.frames.len(), 7, "{}", place.display());
        assert_eq!(same.frames[3].world_from_camera, sequence.frames[3].world_from_camera);
    }
    let right = opened(&drive.join("image_03"), Layout::KittiRaw, 7);
    let mut travelled_m = 0.0;
    for (pair, right) in sequence.frames.windows(2).zip(&right.frames) {
        let [a, b] = pair else { panic!() };
        let step = a.world_from_camera.unwrap().inverse() * b.world_from_camera.unwrap();
        // The car drives forward.
        assert!((0.87..1.0).contains(&step.translation.z), "{step}");
        travelled_m += step.translation.vector.norm();
        // Both cameras look the same way, 0.53 m apart, the right one at +x.
        let baseline = a.world_from_camera.unwrap().inverse() * right.world_from_camera.unwrap();
        assert!((baseline.translation.x - 0.5327).abs() < 1e-3, "{baseline}");
        assert!(baseline.rotation.angle() < 1e-9);
        let apart_s = b.timestamp_s.unwrap() - a.timestamp_s.unwrap();
        assert!((apart_s - 0.1036).abs() < 0.002, "{apart_s}");
    }
    // The unit's own forward velocity, 8.82 m/s on average, over six frames of 0.1036 s. Packets are taken every 10 ms
    // and the nearest one is stored, so a single step is 0.89 m or 0.98 m.
    println!("kitti: {:.3} m per frame", travelled_m / 6.0);
    assert!((travelled_m / (8.82 * 6.0 * 0.1036) - 1.0).abs() < 0.03, "{travelled_m}");
    check_warp(&sequence, 1, (375, 1242), 0.03);
}

/// From files to what a solver takes.
#[test]
fn a_distorted_frame_prepared() {
    let Some(path) = data("tum_fr1_xyz") else { return };
    let sequence = Sequence::open(&path, None).unwrap();
    let frame = &sequence.frames[0];
    let rgb = frame.load_rgb(&ImageLimits::default()).unwrap();
    let (tensor, pinhole) = prepare(&rgb, &frame.camera.unwrap(), (240, 320), &Device::Cpu).unwrap();
    assert_eq!(tensor.dims(), [1, 3, 240, 320]);
    assert!((pinhole.fx - 517.306408 / 2.0).abs() < 1e-9);
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let before: Vec<f32> = rgb.as_raw().iter().map(|&v| f32::from(v) / 255.0).collect();
    assert!((mean(&values) - mean(&before)).abs() < 0.02);
}
