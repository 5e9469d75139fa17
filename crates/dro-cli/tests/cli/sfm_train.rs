//! `dro sfm train`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::fixture::*;

/// A training of a few seconds of the smallest network.
fn config(folder: &Path, steps: u64) -> PathBuf {
    let text = format!(
        "warm_up = 2\ncheckpoint_every = 2\nfloat16 = false\naverage = 0.9\n\
         [model]\nhidden = 16\nencoder = [8, 8, 8]\n\
         [validation]\nevery = 4\nsamples = 2\nsize = [32, 48]\nstages = 1\ninner = 1\nstatistics_batches = 2\n\
         [[phases]]\nsteps = {steps}\nsize = [32, 48]\nstages = 1\ninner = 1\nbatch = 2\nrate = 1e-3\n"
    );
    let path = folder.join("small.toml");
    fs::write(&path, text).unwrap();
    path
}

fn train(config: &Path, out: &Path, options: &str) -> Ran {
    let command = ["sfm", "train", "--quiet"];
    ran(dro().args(command).arg(config).arg("--out").arg(out).args(options.split_whitespace()))
}

fn resume(out: &Path) -> Ran {
    ran(dro().args(["sfm", "train", "--quiet", "--resume", "--out"]).arg(out))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_small_training_writes_everything_down_and_its_weights_run() {
    let folder = folder();
    let out = folder.path().join("out");
    let said = train(&config(folder.path(), 4), &out, "").works();
    assert!(said.contains("4 of 4 training steps, validation"), "{said}");
    for name in [
        "checkpoint.dro",
        "config.toml",
        "curve.svg",
        "metrics.jsonl",
        "predictions.png",
        "weights.safetensors",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let log = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    assert!(log.lines().count() == 5 && log.contains("depth_loss") && log.contains("rotation_deg"), "{log}");
    let shown = ran(dro().args(["weights", "show"]).arg(out.join("weights.safetensors"))).works();
    assert!(shown.contains("These are the tensors of the network"), "{shown}");
}

#[test]
fn a_killed_training_goes_on_as_if_nothing_had_been() {
    let folder = folder();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let config = config(folder.path(), 12);
    train(&config, &whole, "").works();

    let mut child = Command::new(env!("CARGO_BIN_EXE_dro"))
        .args(["sfm", "train", "--quiet"])
        .arg(&config)
        .arg("--out")
        .arg(&killed)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let steps = || fs::read_to_string(killed.join("metrics.jsonl")).map_or(0, |text| text.lines().count());
    while steps() < 6 && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(steps() < 13, "the training had ended before it was killed");

    let said = resume(&killed).works();
    assert!(said.contains("12 of 12 training steps"), "{said}");
    for name in ["weights.safetensors", "checkpoint.dro"] {
        assert!(
            fs::read(whole.join(name)).unwrap() == fs::read(killed.join(name)).unwrap(),
            "{name} differs"
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_its_file() {
    let folder = folder();
    let out = folder.path().join("out");
    for (text, expected) in [
        ("[[phases]]\nstages = 2\nbach = 3\n", ["line 3", "bach"]),
        ("[[phases]]\nsize = [30, 48]\n", ["phases.size", "multiples of 16"]),
        ("phases = []\n", ["phases", "at least one"]),
        ("[loss]\ndepth = 0.0\npose = 0.0\n", ["loss", "a weight above 0"]),
    ] {
        let path = folder.path().join("wrong.toml");
        fs::write(&path, text).unwrap();
        train(&path, &out, "").refuses(&["wrong.toml", expected[0], expected[1]]);
    }
    resume(&out).refuses(&["config.toml"]);

    let first = config(folder.path(), 2);
    train(&first, &out, "").works();
    train(&first, &out, "").refuses(&["--resume"]);
    let other = fs::read_to_string(&first).unwrap().replace("hidden = 16", "hidden = 24");
    fs::write(&first, other).unwrap();
    train(&first, &out, "--resume").refuses(&["small.toml", "hidden"]);
}
