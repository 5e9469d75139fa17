//! Meta-losses: what they add up to.

use proptest::prelude::*;

use crate::MetaLoss;

fn cost() -> impl Strategy<Value = f64> {
    prop_oneof![8 => -100f64..100.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

proptest! {
    #[test]
    fn improvements_add_up_to_what_was_gained(costs in prop::collection::vec(cost(), 1..30)) {
        let finite: Vec<f64> = costs.iter().copied().filter(|c| c.is_finite()).collect();
        let best = finite.iter().copied().fold(f64::INFINITY, f64::min);
        let gained = finite.first().map_or(0.0, |first| best - first);
        let improved = MetaLoss::ObservedImprovement {}.of(&costs, 0.0);
        prop_assert!((improved - gained).abs() < 1e-9);
        let end = if finite.is_empty() { 0.0 } else { best };
        prop_assert_eq!(MetaLoss::Final {}.of(&costs, 0.0), end);
    }

    #[test]
    fn regret_is_never_below_zero_and_never_rises_with_a_lower_cost(
        costs in prop::collection::vec(0f64..100.0, 1..30),
        at in 0usize..30,
        discount in 0.5f64..=1.0,
    ) {
        let loss = MetaLoss::Regret { discount };
        let before = loss.of(&costs, 0.0);
        prop_assert!(before >= 0.0);
        let mut better = costs.clone();
        let at = at % costs.len();
        better[at] = 0.0;
        prop_assert!(loss.of(&better, 0.0) <= before);
        prop_assert!(loss.of(&costs, 0.0) >= loss.of(&costs, 1.0));
    }

    #[test]
    fn pieces_add_up_to_the_whole(costs in prop::collection::vec(cost(), 1..30), cut in 0usize..30) {
        for loss in [
            MetaLoss::Sum {},
            MetaLoss::Final {},
            MetaLoss::ObservedImprovement {},
            MetaLoss::Regret { discount: 0.9 },
        ] {
            let mut meter = loss.meter(costs.len(), -1.0);
            let cut = cut.min(costs.len());
            let first: f64 = costs[..cut].iter().map(|c| meter.add(*c)).sum();
            let second: f64 = costs[cut..].iter().map(|c| meter.add(*c)).sum();
            prop_assert!((first + second - loss.of(&costs, -1.0)).abs() < 1e-9);
        }
    }
}

#[test]
fn a_failure_counts_as_the_worst_before_it() {
    let costs = [f64::NAN, 2.0, 5.0, f64::INFINITY, 1.0, f64::NAN];
    assert_eq!(MetaLoss::Sum {}.of(&costs, 0.0), 0.0 + 2.0 + 5.0 + 5.0 + 1.0 + 5.0);
    assert!(MetaLoss::Regret { discount: 0.0 }.validate().is_err());
}
