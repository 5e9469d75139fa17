//! Videos, which the program ffmpeg decodes.

use std::{fs, path::Path, process::Command};

use crate::fixture::*;

#[test]
fn without_ffmpeg_the_error_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("clip.mp4");
    fs::write(&video, "whatever").unwrap();
    let mut command = dro();
    command.env("PATH", folder.path()).args(["sfm", "run"]).arg(&video).arg("--out").arg(folder.path());
    let refused = ran(command.args(["--optimizer", "patchmatch", "--fov", "65"]));
    refused.refuses(&["clip.mp4", "ffmpeg", "apt install ffmpeg", "brew install ffmpeg"]);
}

/// Whether ffmpeg can be called; says so where it cannot.
fn has_ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok();
    if !found {
        println!("skipped: no ffmpeg on PATH");
    }
    found
}

fn make_video(path: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-loglevel", "error", "-nostdin", "-framerate", "10", "-i"])
        .arg(room().join("rgb/%06d.png"));
    assert!(command.args(["-c:v", "mjpeg", "-q:v", "2"]).arg(path).status().unwrap().success());
}

#[test]
fn frames_of_a_video_are_numbered() {
    if !has_ffmpeg() {
        return;
    }
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let video = folder.path().join("clip.avi");
    make_video(&video);
    learned(&video, out.path(), "--fov 65 --stride 2 --max-frames 2").works();
    assert_eq!(finished(out.path()), ["clip_000000", "clip_000002"]);
    assert_eq!(summary(out.path())["layout"], "video");
}

#[test]
fn what_ffmpeg_cannot_decode_is_named() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("clip.mp4");
    fs::write(&video, "no video").unwrap();
    let out = folder.path().join("out");
    baseline(&video, &out, "--fov 65").refuses(&["clip.mp4", "a video that ffmpeg can decode"]);
    baseline(room(), &out, "--layout video").refuses(&["a video file", "a folder"]);
    assert!(!out.exists());
}
