//! Ctrl-C.
#![cfg(unix)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::fixture::*;

/// Starts a run that takes long: `frames` images, many updates each.
fn started(input: &Path, out: &Path, options: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    command.args(["sfm", "run"]).arg(input).arg("--out").arg(out).arg("--weights").arg(weights());
    command.args(["--fov", "65", "--inner", "1"]).args(options.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "no {what} after a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends the signal and gives exit code, stdout and stderr.
fn signalled(child: Child, signal: &str) -> Ran {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let began = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().expect("ended by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn finished_frames_and_a_valid_summary_stay() {
    let (images, out) = (images(40), tempfile::tempdir().unwrap());
    let out = out.path();
    let child = started(images.path(), out, "--stages 30 --trace");
    wait_for("first frame", || out.join("depth/a0.npy").exists());
    let ran = signalled(child, "-INT");
    assert_eq!((ran.code, ran.stderr.as_str()), (130, ""), "{ran:?}");
    assert!(ran.stdout.contains("interrupted"), "{ran:?}");
    assert_eq!(summary(out)["interrupted"], true);
    let names = finished(out);
    assert!(!names.is_empty() && names.len() < 40, "{names:?}");
    assert!(out.join("trajectory.tum.txt").is_file() && out.join("points.ply").is_file());
    assert!(out.join("curves.csv").is_file());
    nothing_half_written(out);
}

#[test]
fn a_long_solve_is_left_between_two_updates() {
    let (images, out) = (images(2), tempfile::tempdir().unwrap());
    let child = started(images.path(), out.path(), "--stages 100000000");
    wait_for("summary", || out.path().join("summary.json").exists());
    // Until it ends, the summary says that it has not.
    assert!(notes(out.path()).contains("not come to its end"));
    let ran = signalled(child, "-TERM");
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(summary(out.path())["interrupted"], true);
    assert_eq!(notes(out.path()), "");
    assert_eq!(files(out.path()), ["summary.json"]);
}

#[test]
fn an_evaluation_keeps_what_was_finished() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    command.args(["sfm", "eval"]).arg(room()).arg("--out").arg(out).arg("--weights").arg(weights());
    command.args(["--inner", "1", "--stages", "200", "--save-depth"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("first frame", || out.join("cli-room/depth/000000.npy").exists());
    let ran = signalled(child, "-INT");
    assert_eq!((ran.code, ran.stderr.as_str()), (130, ""), "{ran:?}");
    assert!(ran.stdout.contains("interrupted"), "{ran:?}");
    assert_eq!(summary(out)["interrupted"], true);
    let images = std::fs::read_to_string(out.join("images.csv")).unwrap().lines().count();
    assert!((2..=FRAMES).contains(&images), "{images}");
    nothing_half_written(out);

    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    command.args(["sfm", "ablate"]).arg(room()).arg("--out").arg(out).arg("--weights").arg(weights());
    command.args(["--inner", "1", "--stages", "100000000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("summary", || out.join("summary.json").exists());
    let ran = signalled(child, "-INT");
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(summary(out)["interrupted"], true);
}
