//! Inputs: recognised, named, or not there.

use std::fs;

use crate::fixture::*;

#[test]
fn a_layout_is_recognised_or_named() {
    let out = tempfile::tempdir().unwrap();
    for (index, (input, options, layout)) in [
        (room().to_path_buf(), "", "frames-csv"),
        (room().join("frames.csv"), "", "frames-csv"),
        (room().join("rgb"), "--fov 65", "images"),
        (room().join("rgb"), "--fov 65 --layout images", "images"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = out.path().join(index.to_string());
        learned(&input, &out, &format!("{options} --max-frames 2")).works();
        assert_eq!(summary(&out)["layout"], layout);
        assert_eq!(finished(&out), ["000000", "000001"]);
    }
}

#[test]
fn what_is_not_there_or_something_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "text").unwrap();
    for (input, parts) in [
        (folder.path().join("none"), &["none: No such file or directory (os error 2)"][..]),
        (text.join("below"), &["notes.txt/below: Not a directory"]),
        (text.clone(), &["notes.txt", "a folder of images", "another kind"]),
    ] {
        baseline(&input, &out, "--fov 65").refuses(parts);
    }
    baseline(room(), &out, "--layout tum").refuses(&["rgb.txt"]);
    let csv = folder.path().join("frames.csv");
    fs::write(&csv, "rgb,fx,fy,cx,cy\nnone.png,1,1,1,1\n").unwrap();
    baseline(&csv, &out, "").refuses(&["frames.csv:2", "none.png"]);
    assert!(!out.exists());
}
