//! What every search promises, whichever the method.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::search::{Frame, Method, Search};

pub(super) fn methods() -> impl Strategy<Value = Method> {
    proptest::sample::select(Method::ALL)
}

/// A frame of which some coordinates are free, with any start in the unit box.
fn frames(dim: std::ops::Range<usize>) -> impl Strategy<Value = Frame> {
    proptest::collection::vec((0.0..=1.0f64, any::<bool>()), dim).prop_map(|coordinates| {
        let (start, boxed) = coordinates.into_iter().unzip();
        Frame { start, boxed }
    })
}

/// Rugged, quantised, and not finite on a share of the space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rugged {
    pub holes: f64,
    pub scale: f64,
}

impl Rugged {
    pub(super) fn at(self, x: &[f64]) -> f64 {
        let wave: f64 = x.iter().enumerate().map(|(i, x)| (7.0 * x + i as f64).sin()).sum();
        let share = 0.5 + 0.5 * (13.0 * x.iter().sum::<f64>()).sin();
        if share < self.holes {
            return [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][(share * 1e3) as usize % 3];
        }
        let bowl: f64 = x.iter().map(|x| (x - 0.3).powi(2)).sum();
        self.scale * ((wave + 5.0 * bowl) * 20.0).floor()
    }
}

fn rugged() -> impl Strategy<Value = Rugged> {
    let holes = prop_oneof![Just(0.0), 0.0..0.9f64, Just(2.0)];
    (holes, prop_oneof![Just(1.0), Just(1e-12), Just(1e12), Just(0.0)])
        .prop_map(|(holes, scale)| Rugged { holes, scale })
}

/// Asks and tells in batches; `visit` sees every trial.
fn drive(
    search: &mut dyn Search,
    cost: Rugged,
    batches: &[usize],
    shuffle: u64,
    mut visit: impl FnMut(u64, &[f64], f64),
) {
    let mut rng = ChaCha8Rng::seed_from_u64(shuffle);
    let mut x = vec![0.0; search.dim()];
    for &batch in batches {
        let mut told = Vec::new();
        for _ in 0..batch {
            let id = search.ask(&mut x).unwrap();
            let value = cost.at(&x);
            visit(id, &x, value);
            told.push((id, value));
        }
        told.shuffle(&mut rng);
        for (id, value) in told {
            search.tell(id, value).unwrap();
        }
    }
}

