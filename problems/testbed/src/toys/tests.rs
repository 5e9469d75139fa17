use dro_core::search::{Method, Run};
use proptest::prelude::*;

use super::*;

/// How far a seeded random search must get from the start's cost towards the truth's (0 where it is unknown): the
/// share of the way that is left.
const LEFT: [(&str, f64); 7] = [
    ("staircase", 0.5),
    ("registration", 0.75),
    ("localisation", 0.5),
    ("cart-pole", 0.75),
    ("max-cut", 0.25),
    ("tuning", 0.85),
    ("binarisation", 0.25),
];

fn found(toy: &dyn Toy, seed: u64) -> dro_core::search::Found {
    let run = Run::of(toy.encoding()).method(Method::Random).evaluations(toy.evaluations()).seed(seed);
    run.minimize(|values| toy.cost(values)).unwrap()
}

#[test]
fn a_seeded_search_improves_on_the_start() {
    for seed in [0, 1, 2] {
        for toy in all(seed).unwrap() {
            let left = LEFT.iter().find(|(name, _)| *name == toy.name()).unwrap().1;
            let start = toy.cost(&toy.start().unwrap());
            let truth = toy.truth().map_or(0.0, |truth| toy.cost(&truth));
            let found = found(&*toy, seed);
            let share = (found.best_cost - truth) / (start - truth);
            assert!(share <= left, "{} seed {seed}: start {start}, truth {truth}, {found:?}", toy.name());
            assert_eq!(found, self::found(&*toy, seed));
        }
    }
}

#[test]
fn nothing_is_better_than_the_truth() {
    for seed in 0..4 {
        for toy in all(seed).unwrap() {
            let Some(truth) = toy.truth() else { continue };
            let best = toy.cost(&truth);
            assert!(found(&*toy, seed).best_cost >= best, "{} seed {seed}", toy.name());
            assert!(toy.cost(&toy.start().unwrap()) > best + 0.05, "{} seed {seed}", toy.name());
        }
    }
}

#[test]
fn the_truth_of_some_is_known_exactly() {
    let zero = |toy: &dyn Toy| assert_eq!(toy.cost(&toy.truth().unwrap()), 0.0, "{}", toy.name());
    zero(&Staircase::new(3).unwrap());
    zero(&Localisation::new(3).unwrap());
    zero(&MaxCut::new(3).unwrap());
    zero(&Registration::new(3).unwrap());
}

#[test]
fn pictures_and_words_are_of_the_values() {
    for toy in all(0).unwrap() {
        let (start, best) = (toy.start().unwrap(), found(&*toy, 0).best.unwrap());
        assert_eq!(toy.draw(&start), toy.draw(&start));
        assert_ne!(toy.draw(&start), toy.draw(&best), "{}", toy.name());
        assert_ne!(toy.say(&start), toy.say(&best), "{}", toy.name());
        let size = toy.draw(&best).size();
        assert!((100..400).contains(&size.0) && (100..400).contains(&size.1), "{}: {size:?}", toy.name());
        // Values of the wrong number are no reason to panic.
        assert!(toy.cost(&[0.5]).is_nan() && toy.cost(&[]).is_nan(), "{}", toy.name());
        toy.draw(&[]);
        toy.say(&[]);
    }
}

#[test]
fn seeds_make_other_problems() {
    for (a, b) in all(1).unwrap().iter().zip(all(2).unwrap()) {
        // Values that belong to neither.
        let values = found(&**a, 7).best.unwrap();
        assert_ne!(a.draw(&values), b.draw(&values), "{}", a.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn costs_are_shares(seed in 0u64..1000, numbers in prop::collection::vec(-1.0..2.0f64, 40)) {
        for toy in all(seed).unwrap() {
            let mut u = numbers[..toy.encoding().dim()].to_vec();
            toy.encoding().frame().clamp(&mut u);
            let mut values = Vec::new();
            toy.encoding().decode(&u, &mut values).unwrap();
            let (cost, most) = (toy.cost(&values), if toy.name() == "staircase" { 10.0 } else { 1.0 });
            prop_assert!((0.0..=most).contains(&cost), "{}: {}", toy.name(), cost);
            prop_assert_eq!(cost, toy.cost(&values));
        }
    }
}

#[test]
fn wild_values_do_not_panic() {
    for toy in all(0).unwrap() {
        let elements = toy.encoding().elements();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1.0] {
            toy.cost(&vec![value; elements]);
            toy.draw(&vec![value; elements]);
        }
    }
}
