//! `dro train`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::*;

/// A training of a second or so, with the given estimator and steps.
fn config(folder: &Path, steps: u64, estimator: &str) -> PathBuf {
    let text = format!(
        "seed = 3\nsteps = {steps}\ncheckpoint_every = 4\n\
         [rule]\nkind = \"dense-gru\"\nhidden = 4\n\
         [tasks]\nkind = \"gaussian-process\"\ndim = 1\nbatch = 16\nhorizon = 6\nfeatures = 16\n\
         [loss]\nkind = \"regret\"\ndiscount = 1.0\n\
         [estimator]\n{estimator}\n\
         [schedule]\nrate = 0.02\n\
         [validation]\nevery = 10\ntasks = 2\n"
    );
    let path = folder.join("small.toml");
    fs::write(&path, text).unwrap();
    path
}

const BPTT: &str = "kind = \"bptt\"\ntruncation = 6";
const PES: &str = "kind = \"pes\"\npairs = 3\ntruncation = 2\nsigma = 0.05";

fn train(config: &Path, out: &Path, options: &str) -> Ran {
    ran(dro().arg("train").arg(config).arg("--out").arg(out).args(options.split_whitespace()))
}

fn resume(out: &Path) -> Ran {
    ran(dro().args(["train", "--resume", "--out"]).arg(out))
}

/// The log without the time.
fn metrics(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("seconds").unwrap();
            line
        })
        .collect()
}

