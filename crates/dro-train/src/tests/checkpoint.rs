//! Going on from a checkpoint, and damaged ones.

use std::fs;

use super::toy::Toy;
use crate::{
    Bptt, Checkpoint, Curriculum, Error, Es, EstimatorConfig, NEWEST, PREVIOUS, Pes, Settings, Shaping,
    Trainer, Validation,
};

fn settings() -> Settings {
    Settings {
        seed: 4,
        steps: 30,
        curriculum: Some(Curriculum { from: 2, to: 7, over: 12 }),
        validation: Validation { every: 5, tasks: 4, seed: 1, keep: 0 },
        ..Settings::default()
    }
}

fn trainer(config: &EstimatorConfig) -> Trainer<Toy> {
    Trainer::new(Toy::new(7), config.build().unwrap(), settings()).unwrap()
}

#[test]
fn going_on_gives_the_same_bits() {
    for config in [
        EstimatorConfig::Es(Es { pairs: 4, tasks: 2, sigma: 0.1, shaping: Shaping::Sign }),
        EstimatorConfig::Pes(Pes { pairs: 5, truncation: 2, sigma: 0.1 }),
        EstimatorConfig::Bptt(Bptt { tasks: 3, truncation: 2 }),
    ] {
        let mut whole = trainer(&config);
        let reports: Vec<_> = (0..30).map(|_| whole.step().unwrap()).collect();
        for stop in [0, 1, 7, 29] {
            let folder = tempfile::tempdir().unwrap();
            let mut first = trainer(&config);
            for _ in 0..stop {
                first.step().unwrap();
            }
            first.checkpoint("half").unwrap().save(folder.path()).unwrap();
            drop(first);
            let (saved, damage) = Checkpoint::load(folder.path()).unwrap();
            assert!(damage.is_none() && saved.about == "half");
            let estimator = config.build().unwrap();
            let mut second = Trainer::resume(Toy::new(7), estimator, settings(), saved).unwrap();
            for report in &reports[stop..] {
                assert_eq!(*report, second.step().unwrap(), "{config:?} after {stop}");
            }
            assert_eq!(whole.theta(), second.theta());
            assert_eq!(whole.best(), second.best());
            assert_eq!(whole.checkpoint("").unwrap(), second.checkpoint("").unwrap());
        }
    }
}

/// Two checkpoints in a folder, of steps 1 and 2.
fn two() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(&EstimatorConfig::default());
    for _ in 0..2 {
        trainer.step().unwrap();
        trainer.checkpoint("").unwrap().save(folder.path()).unwrap();
    }
    folder
}

#[test]
fn damage_of_any_kind_is_found_and_the_previous_one_is_used() {
    let folder = two();
    let path = folder.path().join(NEWEST);
    let good = fs::read(&path).unwrap();
    let mut damaged = vec![Vec::new(), good[..10].to_vec(), good[..good.len() - 1].to_vec()];
    for at in [0, 18, 22, 40, good.len() / 2, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 4;
        damaged.push(flipped);
    }
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        let (saved, damage) = Checkpoint::load(folder.path()).unwrap();
        assert_eq!(saved.step, 1);
        let damage = damage.unwrap().to_string();
        assert!(damage.contains(NEWEST) && damage.contains("expected"), "{damage}");
        // The damaged file must not take the place of the good one.
        saved.save(folder.path()).unwrap();
        assert_eq!(Checkpoint::read(&folder.path().join(PREVIOUS)).unwrap().step, 1);
        assert_eq!(Checkpoint::load(folder.path()).unwrap().0.step, 1);
    }
    fs::write(&path, b"x").unwrap();
    fs::write(folder.path().join(PREVIOUS), b"x").unwrap();
    let error = Checkpoint::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains(NEWEST), "{error}");
}

#[test]
fn a_kill_between_the_two_files_costs_nothing() {
    let folder = two();
    fs::remove_file(folder.path().join(NEWEST)).unwrap();
    assert_eq!(Checkpoint::load(folder.path()).unwrap().0.step, 1);
    let error = Checkpoint::load(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn another_training_is_not_gone_on_with() {
    let saved = || trainer(&EstimatorConfig::default()).checkpoint("").unwrap();
    let resume = |settings: Settings, saved: Checkpoint| {
        Trainer::resume(Toy::new(7), EstimatorConfig::default().build().unwrap(), settings, saved)
    };
    assert!(resume(Settings { steps: 60, ..settings() }, saved()).is_ok());
    let error = resume(Settings { seed: 5, ..settings() }, saved()).err().unwrap().to_string();
    assert!(error.contains("\"seed\":4") && error.contains("\"seed\":5"), "{error}");
    let mut short = saved();
    short.theta.pop();
    let error = resume(settings(), short).err().unwrap().to_string();
    assert!(error.contains("expected 3 numbers, found 2"), "{error}");
}