fn trace(search: &mut dyn Search, cost: Rugged, batches: &[usize], shuffle: u64) -> Vec<Vec<u64>> {
    let mut trace = Vec::new();
    drive(search, cost, batches, shuffle, |_, x, _| trace.push(x.iter().map(|x| x.to_bits()).collect()));
    trace
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn coordinates_are_in_the_box_and_the_best_never_rises(
        method in methods(), frame in frames(1..7), cost in rugged(), seed: u64,
        batches in proptest::collection::vec(1usize..9, 1..60),
    ) {
        let mut search = method.build(&frame, seed).unwrap();
        let (mut lowest, mut numbers) = (f64::INFINITY, Vec::new());
        let mut x = vec![0.0; frame.dim()];
        for batch in batches {
            let mut told = Vec::new();
            for _ in 0..batch {
                let id = search.ask(&mut x).unwrap();
                numbers.push(id);
                for (x, boxed) in x.iter().zip(&frame.boxed) {
                    prop_assert!(x.is_finite() && (!boxed || (0.0..=1.0).contains(x)), "{x}");
                }
                told.push((id, x.clone(), cost.at(&x)));
            }
            for (id, x, value) in told {
                let before = search.best().map(|best| best.cost);
                search.tell(id, value).unwrap();
                if value.is_finite() {
                    lowest = lowest.min(value);
                }
                match search.best() {
                    None => prop_assert!(lowest.is_infinite()),
                    Some(best) => {
                        prop_assert_eq!(best.cost, lowest);
                        prop_assert!(before.is_none_or(|before| best.cost <= before));
                        if before.is_none_or(|before| best.cost < before) {
                            prop_assert_eq!((best.trial, best.x), (id, &x[..]));
                        }
                    }
                }
                prop_assert!(search.tell(id, value).is_err(), "told twice");
            }
        }
        prop_assert_eq!(&numbers, &(0..numbers.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn one_seed_one_trajectory_for_any_order_of_tells(
        method in methods(), frame in frames(1..7), cost in rugged(), seed: u64, shuffles: (u64, u64),
        batches in proptest::collection::vec(1usize..9, 1..40),
    ) {
        let run = |shuffle| trace(&mut *method.build(&frame, seed).unwrap(), cost, &batches, shuffle);
        prop_assert_eq!(run(shuffles.0), run(shuffles.1));
        let other = trace(&mut *method.build(&frame, seed ^ 1).unwrap(), cost, &batches, 0);
        // The start is the same for all seeds, and what is clamped may be.
        let long = batches.iter().sum::<usize>() > 20 + 10 * frame.dim();
        prop_assert!(!long || other != run(0), "the seed has no effect");
    }

    #[test]
    fn save_and_restore_at_any_moment_changes_nothing(
        method in methods(), frame in frames(1..6), cost in rugged(), seed: u64,
        before in proptest::collection::vec(1usize..6, 0..30), open in 0usize..8, told in 0usize..8,
    ) {
        let mut search = method.build(&frame, seed).unwrap();
        drive(&mut *search, cost, &before, 0, |_, _, _| {});
        // Some trials open, some of them told and not yet absorbed.
        let mut x = vec![0.0; frame.dim()];
        let trials: Vec<(u64, f64)> =
            (0..open).map(|_| (search.ask(&mut x).unwrap(), cost.at(&x))).collect();
        let told = told.min(open);
        for (id, value) in &trials[..told] {
            search.tell(*id, *value).unwrap();
        }
        // Through text, as on the disk.
        let text = search.state().unwrap().to_string();
        let mut restored = Method::restore(serde_json::from_str(&text).unwrap()).unwrap();
        prop_assert_eq!(restored.name(), method.name());
        prop_assert_eq!(restored.best(), search.best());
        let finish = |search: &mut dyn Search| {
            for (id, value) in trials[told..].iter().rev() {
                search.tell(*id, *value).unwrap();
            }
            let trace = trace(search, cost, &[1, 1, 5, 1, 30, 1, 1], 3);
            (trace, search.best().map(|best| (best.trial, best.cost.to_bits())))
        };
        prop_assert_eq!(finish(&mut *search), finish(&mut *restored));
        prop_assert_eq!(search.state().unwrap(), restored.state().unwrap());
    }

    #[test]
    fn absurd_frames_and_costs_are_survived(
        method in methods(), dim in prop_oneof![Just(1usize), Just(2), Just(50)], corner: bool, boxed: bool,
        kind in 0usize..6, seed: u64,
    ) {
        let frame = Frame { start: vec![if corner { 1.0 } else { 0.0 }; dim], boxed: vec![boxed; dim] };
        let mut search = method.build(&frame, seed).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut x = vec![0.0; dim];
        for _ in 0..if dim == 50 { 150 } else { 600 } {
            let id = search.ask(&mut x).unwrap();
            prop_assert!(x.iter().all(|x| x.is_finite()));
            let cost = match kind {
                0 => f64::NAN,
                1 => 0.0,
                2 => f64::MAX * (2.0 * rng.random::<f64>() - 1.0),
                // Without a floor: down for ever.
                3 => -x.iter().sum::<f64>(),
                4 => f64::MIN_POSITIVE * rng.random::<f64>(),
                _ => x.iter().map(|x| x * x).sum::<f64>() * 1e-300,
            };
            search.tell(id, cost).unwrap();
        }
        prop_assert_eq!(search.best().is_none(), kind == 0);
        // Still alive, still savable.
        let mut restored = Method::restore(search.state().unwrap()).unwrap();
        prop_assert_eq!(restored.ask(&mut x).unwrap(), search.ask(&mut x).unwrap());
    }
}

#[test]
fn trials_that_are_not_open_are_named() {
    for method in Method::ALL {
        let mut search = method.build(&Frame::unit(2), 0).unwrap();
        let mut x = [0.0; 2];
        search.ask(&mut x).unwrap();
        search.ask(&mut x).unwrap();
        let error = search.tell(7, 1.0).unwrap_err().to_string();
        assert!(error.contains("trial 7") && error.contains("[0, 1]"), "{error}");
        assert!(search.ask(&mut [0.0; 3]).is_err());
    }
}

#[test]
fn names_lead_to_methods_and_back() {
    for method in Method::ALL {
        assert_eq!(method.name().parse::<Method>().unwrap(), *method);
        assert_eq!(serde_json::to_string(method).unwrap(), format!("{:?}", method.name()));
        assert_eq!(method.build(&Frame::unit(1), 0).unwrap().name(), method.name());
    }
    let error = "gradient-descent".parse::<Method>().unwrap_err().to_string();
    assert!(error.contains("random") && error.contains("gradient-descent"), "{error}");
}

#[test]
fn a_foreign_state_is_refused() {
    for state in [serde_json::json!(null), serde_json::json!({ "method": "cma-es", "state": {} })] {
        assert!(Method::restore(state).is_err());
    }
}
