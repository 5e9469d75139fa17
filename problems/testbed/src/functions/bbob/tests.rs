use super::*;
use proptest::prelude::*;

struct Row {
    problem: (u8, usize, u32),
    value: f64,
    point: Vec<f64>,
}

fn rows() -> Vec<Row> {
    let text = include_str!("../../../tests/data/bbob.csv");
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        rows.push(Row {
            problem: (cells[0].parse().unwrap(), cells[1].parse().unwrap(), cells[2].parse().unwrap()),
            value: cells[3].parse().unwrap(),
            point: cells[4].split(' ').map(|x| x.parse().unwrap()).collect(),
        });
    }
    rows
}

#[test]
fn values_are_those_of_coco() {
    let mut wrong = Vec::new();
    let rows = rows();
    assert_eq!(rows.len(), 24 * 3 * 5 * 3);
    for Row { problem, value, point } in &rows {
        let ours = Bbob::new(problem.0, problem.1, problem.2).unwrap();
        let found = ours.value_at(point);
        // A value is a sum of f_opt and terms of any size.
        if !((found - value).abs() <= 1e-9 * value.abs().max(1.0)) {
            wrong.push(format!("f{} D{} i{}: {found}, COCO {value}", problem.0, problem.1, problem.2));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn no_point_is_below_the_optimum_and_the_optimum_is_reached() {
    for function in 1..=24 {
        for dim in [2, 3, 7, 20, 40] {
            for instance in [1, 5, 12345] {
                let f = Bbob::new(function, dim, instance).unwrap();
                let gap = f.value_at(f.minimiser()) - f.value_of_optimum();
                assert!((-1e-9..1e-7).contains(&gap), "{f:?}: {gap}");
                assert!(f.minimiser().iter().all(|x| x.abs() <= 5.0), "{f:?}: {:?}", f.minimiser());
            }
        }
    }
}

proptest! {
    #[test]
    fn values_are_at_or_above_the_optimum(
        function in 1u8..=24, dim in 2usize..=20, instance in 1u32..1000, seed in any::<u64>(),
    ) {
        let f = Bbob::new(function, dim, instance).unwrap();
        let mut state = seed;
        let u: Vec<f64> = (0..dim).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        }).collect();
        let value = f.value(&u);
        prop_assert!(value.is_finite() && value >= f.value_of_optimum() - 1e-9, "{:?}: {}", f, value);
        prop_assert_eq!(value, f.value(&u));
        prop_assert_eq!(value, Bbob::new(function, dim, instance).unwrap().value(&u));
    }
}

#[test]
fn what_is_no_problem_is_refused() {
    for (function, dim, instance, name) in [
        (0, 2, 1, "function"),
        (25, 2, 1, "function"),
        (1, 1, 1, "dimension"),
        (1, 41, 1, "dimension"),
        (1, 2, 0, "instance"),
    ] {
        let message = Bbob::new(function, dim, instance).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    assert!(Bbob::new(1, 2, 1).unwrap().value(&[0.5; 3]).is_nan());
    assert!(Bbob::new(1, 2, 1).unwrap().value(&[0.5; 60]).is_nan());
}
