//! Trainings in a folder.

use std::{fs, ops::ControlFlow, path::Path};

use dro_record::read_json_lines;

use super::toy::Toy;
use crate::{
    Ended, Error, EstimatorConfig, Metric, NEWEST, Pes, Session, Settings, Trainer, Unroll, Validation,
    load_weights, save_weights,
};

fn settings() -> Settings {
    Settings {
        steps: 20,
        validation: Validation { every: 4, tasks: 4, seed: 1, keep: 0 },
        ..Settings::default()
    }
}

fn config() -> EstimatorConfig {
    EstimatorConfig::Pes(Pes { pairs: 5, truncation: 2, sigma: 0.1 })
}

fn start(folder: &Path) -> Session<Toy> {
    let trainer = Trainer::new(Toy::new(7), config().build().unwrap(), settings()).unwrap();
    Session::start(trainer, folder, "about", 3).unwrap()
}

fn resume(folder: &Path) -> (Session<Toy>, Option<Error>) {
    Session::resume(Toy::new(7), config().build().unwrap(), settings(), folder, "about", 3).unwrap()
}

/// The log without the time.
fn metrics(folder: &Path) -> Vec<Metric> {
    let mut all: Vec<Metric> = read_json_lines(folder.join("metrics.jsonl")).unwrap();
    all.iter_mut().for_each(|metric| metric.seconds = 0.0);
    all
}

#[test]
fn a_killed_training_goes_on_as_if_nothing_had_happened() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, killed) = (whole.path(), killed.path());
    assert_eq!(start(whole).run(20, |_| ControlFlow::Continue(())).unwrap(), Ended::Finished);
    assert_eq!(metrics(whole).len(), 21);
    assert!(
        metrics(whole).iter().filter(|m| m.validation.is_some()).map(|m| m.step).eq([0, 4, 8, 12, 16, 20])
    );

    // Killed after step 8 with the last checkpoint at 6: the log knows more than the checkpoint.
    let mut session = start(killed);
    let kept = killed.join("kept.dro");
    let stopped = session.run(20, |metric| {
        if metric.step == 8 {
            fs::copy(killed.join(NEWEST), &kept).unwrap();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    assert_eq!(stopped.unwrap(), Ended::Stopped);
    drop(session);
    fs::rename(&kept, killed.join(NEWEST)).unwrap();
    assert_eq!(metrics(killed).len(), 9);

    let (mut session, damage) = resume(killed);
    assert!(damage.is_none());
    assert_eq!((session.trainer().steps_done(), metrics(killed).len()), (6, 7));
    session.run(20, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(metrics(whole), metrics(killed));
    for name in ["weights.safetensors", NEWEST] {
        assert_eq!(fs::read(whole.join(name)).unwrap(), fs::read(killed.join(name)).unwrap(), "{name}");
    }
    let svg = fs::read_to_string(killed.join("curve.svg")).unwrap();
    assert!(svg.contains("training") && svg.contains("validation"));
}

#[test]
fn the_best_weights_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.validation.keep = 2;
    let trainer = Trainer::new(Toy::new(7), config().build().unwrap(), settings).unwrap();
    let mut session = Session::start(trainer, folder.path(), "about", 3).unwrap();
    fs::write(folder.path().join("best/mine.txt"), "stays").unwrap();
    session.run(20, |_| ControlFlow::Continue(())).unwrap();
    let mut ranked: Vec<(f64, u64)> =
        metrics(folder.path()).iter().filter_map(|m| Some((m.validation?, m.step))).collect();
    assert_eq!(ranked.len(), 6);
    ranked.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let mut expected: Vec<String> =
        ranked[..2].iter().map(|(_, step)| format!("step-{step:08}.safetensors")).collect();
    expected.push("mine.txt".into());
    expected.sort();
    let names = fs::read_dir(folder.path().join("best")).unwrap();
    let mut names: Vec<String> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, expected);
    let best = folder.path().join("best").join(format!("step-{:08}.safetensors", ranked[0].1));
    let weights = |path: &Path| load_weights(path, &Toy::new(7).layout()).unwrap();
    assert_eq!(weights(&best), weights(&folder.path().join("weights.safetensors")));
}

#[test]
fn a_training_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path());
    let trainer = Trainer::new(Toy::new(7), config().build().unwrap(), settings()).unwrap();
    let error = Session::start(trainer, folder.path(), "", 3).err().unwrap().to_string();
    assert!(error.contains("found a checkpoint"), "{error}");
}

#[test]
fn the_weights_are_the_best_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = start(folder.path());
    session.run(20, |_| ControlFlow::Continue(())).unwrap();
    let best = session.trainer().best().unwrap();
    let lowest = session.metrics().iter().filter_map(|m| m.validation).fold(f64::INFINITY, f64::min);
    assert_eq!(best.score, lowest);
    assert!(lowest < session.metrics()[0].validation.unwrap());
    let path = folder.path().join("weights.safetensors");
    assert_eq!(load_weights(&path, &Toy::new(7).layout()).unwrap(), best.theta);
}

#[test]
fn weights_are_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let layout = |parts: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
        parts.iter().map(|(name, shape)| ((*name).into(), shape.to_vec())).collect()
    };
    let saved = layout(&[("a", &[2, 2]), ("b", &[1])]);
    let theta = [1.0, -2.5, 3.0, f32::MIN_POSITIVE, 5.0];
    save_weights(&path, &saved, &theta, &[("about", "test")]).unwrap();
    assert_eq!(load_weights(&path, &saved).unwrap(), theta);
    let wrong = layout(&[("a", &[4]), ("c", &[1])]);
    let error = load_weights(&path, &wrong).unwrap_err().to_string();
    for part in ["w.safetensors", "a: expected float32 [4]", "c: expected float32 [1], found nothing", "b: "]
    {
        assert!(error.contains(part), "{error}");
    }
    assert!(save_weights(&path, &saved, &theta[1..], &[]).is_err());
    fs::write(&path, b"no").unwrap();
    assert!(load_weights(&path, &saved).unwrap_err().to_string().contains("expected safetensors"));
}
