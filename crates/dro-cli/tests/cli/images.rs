//! Broken, odd and missing images.

use std::{fs, path::Path};

use image::{DynamicImage, ImageBuffer, Luma, RgbImage};

use crate::fixture::*;

/// Four images, the third of which is `content`: the frames before it are solved, and the error names it.
#[track_caller]
fn third_refuses(content: &[u8], parts: &[&str]) {
    let (images, out) = (images(4), tempfile::tempdir().unwrap());
    fs::write(images.path().join("a2.png"), content).unwrap();
    learned(images.path(), out.path(), "--fov 65")
        .refuses(&[&["a2.png", "expected", "found"], parts].concat());
    assert_eq!(finished(out.path()), ["a0", "a1"]);
    nothing_half_written(out.path());
    assert!(notes(out.path()).contains("stopped by an error") && notes(out.path()).contains("a2.png"));
    assert!(out.path().join("trajectory.tum.txt").is_file() && out.path().join("points.ply").is_file());
    assert_eq!(summary(out.path())["interrupted"], false);
}

#[test]
fn an_empty_image() {
    third_refuses(b"", &["an empty file"]);
}

#[test]
fn an_image_that_is_none() {
    third_refuses(b"this is no image but some text", &["an image"]);
}

#[test]
fn a_truncated_image() {
    let whole = fs::read(image(2)).unwrap();
    third_refuses(&whole[..whole.len() / 2], &[]);
}

#[test]
fn an_image_with_a_broken_header() {
    let mut bytes = fs::read(image(2)).unwrap();
    bytes[12..40].fill(b'x');
    third_refuses(&bytes, &[]);
}

#[test]
fn a_truncated_jpeg() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let path = images.path().join("a9.jpg");
    image::open(image(2)).unwrap().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    learned(images.path(), out.path(), "--fov 65").refuses(&["a9.jpg", "truncated"]);
    assert_eq!(finished(out.path()), ["a0", "a1"]);
}

/// PNG's checksum (CRC-32 of ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc)))
}

#[test]
fn an_image_that_claims_to_be_huge() {
    let mut bytes = fs::read(image(0)).unwrap();
    bytes[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&100_000u32.to_be_bytes());
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());

    let (some, out) = (images(3), tempfile::tempdir().unwrap());
    fs::write(some.path().join("a1.png"), &bytes).unwrap();
    learned(some.path(), out.path(), "--fov 65").refuses(&["a1.png", "expected"]);
    nothing_half_written(out.path());

    let (all, out) = (images(2), tempfile::tempdir().unwrap());
    fs::write(all.path().join("a0.png"), &bytes).unwrap();
    fs::write(all.path().join("a1.png"), &bytes).unwrap();
    learned(all.path(), out.path(), "--fov 65").refuses(&["a0.png", "16384"]);
    assert!(!out.path().join("depth").exists());
}

#[test]
fn images_of_several_sizes() {
    let (images, out) = (images(3), tempfile::tempdir().unwrap());
    let out = out.path().join("out");
    RgbImage::new(48, 32).save(images.path().join("a2.png")).unwrap();
    baseline(images.path(), &out, "--fov 65").refuses(&["a2.png", "96x64", "a0.png", "48x32"]);
    assert!(!out.exists());
}

#[test]
fn too_few_images() {
    let (one, none, out) = (images(1), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let named = |path: &Path| path.display().to_string();
    let refused = |input: &Path, parts: &[&str]| baseline(input, out.path(), "--fov 65").refuses(parts);
    refused(one.path(), &[&named(one.path()), "at least 2 images", "found 1"]);
    refused(&one.path().join("a0.png"), &["a0.png", "at least 2 images"]);
    refused(none.path(), &[&named(none.path()), "image files", "an empty folder"]);
    fs::write(none.path().join("notes.txt"), "").unwrap();
    refused(none.path(), &["image files", "1 other files"]);
    assert!(files(out.path()).is_empty());
}

#[test]
fn sixteen_bit_grey_alpha_and_other_formats_are_converted() {
    let (images, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rgb = |index| image::open(image(index)).unwrap();
    let grey: ImageBuffer<Luma<u16>, Vec<u16>> = rgb(0).into_luma16();
    assert!(grey.pixels().any(|pixel| pixel.0[0] > 255));
    DynamicImage::from(grey).save(images.path().join("a0.png")).unwrap();
    DynamicImage::from(rgb(1).into_rgba8()).save(images.path().join("a1.png")).unwrap();
    rgb(2).save(images.path().join("a2.jpg")).unwrap();
    rgb(3).into_luma8().save(images.path().join("a3.pgm")).unwrap();
    rgb(4).save(images.path().join("a4.tiff")).unwrap();
    learned(images.path(), out.path(), "--fov 65").works();
    assert_eq!(finished(out.path()), ["a0", "a1", "a2", "a3", "a4"]);
}
