//! Folders for results: new, full, not writable, on a full disk.

use std::{fs, path::Path, process::Command};

use crate::fixture::*;

#[test]
fn results_are_only_replaced_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/deeper");
    learned(room(), &out, "--max-frames 3").works();
    let before = fs::metadata(out.join("summary.json")).unwrap().modified().unwrap();
    let refused = learned(room(), &out, "--max-frames 3");
    refused.refuses(&[&out.display().to_string(), "--overwrite"]);
    assert_eq!(fs::metadata(out.join("summary.json")).unwrap().modified().unwrap(), before);
    learned(room(), &out, "--max-frames 2 --overwrite").works();
    assert_eq!(finished(&out), ["000000", "000001"]);
}

#[test]
fn a_failed_run_does_not_pass_for_the_one_before() {
    let (images, out) = (images(3), tempfile::tempdir().unwrap());
    learned(images.path(), out.path(), "--fov 65 --trace").works();
    fs::write(images.path().join("a0.png"), b"").unwrap();
    learned(images.path(), out.path(), "--fov 65 --overwrite").refuses(&["a0.png"]);
    assert!(finished(out.path()).is_empty());
    assert!(notes(out.path()).contains("a0.png"));
    for stale in ["trajectory.tum.txt", "trajectory.kitti.txt", "points.ply", "curves.csv", "curves.svg"] {
        assert!(!out.path().join(stale).exists(), "{stale}");
    }
}

#[test]
fn a_file_is_no_folder_for_results() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    let name = file.display().to_string();
    baseline(room(), &file, "").refuses(&[&name, "a folder for the results", "a file"]);
    baseline(room(), &file, "--overwrite").refuses(&[&name, "a folder for the results"]);
    // The same for every user, where permissions would not stop an administrator.
    baseline(room(), &file.join("below"), "").refuses(&[&name, "below"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn a_blocked_folder_is_named() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("depth"), "a file where a folder must be").unwrap();
    learned(room(), out.path(), "--overwrite").refuses(&["depth"]);
    assert!(notes(out.path()).contains("stopped by an error"));
    fs::create_dir(out.path().join("points.ply")).unwrap();
    learned(room(), out.path(), "--overwrite").refuses(&["points.ply"]);
}

/// Runs under a limit on the size of files, which stops writing as a full disk does.
#[cfg(unix)]
fn limited(blocks: usize, out: &Path, options: &str) -> Ran {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_dro"), "sfm", "run"]);
    command.arg(room()).arg("--out").arg(out).args(["--stages", "1", "--inner", "1", "--weights"]);
    let output = command.arg(weights()).args(options.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let out = tempfile::tempdir().unwrap();
    // A block is 512 or 1024 bytes, an array of 64x96 numbers 24 KiB.
    limited(20, out.path(), "--format npy").refuses(&["depth/000000.npy", "too large"]);
    assert_eq!(files(out.path()), ["summary.json"]);
    assert!(notes(out.path()).contains("000000.npy"));

    // Not even the summary fits: said before anything is solved.
    let out = tempfile::tempdir().unwrap();
    limited(0, out.path(), "").refuses(&["summary.json", "too large"]);
    assert!(files(out.path()).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    let output = command.args(["weights", "show"]).arg(weights()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("standard output") && said.lines().count() == 1, "{said}");
}
