//! Coordinates and values.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use crate::{Block, Domain, Manifold, Result, Space, search::Encoding};

/// The circle of radius 1 in the plane: two stored numbers, one of them to move by.
#[derive(Debug)]
struct Circle;

impl Manifold for Circle {
    fn name(&self) -> &str {
        "circle"
    }

    fn retract(&self, x: &Tensor, d: &Tensor) -> Result<Tensor> {
        let (x, d) = (x.to_vec2::<f64>()?, d.to_vec2::<f64>()?);
        let rows: Vec<Vec<f64>> = x
            .iter()
            .zip(&d)
            .map(|(x, d)| {
                let angle = x[1].atan2(x[0]) + d[0];
                vec![angle.cos(), angle.sin()]
            })
            .collect();
        Ok(Tensor::new(rows, &Device::Cpu)?)
    }

    fn increment_elements(&self, _stored: usize) -> usize {
        1
    }
}

fn bounds() -> impl Strategy<Value = (f64, f64)> {
    let number = prop_oneof![-10.0..10.0f64, Just(0.0), Just(f64::MAX), Just(f64::MIN), -1e300..1e300f64];
    (number.clone(), number).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn domains() -> impl Strategy<Value = Domain> {
    prop_oneof![
        bounds().prop_map(|(lower, upper)| Domain::Real { lower, upper }),
        bounds().prop_map(|(lower, _)| Domain::Real { lower, upper: f64::INFINITY }),
        bounds().prop_map(|(_, upper)| Domain::Real { lower: f64::NEG_INFINITY, upper }),
        Just(Domain::UNBOUNDED),
        (1e-300..1.0f64, 0.0..1e300f64).prop_map(|(lower, more)| Domain::Log { lower, upper: lower + more }),
        (-16_777_216i64..=16_777_216, -16_777_216i64..=16_777_216)
            .prop_map(|(a, b)| Domain::Integer { lower: a.min(b), upper: a.max(b) }),
        (1usize..6).prop_map(|k| Domain::Categorical { choices: (0..k).map(|i| i.to_string()).collect() }),
        Just(Domain::Manifold(Arc::new(Circle))),
    ]
}

fn block(i: usize, domain: Domain, elements: usize) -> Block {
    let elements = if matches!(domain, Domain::Manifold(_)) { 2 } else { elements };
    Block { name: format!("b{i}"), shape: vec![elements], domain }
}

fn lies_in(domain: &Domain, values: &[f64]) -> bool {
    values.iter().all(|v| match domain {
        Domain::Real { lower, upper } | Domain::Log { lower, upper } => {
            v.is_finite() && lower <= v && v <= upper
        }
        Domain::Integer { lower, upper } => v.fract() == 0.0 && *lower as f64 <= *v && *v <= *upper as f64,
        Domain::Categorical { choices } => v.fract() == 0.0 && (0.0..choices.len() as f64).contains(v),
        Domain::Manifold(_) => (values[0].hypot(values[1]) - 1.0).abs() < 1e-12,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_decoded_lies_in_the_domain(
        domains in proptest::collection::vec((domains(), 1usize..4), 1..4), scale in prop_oneof![1e-3..1e3f64, Just(1e308)],
        seed in proptest::collection::vec((0.0..=1.0f64, prop_oneof![-3.0..3.0f64, Just(1e300), Just(-1e300)]), 72),
        ends in 0usize..3,
    ) {
        let blocks: Vec<Block> = domains.into_iter().enumerate().map(|(i, (d, n))| block(i, d, n)).collect();
        let space = Space::new(blocks.clone()).unwrap();
        let Ok(mut encoding) = Encoding::new(&space) else { return Ok(()) };
        for b in &blocks {
            encoding = encoding.scale(&b.name, scale).unwrap();
            if let Domain::Manifold(_) = b.domain {
                encoding = encoding.start(&b.name, &[0.6, 0.8]).unwrap();
            }
        }
        let frame = encoding.frame();
        prop_assert_eq!(frame.dim(), encoding.dim());
        prop_assert_eq!(frame.boxed.len(), encoding.dim());
        let u: Vec<f64> = frame.boxed.iter().zip(&seed).map(|(boxed, (inside, anywhere))| match (boxed, ends) {
            (true, 0) => inside.round(),
            (true, _) => *inside,
            (false, _) => *anywhere,
        }).collect();
        let mut values = vec![f64::NAN];
        encoding.decode(&u, &mut values).unwrap();
        prop_assert_eq!(values.len(), encoding.elements());
        let mut rest = &values[..];
        for b in &blocks {
            let (own, after) = rest.split_at(b.elements());
            prop_assert!(lies_in(&b.domain, own), "{:?}: {own:?}", b.domain);
            rest = after;
        }
        prop_assert!(encoding.decode(&u[1..], &mut values).is_err());
    }

    #[test]
    fn a_start_comes_back(
        domain in domains(), share in proptest::collection::vec(0.0..=1.0f64, 3), scale in 0.1..10.0f64,
    ) {
        let b = block(0, domain.clone(), 3);
        let start: Vec<f64> = match &domain {
            Domain::Manifold(_) => vec![share[0].cos(), share[0].sin()],
            Domain::Real { lower, upper } => share.iter().map(|s| {
                let (low, high) = (lower.max(f64::MIN / 4.0), upper.min(f64::MAX / 4.0));
                ((1.0 - s) * low + s * high).clamp(*lower, *upper)
            }).collect(),
            Domain::Log { lower, upper } =>
                share.iter().map(|s| ((1.0 - s) * lower.ln() + s * upper.ln()).exp().clamp(*lower, *upper)).collect(),
            Domain::Integer { lower, upper } =>
                share.iter().map(|s| (*lower as f64 + (s * (upper - lower) as f64)).round()).collect(),
            Domain::Categorical { choices } =>
                share.iter().map(|s| (s * (choices.len() - 1) as f64).round()).collect(),
        };
        let space = Space::new(vec![b]).unwrap();
        let Ok(encoding) = Encoding::new(&space) else { return Ok(()) };
        let encoding = encoding.start("b0", &start).unwrap().scale("b0", scale).unwrap();
        let mut back = Vec::new();
        encoding.decode(&encoding.frame().start, &mut back).unwrap();
        // A coordinate in [0, 1] has 52 bits, spread over the width of the bounds.
        let tolerance = |v: f64| match &domain {
            Domain::Real { lower, upper } if lower.is_finite() && upper.is_finite() =>
                1e-15 * (lower.abs() + upper.abs()),
            Domain::Log { .. } => 1e-12 * v.abs(),
            Domain::Manifold(_) => 1e-12,
            _ => 0.0,
        };
        for (back, start) in back.iter().zip(&start) {
            prop_assert!((back - start).abs() <= tolerance(*start), "{start} -> {back} in {domain:?}");
        }
        // Through tensors too.
        let point = encoding.point(&back, DType::F64, &Device::Cpu).unwrap();
        prop_assert_eq!(point.values()[0].flatten_all().unwrap().to_vec1::<f64>().unwrap(), back);
    }
}

#[test]
fn every_cell_of_an_integer_and_every_choice_is_as_wide_as_the_others() {
    let space = Space::new(vec![
        Block::integer("n", [1], -3, 4),
        Block::categorical("two", [1], ["a", "b"]),
        Block::categorical("three", [1], ["a", "b", "c"]),
    ])
    .unwrap();
    let encoding = Encoding::new(&space).unwrap();
    assert_eq!((encoding.dim(), encoding.elements()), (5, 3));
    let mut counts = [0; 8];
    let mut values = Vec::new();
    for i in 0..800 {
        encoding.decode(&[f64::from(i) / 800.0, 0.5, 0.2, 0.9, 0.9], &mut values).unwrap();
        counts[(values[0] + 3.0) as usize] += 1;
        // Of equal ones the first.
        assert_eq!(values[1..], [0.0, 1.0]);
    }
    assert_eq!(counts, [100; 8]);
}

#[test]
fn wrong_starts_and_scales_are_named() {
    let space = Space::new(vec![
        Block::bounded("x", [2], -1.0, 1.0),
        Block::log("rate", [1], 1e-3, 1.0),
        Block::integer("n", [1], 1, 8),
        Block::categorical("kind", [1], ["a", "b"]),
        Block::real("free", [1]),
    ])
    .unwrap();
    let encoding = Encoding::new(&space).unwrap();
    let start = |name: &str, value: &[f64]| encoding.clone().start(name, value).unwrap_err().to_string();
    assert_eq!(start("x", &[0.0, 1.5]), "start of \"x\": expected numbers in [-1, 1], found 1.5");
    assert_eq!(start("x", &[0.0]), "start of \"x\": expected 2 finite numbers, found [0.0]");
    assert_eq!(start("rate", &[0.0]), "start of \"rate\": expected numbers in [0.001, 1], found 0");
    assert_eq!(start("n", &[2.5]), "start of \"n\": expected whole numbers in [1, 8], found 2.5");
    assert_eq!(start("kind", &[2.0]), "start of \"kind\": expected indices of 2 choices, found 2");
    assert!(start("free", &[f64::INFINITY]).contains("1 finite numbers"));
    assert!(start("y", &[0.0]).contains("no block is named \"y\""));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = encoding.clone().scale("free", scale).unwrap_err().to_string();
        assert!(error.contains("scale of \"free\""), "{error}");
    }
}
