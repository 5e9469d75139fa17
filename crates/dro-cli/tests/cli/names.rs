//! Images with unusual names, and folders inside folders.

use std::fs;

use crate::fixture::*;

#[test]
fn natural_order_and_odd_names() {
    let (images, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let long = "n".repeat(251);
    for (index, name) in ["10", "9", "a b#%", "äöü", &long].iter().enumerate() {
        fs::copy(image(index), images.path().join(format!("{name}.png"))).unwrap();
    }
    learned(images.path(), out.path(), "--fov 65 --trace").works();
    assert_eq!(finished(out.path()), ["9", "10", "a b#%", &long, "äöü"]);
}

#[test]
fn images_of_one_name_do_not_replace_each_other() {
    let (images, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (index, name) in ["a.png", "a.png.png", "a.PNG"].iter().enumerate() {
        fs::copy(image(index), images.path().join(name)).unwrap();
    }
    learned(images.path(), out.path(), "--fov 65 --trace").works();
    let mut names = finished(out.path());
    names.sort();
    assert_eq!(names, ["a", "a.png", "a_2"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = tempfile::tempdir().unwrap();
    let (input, out) =
        (folder.path().join(OsStr::from_bytes(b"in\xff")), folder.path().join(OsStr::from_bytes(b"out\xff")));
    fs::create_dir(&input).unwrap();
    for (index, name) in [&b"\xff.png"[..], b"\xfe.png"].iter().enumerate() {
        fs::copy(image(index), input.join(OsStr::from_bytes(name))).unwrap();
    }
    learned(&input, &out, "--fov 65").works();
    let names = finished(&out);
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    fs::write(input.join(OsStr::from_bytes(b"\xff.png")), b"").unwrap();
    learned(&input, &out, "--fov 65 --overwrite").refuses(&["an empty file"]);
}

#[test]
fn results_inside_the_input_are_not_taken_for_input() {
    let images = images(3);
    let out = images.path().join("out");
    learned(images.path(), &out, "--fov 65").works();
    learned(images.path(), &out, "--fov 65 --overwrite").works();
    assert_eq!(finished(&out), ["a0", "a1", "a2"]);
}

#[test]
fn the_input_folder_is_no_place_for_results() {
    let images = images(2);
    let csv = images.path().join("frames.csv");
    fs::write(&csv, "rgb,width,height,fx,fy,cx,cy\na0.png,96,64,80,80,48,32\na1.png,96,64,80,80,48,32\n")
        .unwrap();
    learned(&csv, images.path(), "--overwrite").refuses(&["the input"]);
    fs::remove_file(&csv).unwrap();
    let refused = learned(images.path(), images.path(), "--fov 65 --overwrite");
    refused.refuses(&[&images.path().display().to_string(), "the input"]);
    assert_eq!(files(images.path()), ["a0.png", "a1.png"]);
}
