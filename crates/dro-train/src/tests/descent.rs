//! Optimizers against steps worked out by hand; schedules; clipping; settings.

use proptest::prelude::*;

use crate::{AdamW, Curriculum, Descent, OptimizerConfig, RateKind, RateSchedule, Settings, Sgd, clip, norm};

#[test]
fn adamw_follows_its_equations() {
    let adam = AdamW { beta1: 0.8, beta2: 0.9, epsilon: 0.01, weight_decay: 0.1 };
    let mut descent = Descent::new(&OptimizerConfig::AdamW(adam), 1);
    let mut theta = [2.0f32];
    // m = 0.2·3 = 0.6, v = 0.1·9 = 0.9; m̂ = 3, v̂ = 9; 3/(3 + 0.01) + 0.1·2 = 1.196678
    descent.step(&mut theta, &[3.0], 0.5);
    let first = 2.0 - 0.5 * (3.0 / 3.01 + 0.2);
    assert!((f64::from(theta[0]) - first).abs() < 1e-6, "{theta:?}");
    // m = 0.8·0.6 − 0.2·1 = 0.28, v = 0.9·0.9 + 0.1·1 = 0.91; m̂ = 0.28/0.36, v̂ = 0.91/0.19
    descent.step(&mut theta, &[-1.0], 0.5);
    let (m, v): (f64, f64) = (0.28 / 0.36, 0.91 / 0.19);
    let second = first - 0.5 * (m / (v.sqrt() + 0.01) + 0.1 * first);
    assert!((f64::from(theta[0]) - second).abs() < 1e-6, "{theta:?} {second}");
}

#[test]
fn momentum_follows_its_equation() {
    let mut descent = Descent::new(&OptimizerConfig::Sgd(Sgd { momentum: 0.5 }), 2);
    let mut theta = [1.0f32, 0.0];
    descent.step(&mut theta, &[1.0, 0.0], 0.25);
    assert_eq!(theta, [0.75, 0.0]);
    descent.step(&mut theta, &[1.0, 2.0], 0.25);
    assert_eq!(theta, [0.375, -0.5]);
}

#[test]
fn rates_and_horizons_go_as_drawn() {
    let warm = RateSchedule { warm_up: 4, rate: 2.0, ..RateSchedule::default() };
    assert_eq!([0, 1, 3, 4, 99].map(|s| warm.at(s, 100)), [0.5, 1.0, 2.0, 2.0, 2.0]);
    let cosine = RateSchedule { kind: RateKind::Cosine, floor: 0.1, ..warm.clone() };
    assert_eq!(cosine.at(4, 104), 2.0);
    assert!((cosine.at(54, 104) - 1.1).abs() < 1e-12);
    assert!((cosine.at(104, 104) - 0.2).abs() < 1e-12 && (cosine.at(500, 104) - 0.2).abs() < 1e-12);
    let steps = RateSchedule { kind: RateKind::Step, every: 10, factor: 0.5, warm_up: 0, ..warm };
    assert_eq!([0, 9, 10, 35].map(|s| steps.at(s, 100)), [2.0, 2.0, 1.0, 0.25]);

    let growing = Curriculum { from: 10, to: 50, over: 100 };
    assert_eq!([0, 50, 100, 1000].map(|s| growing.at(s)), [10, 30, 50, 50]);
}

#[test]
fn settings_that_are_out_of_range_are_named() {
    for (text, name) in [
        ("steps = 0", "steps"),
        ("clip = -1.0", "clip"),
        ("[optimizer]\nkind = \"adamw\"\nbeta1 = 1.0", "optimizer.beta1"),
        ("[optimizer]\nkind = \"sgd\"\nmomentum = -0.1", "optimizer.momentum"),
        ("[schedule]\nrate = nan", "schedule.rate"),
        ("[schedule]\nkind = \"step\"\nfactor = 2.0", "schedule.factor"),
        ("[curriculum]\nfrom = 0\nto = 3\nover = 5", "curriculum.from"),
        ("[validation]\ntasks = 0", "validation.tasks"),
    ] {
        let settings: Settings = toml::from_str(text).unwrap();
        let error = settings.validate().unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
    for text in ["step = 3", "[optimizer]\nkind = \"adamw\"\nbeta3 = 0.1", "[schedule]\nkind = \"line\""] {
        assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
    }
}

#[test]
fn settings_survive_toml() {
    let settings = Settings {
        curriculum: Some(Curriculum { from: 1, to: 2, over: 3 }),
        optimizer: OptimizerConfig::Sgd(Sgd { momentum: 0.3 }),
        ..Settings::default()
    };
    for settings in [settings, Settings::default()] {
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }
}

proptest! {
    #[test]
    fn clipping_keeps_the_direction(
        gradient in prop::collection::vec(-10f32..10.0, 1..20),
        limit in 0.01f64..20.0,
    ) {
        let mut clipped = gradient.clone();
        let before = clip(&mut clipped, limit);
        prop_assert_eq!(before, norm(&gradient));
        prop_assert!(norm(&clipped) <= limit.max(0.0) * (1.0 + 1e-6) || norm(&clipped) == before);
        if before <= limit {
            prop_assert_eq!(clipped, gradient);
        } else {
            for (c, g) in clipped.iter().zip(&gradient) {
                prop_assert!((f64::from(*c) - f64::from(*g) * limit / before).abs() < 1e-5);
            }
        }
    }
}
