//! Intrinsics: given, guessed, in the data, or missing.

use std::{fs, path::Path};

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

use crate::fixture::*;

#[test]
fn none_at_all_is_an_error_that_says_what_to_do() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let folder = images.path().display().to_string();
    baseline(images.path(), out.path(), "").refuses(&[&folder, "--intrinsics fx,fy,cx,cy", "--fov"]);
}

#[test]
fn wrong_ones_are_refused_before_anything_is_written() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let out = out.path().join("out");
    for (options, parts) in [
        ("--intrinsics 0,80,48,32", &["--intrinsics", "fx", "positive", "found 0"][..]),
        ("--intrinsics 80,-80,48,32", &["--intrinsics", "fy", "positive", "found -80"]),
        ("--intrinsics -80,80,48,32", &["--intrinsics", "fx", "found -80"]),
        ("--intrinsics NaN,80,48,32", &["--intrinsics", "finite", "NaN"]),
        ("--intrinsics 80,80,inf,32", &["--intrinsics", "finite", "inf"]),
        ("--intrinsics 80,80,48", &["--intrinsics", "fx,fy,cx,cy", "80,80,48"]),
        ("--intrinsics nowhere.txt", &["--intrinsics", "nowhere.txt"]),
        ("--fov 0", &["--fov", "positive", "\"0\""]),
        ("--fov -60", &["--fov", "\"-60\""]),
        ("--fov NaN", &["--fov", "NaN"]),
        ("--fov 180", &["--fov", "180"]),
        ("--fov 60 --intrinsics 80,80,48,32", &["--fov", "--intrinsics"]),
        ("--distortion 0,0,0,0", &["--distortion", "--intrinsics or --fov"]),
        ("--fov 60 --distortion 1,2", &["--distortion", "k1,k2,p1,p2", "1,2"]),
        ("--fov 60 --distortion 0,0,0,nan", &["--distortion", "nan"]),
    ] {
        baseline(images.path(), &out, options).refuses(parts);
    }
    assert!(!out.exists());
}

#[test]
fn each_way_to_give_them_works() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let file = out.path().join("k.txt");
    fs::write(&file, "80 0 47.5\n0 80 31.5\n0 0 1\n").unwrap();
    let file = format!("--intrinsics {}", file.display());
    let fov_deg = 2.0 * (48.0f64 / 80.0).atan().to_degrees();
    let ways = ["--intrinsics 80,80,47.5,31.5".to_owned(), file, format!("--fov {fov_deg}")];
    for (index, way) in ways.iter().enumerate() {
        let out = out.path().join(index.to_string());
        learned(images.path(), &out, &format!("{way} --distortion 0.01,0,0,0")).works();
        let camera = &summary(&out)["camera"];
        for (key, value) in [("fx", 80.0), ("fy", 80.0), ("cx", 47.5), ("cy", 31.5)] {
            assert!((camera[key].as_f64().unwrap() - value).abs() < 1e-6, "{way}: {camera}");
        }
    }
}

#[test]
fn a_camera_of_another_shape_refuses() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let file = out.path().join("cameras.txt");
    fs::write(&file, "1 PINHOLE 640 640 500 500 320 320\n").unwrap();
    let options = format!("--intrinsics {}", file.display());
    baseline(images.path(), &out.path().join("out"), &options).refuses(&["96x64", "640x640"]);
}

#[test]
fn frames_of_different_cameras_are_not_mixed() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let rows = "rgb,width,height,fx,fy,cx,cy\na0.png,96,64,80,80,48,32\na1.png,96,64,90,90,48,32\n";
    fs::write(images.path().join("frames.csv"), rows).unwrap();
    learned(images.path(), out.path(), "").refuses(&["a1.png", "fx 80.00", "fx 90.00"]);
}

/// TIFF's way to say that the camera's lens is like one of so many millimetres on film.
fn exif(film_mm: u16) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, value: u32| {
        let parts = [&1u16.to_le_bytes()[..], &tag.to_le_bytes(), &kind.to_le_bytes(), &1u32.to_le_bytes()];
        [&parts.concat()[..], &value.to_le_bytes(), &0u32.to_le_bytes()].concat()
    };
    [&b"II*\0\x08\0\0\0"[..], &entry(0x8769, 4, 26), &entry(0xa405, 3, film_mm.into())].concat()
}

/// A photo as a camera writes it.
fn photo(index: usize, film_mm: Option<u16>, path: &Path) {
    let image = image::open(image(index)).unwrap().into_rgb8();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    if let Some(mm) = film_mm {
        encoder.set_exif_metadata(exif(mm)).unwrap();
    }
    encoder.write_image(&image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn photos_tell_their_focal_length() {
    let (images, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for index in 0..2 {
        photo(index, Some(30), &images.path().join(format!("a{index}.jpg")));
    }
    learned(images.path(), &out.path().join("a"), "").works();
    let focal = 30.0 / 43.2666 * 96f64.hypot(64.0);
    let camera = &summary(&out.path().join("a"))["camera"];
    assert!((camera["fx"].as_f64().unwrap() - focal).abs() < 1e-3, "{camera}");
    assert!(notes(&out.path().join("a")).contains("EXIF data say: 80 pixels of 96"));
    // What the user says counts more.
    learned(images.path(), &out.path().join("b"), "--intrinsics 90,90,47.5,31.5").works();
    assert_eq!(summary(&out.path().join("b"))["camera"]["fx"], 90.0);
    assert!(!notes(&out.path().join("b")).contains("EXIF"));
    // A zoom lens is not one camera; an image that says nothing might be of any.
    photo(1, Some(50), &images.path().join("a1.jpg"));
    learned(images.path(), &out.path().join("c"), "").refuses(&["a1.jpg", "fx 80.00", "fx 133.33"]);
    photo(1, None, &images.path().join("a1.jpg"));
    learned(images.path(), &out.path().join("d"), "").refuses(&["EXIF", "--fov", "none for a1"]);
}