#[track_caller]
fn assert_same(one: &Path, two: &Path) {
    for name in ["weights.safetensors", "checkpoint.dro"] {
        assert!(fs::read(one.join(name)).unwrap() == fs::read(two.join(name)).unwrap(), "{name} differs");
    }
    assert_eq!(metrics(one), metrics(two));
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_small_training_improves_and_writes_everything_down() {
    let folder = folder();
    let out = folder.path().join("out");
    let said = train(&config(folder.path(), 40, BPTT), &out, "").works();
    assert!(said.contains("40 of 40 training steps, validation"), "{said}");
    let metrics = metrics(&out);
    assert_eq!(metrics.len(), 41);
    let validations: Vec<f64> = metrics.iter().filter_map(|line| line["validation"].as_f64()).collect();
    assert_eq!(validations.len(), 5);
    assert!(validations[4] < validations[0] - 0.3, "{validations:?}");
    let expected = [
        "checkpoint.dro",
        "checkpoint.previous.dro",
        "config.toml",
        "curve.svg",
        "metrics.jsonl",
        "weights.safetensors",
    ];
    assert_eq!(files(&out), expected);
    let written = fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(written.contains("beta2 = 0.999") && written.contains("hidden = 4"), "{written}");
    let weights = candle_core::safetensors::load(out.join("weights.safetensors"), &candle_core::Device::Cpu);
    assert_eq!(weights.unwrap()["proposal.weight"].dims(), [1, 4]);
}

fn started(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    command.arg("train").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn lines(out: &Path) -> usize {
    fs::read_to_string(out.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// Waits until the log has so many lines, or the training has ended.
fn wait_for_lines(child: &mut Child, out: &Path, count: usize) {
    let began = Instant::now();
    while lines(out) < count && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {count} lines after a minute", lines(out));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bits() {
    let folder = folder();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let config = config(folder.path(), 60, PES);
    train(&config, &whole, "--threads 1").works();

    let (config, out) = (config.to_str().unwrap(), killed.to_str().unwrap());
    for (round, count) in [3, 9, 14, 27, 45].into_iter().enumerate() {
        let first = [config, "--out", out];
        let again = ["--resume", "--out", out];
        let mut child = started(if round == 0 { &first } else { &again });
        wait_for_lines(&mut child, &killed, count);
        // SIGKILL: nothing can be caught.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = resume(&killed).works();
    assert!(said.contains("60 of 60"), "{said}");
    assert_same(&whole, &killed);
    // Nothing is left to do, and nothing changes.
    resume(&killed).works();
    assert_same(&whole, &killed);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_a_part_at_a_time_is_the_same() {
    let folder = folder();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let config = config(folder.path(), 60, PES);
    train(&config, &whole, "").works();

    let said = train(&config, &parts, "--steps 7").works();
    assert!(said.contains("7 of 60") && said.contains("dro train --resume --out"), "{said}");
    let mut child = started(&["--resume", "--out", parts.to_str().unwrap()]);
    wait_for_lines(&mut child, &parts, 12);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(130), &b""[..]), "{output:?}");
    let done = lines(&parts) - 1;
    assert!((11..60).contains(&done), "{done}");
    resume(&parts).works();
    assert_same(&whole, &parts);
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_is_used() {
    let folder = folder();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    let config = config(folder.path(), 20, BPTT);
    train(&config, &whole, "").works();
    train(&config, &out, "--steps 10").works();
    let path = out.join("checkpoint.dro");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let said = resume(&out).works();
    assert!(said.contains("checkpoint.dro") && said.contains("checksum"), "{said}");
    assert_same(&whole, &out);

    fs::write(&path, "x").unwrap();
    fs::write(out.join("checkpoint.previous.dro"), "x").unwrap();
    resume(&out).refuses(&["checkpoint.dro", "expected a checkpoint"]);
}

#[test]
fn what_is_wrong_is_named() {
    let folder = folder();
    let path = folder.path().join("wrong.toml");
    let out = folder.path().join("out");
    for (text, parts) in [
        ("steps = 3\nstepz = 4\n", &["line 2", "stepz"][..]),
        ("steps = \"many\"\n", &["line 1", "steps", "many"]),
        ("steps = 0\n", &["steps: expected at least 1, found 0"]),
        ("clip = -1.0\n", &["clip: expected at least 0, found -1"]),
        ("[rule]\nkind = \"transformer\"\n", &["transformer", "dense-gru"]),
        ("[rule]\nkind = \"dense-gru\"\nhiden = 3\n", &["hiden", "hidden"]),
        ("[rule]\nkind = \"dense-gru\"\nhidden = 0\n", &["rule.hidden: expected at least 1, found 0"]),
        ("[tasks]\nkind = \"gaussian-process\"\ndim = 0\n", &["tasks.dim: expected at least 1"]),
        ("[loss]\nkind = \"regret\"\ndiscount = 1.5\n", &["loss.discount", "1.5"]),
        ("[loss]\nkind = \"sum\"\ndiscount = 1.0\n", &["discount"]),
        ("[estimator]\nkind = \"pes\"\nsigma = 0.0\n", &["estimator.sigma: expected above zero"]),
        ("[estimator]\nkind = \"reinforce\"\n", &["reinforce", "bptt"]),
        ("[optimizer]\nkind = \"sgd\"\nmomentum = 1.0\n", &["optimizer.momentum"]),
        ("[schedule]\nrate = -1.0\n", &["schedule.rate"]),
        ("[curriculum]\nfrom = 1\nto = 0\nover = 3\n", &["curriculum.to"]),
        ("[validation]\ntasks = 0\n", &["validation.tasks"]),
    ] {
        fs::write(&path, text).unwrap();
        let parts: Vec<&str> = parts.iter().chain(&["wrong.toml"]).copied().collect();
        train(&path, &out, "").refuses(&parts);
        assert!(!out.exists(), "{text}");
    }
    train(&folder.path().join("none.toml"), &out, "").refuses(&["none.toml", "No such file"]);
    let config = config(folder.path(), 5, BPTT);
    train(&config, &out, "--steps 6").refuses(&["--steps", "at most 5", "found 6"]);
    train(&config, &out, "--resume").refuses(&["out", "found no checkpoint"]);
    ran(dro().args(["train", "--resume"])).refuses(&["--out"]);
}

#[test]
fn another_training_is_neither_overwritten_nor_gone_on_with() {
    let folder = folder();
    let out = folder.path().join("out");
    train(&config(folder.path(), 8, BPTT), &out, "").works();
    train(&config(folder.path(), 8, BPTT), &out, "").refuses(&["out", "--resume"]);
    train(&config(folder.path(), 8, PES), &out, "--resume").refuses(&["small.toml", "bptt", "pes"]);
    // More steps are no other training.
    let said = train(&config(folder.path(), 12, BPTT), &out, "--resume").works();
    assert!(said.contains("12 of 12"), "{said}");
    assert!(fs::read_to_string(out.join("config.toml")).unwrap().contains("steps = 12"));
}

#[test]
fn the_configurations_of_the_book_run() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configs");
    let mut count = 0;
    for entry in fs::read_dir(configs).unwrap() {
        let (path, out) = (entry.unwrap().path(), folder());
        // Those of `dro sfm train` have tests of their own.
        if path.file_name().unwrap().to_str().unwrap().starts_with("sfm") {
            continue;
        }
        train(&path, &out.path().join("out"), "--steps 1").works();
        count += 1;
    }
    assert!(count >= 3);
}
