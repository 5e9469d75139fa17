//! Small folders of every layout, whole and broken.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use nalgebra::{Isometry3, Vector3};
use tempfile::{TempDir, tempdir};

use super::{video, *};
use crate::Result;

const PIXELS: (u32, u32) = (8, 6);

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn image(folder: &Path, name: &str) {
    image_of(folder, name, PIXELS);
}

fn image_of(folder: &Path, name: &str, (width, height): (u32, u32)) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(width, height, Rgb([10, 20, 30])).save(path).unwrap();
}

fn depth(folder: &Path, name: &str, (width, height): (u32, u32), value: u16) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut map: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(width, height, Luma([value]));
    map.put_pixel(0, 0, Luma([0]));
    map.put_pixel(1, 0, Luma([u16::MAX]));
    map.save(path).unwrap();
}

fn npz(folder: &Path, name: &str, key: &str, metres: f32) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let device = candle_core::Device::Cpu;
    let map = candle_core::Tensor::full(metres, (PIXELS.1 as usize, PIXELS.0 as usize), &device).unwrap();
    let map = map.to_dtype(candle_core::DType::F16).unwrap();
    candle_core::Tensor::write_npz(&[(key, map)], path).unwrap();
}

/// The error's text, which must name every one of `parts`.
fn refused<T>(result: Result<T>, parts: &[&str]) {
    let message = result.map(|_| "no error").unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn names(sequence: &Sequence) -> Vec<&str> {
    sequence.frames.iter().map(|frame| frame.name.as_str()).collect()
}

/// The pose of frame 1, x metres from that of frame 0.
fn step_x(sequence: &Sequence) -> f64 {
    let pose = |i: usize| sequence.frames[i].world_from_camera.unwrap();
    (pose(0).inverse() * pose(1)).translation.x
}

fn centre_depth(frame: &Frame) -> f32 {
    frame.load_depth().unwrap().unwrap().at(3, 4).unwrap()
}

#[test]
fn images_come_in_natural_order_with_unique_names() {
    let folder = tempdir().unwrap();
    for name in ["img10.png", "img2.png", "img1.JPG", "img2.jpg", ".hidden.png"] {
        image(folder.path(), name);
    }
    write(folder.path(), "notes.txt", "x");
    let sequence = Sequence::open(folder.path(), None).unwrap();
    assert_eq!(sequence.layout, Layout::ImageFolder);
    assert_eq!(names(&sequence), ["img1", "img2", "img2_2", "img10"]);
    assert_eq!(sequence.image_size().unwrap(), (6, 8));
    let one = Sequence::open(&folder.path().join("img10.png"), None).unwrap();
    assert_eq!(names(&one), ["img10"]);
}

#[test]
fn part_of_a_sequence() {
    let folder = tempdir().unwrap();
    (0..10).for_each(|i| image(folder.path(), &format!("{i}.png")));
    let open = |options| Sequence::open_with(folder.path(), &options);
    let options = OpenOptions { start: 1, stride: 3, max_frames: Some(2), ..Default::default() };
    assert_eq!(names(&open(options).unwrap()), ["1", "4"]);
    refused(open(OpenOptions { start: 10, ..Default::default() }), &["more than 10 frames", "10 frames"]);
    refused(open(OpenOptions { stride: 0, ..Default::default() }), &["stride", "at least 1"]);
    refused(open(OpenOptions { max_frames: Some(0), ..Default::default() }), &["max_frames", "at least 1"]);
}

#[test]
fn inputs_without_images_are_named() {
    let folder = tempdir().unwrap();
    refused(Sequence::open(&folder.path().join("nowhere"), None), &["nowhere"]);
    refused(Sequence::open(&folder.path().join("nowhere"), Some(Layout::Video)), &["nowhere"]);
    refused(Sequence::open(folder.path(), None), &["image files (png, jpg", "an empty folder"]);
    write(folder.path(), "a.txt", "x");
    write(folder.path(), "b.txt", "x");
    refused(Sequence::open(folder.path(), None), &["image files", "2 other files"]);
    write(folder.path(), "deeper/c.txt", "x");
    refused(Sequence::open(folder.path(), None), &["2 other files and 1 folders (deeper)"]);
    refused(Sequence::open(&folder.path().join("a.txt"), None), &["a.txt", "a video"]);
    for layout in Layout::ALL {
        refused(Sequence::open(folder.path(), Some(layout)), &[folder.path().to_str().unwrap()]);
    }
}

#[test]
fn mixed_sizes_are_named() {
    let folder = tempdir().unwrap();
    image(folder.path(), "a.png");
    image(folder.path(), "b.png");
    image_of(folder.path(), "c.png", (9, 6));
    let sequence = Sequence::open(folder.path(), None).unwrap();
    refused(sequence.image_size(), &["c.png", "8x6", "a.png", "9x6"]);
    write(folder.path(), "b.png", "");
    refused(sequence.image_size(), &["b.png", "empty"]);
}

const CSV_HEADER: &str = "idx,rgb,depth,depth_scale,width,height,fx,fy,cx,cy,c2w_00,c2w_01,c2w_02,c2w_03,c2w_10,\
                          c2w_11,c2w_12,c2w_13,c2w_20,c2w_21,c2w_22,c2w_23\n";

fn table(rows: &str) -> (TempDir, Result<Sequence>) {
    let folder = tempdir().unwrap();
    image(folder.path(), "rgb/a.png");
    image(folder.path(), "rgb/b.png");
    depth(folder.path(), "depth/a.png", PIXELS, 4000);
    write(folder.path(), "frames.csv", &format!("{CSV_HEADER}{rows}"));
    let sequence = Sequence::open(folder.path(), None);
    (folder, sequence)
}

#[test]
fn frames_csv() {
    let (_folder, sequence) = table(
        "0,rgb/a.png,depth/a.png,2000,8,6,10,11,3.5,2.5,1,0,0,0,0,1,0,0,0,0,1,0\n\
         1,rgb/b.png,,,8,6,10,11,3.5,2.5,1,0,0,0.25,0,1,0,0,0,0,1,0\n\
         2,rgb/b.png,,,,,,,,,nan,0,0,0.25,0,1,0,0,0,0,1,0\n",
    );
    let sequence = sequence.unwrap();
    assert_eq!(sequence.layout, Layout::FramesCsv);
    assert_eq!(names(&sequence), ["a", "b", "b_2"]);
    let map = sequence.frames[0].load_depth().unwrap().unwrap();
    assert_eq!(map.values()[..3], [0.0, 0.0, 2.0]);
    assert!(sequence.frames[1].load_depth().unwrap().is_none());
    let camera = sequence.frames[0].camera.unwrap();
    assert_eq!((camera.pinhole.fy, camera.size), (11.0, (6, 8)));
    assert!((step_x(&sequence) - 0.25).abs() < 1e-12);
    assert!(sequence.frames[2].world_from_camera.is_none() && sequence.frames[2].camera.is_none());
}

#[test]
fn malformed_tables_are_named_by_line() {
    let good = "0,rgb/a.png,depth/a.png,2000,8,6,10,11,3.5,2.5,1,0,0,0,0,1,0,0,0,0,1,0\n";
    let replaced = |from: &str, to: &str| format!("{good}{}", good.replacen(from, to, 1));
    for (rows, parts) in [
        (String::new(), ["frames.csv", "no rows"]),
        (replaced("rgb/a.png", "rgb/c.png"), ["frames.csv:3", "rgb/c.png"]),
        (replaced("rgb/a.png", ""), ["frames.csv:3", "empty"]),
        (replaced(",10,", ",ten,"), ["frames.csv:3", "column \"fx\""]),
        (replaced(",10,", ",0,"), ["frames.csv:3", "positive focal length"]),
        (replaced(",10,", ",,"), ["frames.csv:3", "no value for fx"]),
        (replaced(",8,", ",8.5,"), ["frames.csv:3", "width"]),
        (replaced(",2000,", ",-1,"), ["frames.csv:3", "depth_scale"]),
        (replaced("2.5,1,", "2.5,3,"), ["frames.csv:3", "rotation"]),
        (replaced(",0,1,0\n", "\n"), ["frames.csv", "19 fields"]),
    ] {
        refused(table(&rows).1, &parts);
    }
    let folder = tempdir().unwrap();
    write(folder.path(), "frames.csv", "a,b\n1,2\n");
    refused(Sequence::open(folder.path(), None), &["frames.csv", "\"rgb\"", "a, b"]);
}

fn tum(name: &str) -> (TempDir, std::path::PathBuf) {
    let outer = tempdir().unwrap();
    let folder = outer.path().join(name);
    for file in ["rgb/1.000.png", "rgb/1.100.png", "rgb/9.000.png"] {
        image(&folder, file);
    }
    depth(&folder, "depth/1.015.png", PIXELS, 10_000);
    write(&folder, "rgb.txt", "# color\n1.000 rgb/1.000.png\n1.100 rgb/1.100.png\n9.000 rgb/9.000.png\n");
    write(&folder, "depth.txt", "# depth\n1.015 depth/1.015.png\n");
    write(&folder, "groundtruth.txt", "# t\n0.95 0 0 0 0 0 0 1\n1.05 1 0 0 0 0 0 1\n1.15 3 0 0 0 0 0 -1\n");
    (outer, folder)
}

#[test]
fn tum_rgbd() {
    let (_outer, folder) = tum("rgbd_dataset_freiburg1_small");
    let sequence = Sequence::open(&folder, None).unwrap();
    assert_eq!(sequence.layout, Layout::TumRgbd);
    assert_eq!(names(&sequence), ["1.000", "1.100", "9.000"]);
    // Halfway between the entries: 0.5 and 2.
    assert!((step_x(&sequence) - 1.5).abs() < 1e-9);
    assert!(sequence.frames[2].world_from_camera.is_none());
    assert_eq!(centre_depth(&sequence.frames[0]), 2.0);
    assert!(sequence.frames[1].depth.is_none());
    assert_eq!(sequence.frames[0].timestamp_s, Some(1.0));
    assert_eq!(sequence.frames[0].camera.unwrap().distortion.k1, 0.262383);
    let (_outer, folder) = tum("office");
    assert!(Sequence::open(&folder, None).unwrap().frames[0].camera.is_none());
}

#[test]
fn malformed_tum_lists_are_named_by_line() {
    for (file, content, parts) in [
        ("rgb.txt", "# nothing\n", ["rgb.txt", "none"]),
        ("rgb.txt", "1.0 a.png\nx b.png\n", ["rgb.txt:2", "time"]),
        ("depth.txt", "1.0\n", ["depth.txt:1", "time file"]),
        ("groundtruth.txt", "1 2 3 4\n", ["groundtruth.txt:1", "qx qy qz qw"]),
        ("groundtruth.txt", "1 2 3 4 a 0 0 1\n", ["groundtruth.txt:1", "numbers"]),
    ] {
        let (_outer, folder) = tum("fr1");
        write(&folder, file, content);
        refused(Sequence::open(&folder, None), &parts);
    }
}

fn seven_scenes(scene: &Path, sequence: &str) {
    for (i, x) in [(0, 0.0), (5, 0.5)] {
        let stem = format!("{sequence}/frame-{i:06}");
        image_of(scene, &format!("{stem}.color.png"), (640, 480));
        depth(scene, &format!("{stem}.depth.png"), (640, 480), 1500);
        write(scene, &format!("{stem}.pose.txt"), &format!("1 0 0 {x}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"));
    }
}

#[test]
fn seven_scenes_layout() {
    let scene = tempdir().unwrap();
    seven_scenes(scene.path(), "seq-01");
    let sequence = Sequence::open(scene.path(), None).unwrap();
    assert_eq!(sequence.layout, Layout::SevenScenes);
    assert_eq!(names(&sequence), ["frame-000000", "frame-000005"]);
    assert!((step_x(&sequence) - 0.5).abs() < 1e-9);
    // The colour camera stands right of the depth camera that the poses belong to.
    assert!((sequence.frames[0].world_from_camera.unwrap().translation.x - 0.025).abs() < 1e-12);
    assert_eq!(centre_depth(&sequence.frames[0]), 1.5);
    assert_eq!(sequence.frames[0].camera.unwrap().pinhole.fx, 525.0);
    seven_scenes(scene.path(), "seq-02");
    refused(Sequence::open(scene.path(), None), &["2 sequences", "seq-01, seq-02"]);
    assert_eq!(Sequence::open(&scene.path().join("seq-02"), None).unwrap().frames.len(), 2);
    write(scene.path(), "seq-02/frame-000000.pose.txt", "1 0 0\nx");
    refused(Sequence::open(&scene.path().join("seq-02"), None), &["frame-000000.pose.txt:2"]);
}

fn kitti(root: &Path) {
    let day = root.join("2011_01_01");
    let drive = day.join("2011_01_01_drive_0001_sync");
    write(
        &day,
        "calib_cam_to_cam.txt",
        "calib_time: 09-Jan-2012\nR_rect_00: 1 0 0 0 1 0 0 0 1\nS_rect_02: 8 6\n\
         P_rect_02: 10 0 4 0.6 0 10 3 0 0 0 1 0\n",
    );
    // Velodyne x forward, y left, z up; camera x right, y down, z forward.
    write(&day, "calib_velo_to_cam.txt", "calib_time: x\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n");
    write(&day, "calib_imu_to_velo.txt", "calib_time: x\nR: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n");
    for i in 0..2 {
        image(&drive, &format!("image_02/data/000000000{i}.png"));
        // East by 1e-5 degrees, looking east.
        let packet = format!("49 {} 100 0 0 0 1 2 3\n", 8.0 + f64::from(i) * 1e-5);
        write(&drive, &format!("oxts/data/000000000{i}.txt"), &packet);
    }
    write(&drive, "image_02/timestamps.txt", "2011-09-26 13:17:59.25\n2011-09-26 13:17:59.35\n");
    npz(&drive, "proj_depth/velodyne/image_02/0000000000.npz", "velodyne_depth", 7.5);
    depth(&drive, "proj_depth/velodyne/image_02/0000000001.png", PIXELS, 512);
}

#[test]
fn kitti_raw() {
    let root = tempdir().unwrap();
    kitti(root.path());
    let day = root.path().join("2011_01_01");
    let drive = day.join("2011_01_01_drive_0001_sync");
    for place in [root.path(), &day, &drive, &drive.join("image_02"), &drive.join("image_02/data")] {
        let sequence = Sequence::open(place, None).unwrap();
        assert_eq!(sequence.layout, Layout::KittiRaw, "{}", place.display());
        let pose = |i: usize| sequence.frames[i].world_from_camera.unwrap();
        let step = (pose(0).inverse() * pose(1)).translation.vector;
        let metres = 6_378_137.0 * 1e-5f64.to_radians() * 49f64.to_radians().cos();
        assert!((step - Vector3::new(0.0, 0.0, metres)).norm() < 1e-6, "{step}");
        // Camera 2 is 0.06 m left of camera 0: north, when looking east.
        assert!((pose(0).translation.vector - Vector3::new(0.0, 0.06, 0.0)).norm() < 1e-9);
        assert_eq!(centre_depth(&sequence.frames[0]), 7.5);
        assert_eq!(centre_depth(&sequence.frames[1]), 2.0);
        assert!((sequence.frames[1].timestamp_s.unwrap() - 1_317_043_079.35).abs() < 1e-6);
        assert_eq!(sequence.frames[0].camera.unwrap().pinhole.cx, 4.0);
    }
    let calibration = day.join("calib_cam_to_cam.txt");
    let good = std::fs::read_to_string(&calibration).unwrap();
    for (from, to, parts) in [
        ("P_rect_02", "P_rect_03", ["calib_cam_to_cam.txt", "P_rect_02"]),
        ("8 6", "8", ["calib_cam_to_cam.txt:3", "2 numbers"]),
        ("10 0 4", "0 0 4", ["calib_cam_to_cam.txt", "positive"]),
        ("1 0 0 0 1 0 0 0 1", "2 0 0 0 1 0 0 0 1", ["calib_cam_to_cam.txt", "rotation"]),
    ] {
        std::fs::write(&calibration, good.replacen(from, to, 1)).unwrap();
        refused(Sequence::open(root.path(), None), &parts);
    }
    std::fs::write(&calibration, good).unwrap();
    write(&drive, "oxts/data/0000000001.txt", "49 8\n");
    refused(Sequence::open(root.path(), None), &["0000000001.txt", "OXTS"]);
    write(&drive, "oxts/data/0000000001.txt", "49 8 100 0 0 0\n");
    image(&day, "2011_01_01_drive_0002_sync/image_02/data/0000000000.png");
    refused(Sequence::open(&day, None), &["2 drives", "drive_0002_sync"]);
    std::fs::remove_file(calibration).unwrap();
    let bare = Sequence::open(&drive, None).unwrap();
    assert!(bare.frames[0].camera.is_none() && bare.frames[0].world_from_camera.is_none());
}

#[test]
fn scannet() {
    let scan = tempdir().unwrap();
    let lost = "-inf -inf -inf -inf\n".repeat(3) + "-inf -inf -inf -inf\n";
    for (i, pose) in [
        (0, "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"),
        (2, "1 0 0 0.5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"),
        (10, lost.as_str()),
    ] {
        image_of(scan.path(), &format!("color/{i}.jpg"), (16, 12));
        depth(scan.path(), &format!("depth/{i}.png"), PIXELS, 2500);
        write(scan.path(), &format!("pose/{i}.txt"), pose);
    }
    let matrix = |f: f64, cx: f64, cy: f64| format!("{f} 0 {cx} 0\n0 {f} {cy} 0\n0 0 1 0\n0 0 0 1\n");
    write(scan.path(), "intrinsic/intrinsic_color.txt", &matrix(20.0, 7.5, 5.5));
    write(scan.path(), "intrinsic/intrinsic_depth.txt", &matrix(10.0, 3.5, 2.5));
    let sequence = Sequence::open(scan.path(), None).unwrap();
    assert_eq!(sequence.layout, Layout::ScanNet);
    assert_eq!(names(&sequence), ["0", "2", "10"]);
    assert!((step_x(&sequence) - 0.5).abs() < 1e-12);
    assert!(sequence.frames[2].world_from_camera.is_none());
    let camera = sequence.frames[0].camera.unwrap();
    assert_eq!(camera.size, (12, 16));
    let map = sequence.frames[0].load_depth().unwrap().unwrap();
    assert_eq!((map.height(), map.width()), (6, 8));
    let sensor = sequence.frames[0].depth.as_ref().unwrap().sensor;
    let full = prepare_depth(&map, &sensor, &camera, (12, 16)).unwrap();
    // The first depth pixels, none, cover 2x2 colour pixels each.
    assert_eq!(full.values().iter().filter(|&&z| z == 0.0).count(), 8);
    assert_eq!(full.at(11, 15), Some(2.5));
    write(scan.path(), "intrinsic/intrinsic_color.txt", "1 2 3\n");
    refused(Sequence::open(scan.path(), None), &["intrinsic_color.txt", "3 numbers"]);
}

fn demon() -> TempDir {
    let folder = tempdir().unwrap();
    image(folder.path(), "0000.jpg");
    image(folder.path(), "0001.jpg");
    write(folder.path(), "cam.txt", "10 0 3.5\n0 10 2.5\n0 0 1\n");
    write(folder.path(), "poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 -0.5 0 1 0 0 0 0 1 0\n");
    npz(folder.path(), "0000.npz", "depth", 3.0);
    folder
}

#[test]
fn demon_pair() {
    let folder = demon();
    let sequence = Sequence::open(folder.path(), None).unwrap();
    assert_eq!(sequence.layout, Layout::DemonPair);
    assert_eq!(names(&sequence), ["0000", "0001"]);
    // World-to-camera in the file: -0.5 there is +0.5 here.
    assert!((step_x(&sequence) - 0.5).abs() < 1e-12);
    assert_eq!(centre_depth(&sequence.frames[0]), 3.0);
    assert!(sequence.frames[1].depth.is_none());
    for (file, content, parts) in [
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n", ["poses.txt", "1 rows"]),
        ("poses.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n1 2 3\n", ["poses.txt:2", "3 numbers"]),
        ("cam.txt", "10 0 3.5\n0 -1 2.5\n0 0 1\n", ["cam.txt", "fy"]),
        ("cam.txt", "10 0 3.5\n0 b 2.5\n0 0 1\n", ["cam.txt:2", "numbers"]),
    ] {
        let folder = demon();
        write(folder.path(), file, content);
        refused(Sequence::open(folder.path(), None), &parts);
    }
    write(folder.path(), "0000.npz", "no archive");
    refused(sequence.frames[0].load_depth(), &["0000.npz", "numpy"]);
}

#[test]
fn depth_must_be_16_bit() {
    let folder = tempdir().unwrap();
    GrayImage::new(8, 6).save(folder.path().join("d.png")).unwrap();
    let file = DepthFile {
        path: folder.path().join("d.png"),
        encoding: DepthEncoding::Png16 { units_per_metre: 1000.0 },
        sensor: DepthSensor::Registered,
    };
    refused(file.load(), &["d.png", "16-bit grey PNG", "L8"]);
}

#[test]
fn a_video_without_ffmpeg() {
    let folder = tempdir().unwrap();
    write(folder.path(), "a.mp4", "no video");
    assert_eq!(Layout::recognise(&folder.path().join("a.mp4")).unwrap(), Layout::Video);
    let result =
        video::open(&folder.path().join("a.mp4"), &OpenOptions::default(), folder.path().as_os_str());
    refused(result, &["a.mp4", "ffmpeg on PATH", "apt install ffmpeg"]);
}

#[test]
fn a_video_with_ffmpeg() {
    let folder = tempdir().unwrap();
    (0..6).for_each(|i| image(folder.path(), &format!("{i}.png")));
    let video = folder.path().join("a -strange%d: name.avi");
    let made = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-i", "%d.png", "-c:v", "ffv1"])
        .arg(&video)
        .current_dir(folder.path())
        .status();
    let Ok(status) = made else {
        println!("skipped: no ffmpeg");
        return;
    };
    assert!(status.success());
    let options = OpenOptions { start: 1, stride: 2, max_frames: Some(2), ..Default::default() };
    let sequence = Sequence::open_with(&video, &options).unwrap();
    assert_eq!(names(&sequence), ["a -strange%d: name_000001", "a -strange%d: name_000003"]);
    assert_eq!(sequence.image_size().unwrap(), (6, 8));
    let rgb = sequence.frames[1].load_rgb(&ImageLimits::default()).unwrap();
    assert_eq!(rgb.get_pixel(4, 3).0, [10, 20, 30]);
    let extracted = sequence.frames[0].image.clone();
    let copy = sequence.clone();
    drop(sequence);
    assert!(extracted.exists());
    drop(copy);
    assert!(!extracted.exists());
    assert_eq!(Sequence::open(&video, None).unwrap().frames.len(), 6);
    let options = OpenOptions { start: 6, ..Default::default() };
    refused(Sequence::open_with(&video, &options), &["a -strange", "frame"]);
    write(folder.path(), "broken.mp4", "no video at all");
    refused(Sequence::open(&folder.path().join("broken.mp4"), None), &["broken.mp4", "Invalid data"]);
}

/// A depth pixel seen from a camera 0.5 m to the right, with something closer in front of it.
#[test]
fn depth_carried_to_another_camera_keeps_the_closest() {
    let pinhole = dro_vision::Pinhole::new(10.0, 10.0, 4.0, 3.0).unwrap();
    let camera = CameraModel::undistorted(pinhole, (6, 9));
    let mut values = vec![0.0; 6 * 9];
    // At 5 m the shift is one pixel to the left, at 2.5 m two: both land on column 4.
    values[3 * 9 + 5] = 5.0;
    values[3 * 9 + 6] = 2.5;
    let depth = crate::Map::new(6, 9, values).unwrap();
    let sensor = DepthSensor::Own { pinhole, colour_from_depth: Isometry3::translation(-0.5, 0.0, 0.0) };
    let carried = prepare_depth(&depth, &sensor, &camera, (6, 9)).unwrap();
    assert_eq!(carried.at(3, 4), Some(2.5));
    assert_eq!(carried.values().iter().filter(|&&z| z > 0.0).count(), 1);
    let registered = prepare_depth(&depth, &DepthSensor::Registered, &camera, (6, 9)).unwrap();
    assert_eq!(registered, depth);
    refused(prepare_depth(&depth, &sensor, &camera, (0, 9)), &["image size"]);
}
