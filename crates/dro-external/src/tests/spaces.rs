//! Descriptions of variables: what they mean, and what is refused.

use dro_core::{Domain, search::Encoding};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const EVERY_KIND: &str = r#"
[[variable]]
name = "lr"
lower = 1e-5
upper = 1
log = true

[[variable]]
name = "w"
shape = [2, 3]
lower = -1
upper = 1.5
start = [[0, 0.5, 1], [0.25, 0, -1]]

[[variable]]
name = "free"
start = 10
scale = 3

[[variable]]
name = "above"
kind = "real"
lower = 0

[[variable]]
name = "layers"
kind = "integer"
lower = 1
upper = 8

[[variable]]
name = "width"
kind = "integer"
lower = 1
upper = 4096
log = true

[[variable]]
name = "act"
kind = "categorical"
choices = ["relu", 3, 0.5, true]

[[variable]]
name = "flags"
kind = "categorical"
shape = [2]
choices = [false, true]

[[variable]]
name = "pose"
kind = "se3"
scale = 0.1

[[variable]]
name = "poses"
kind = "se3"
shape = [2]
start = [
  [[1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
  [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
]
"#;

fn decoded(encoding: &Encoding, u: &[f64]) -> Vec<f64> {
    let mut values = Vec::new();
    encoding.decode(u, &mut values).unwrap();
    values
}

#[test]
fn the_start_is_what_the_file_says() {
    let variables = Variables::parse(EVERY_KIND, "space.toml").unwrap();
    let values = decoded(variables.encoding(), &variables.encoding().frame().start);
    let x = variables.assignment(&values).unwrap();
    let keys: Vec<_> = x.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        keys,
        ["lr", "w", "free", "above", "layers", "width", "act", "flags", "pose", "poses"],
        "the file's order"
    );
    // Between bounds it passes through [0, 1], which rounds.
    let w = x.get("w").unwrap();
    for (i, row) in [[0.0, 0.5, 1.0], [0.25, 0.0, -1.0]].iter().enumerate() {
        for (j, expected) in row.iter().enumerate() {
            assert!((w[i][j].as_f64().unwrap() - expected).abs() < 1e-12, "{w}");
        }
    }
    assert!((x.get("lr").unwrap().as_f64().unwrap().log10() + 2.5).abs() < 1e-9);
    let identity =
        json!([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]);
    for (name, expected) in [
        ("free", json!(10.0)),
        ("above", json!(0.0)),
        ("layers", json!(4)),
        ("act", json!("relu")),
        ("pose", identity),
    ] {
        assert_eq!(x.get(name), Some(&expected), "{name}");
    }
    assert_eq!(x.get("poses").unwrap()[0][0][3], 5.0);
    assert_eq!(x.get("poses").unwrap()[1][0], json!([0.0, -1.0, 0.0, 0.0]));
    assert_eq!(x.get("flags").unwrap().as_array().unwrap().len(), 2);
}

fn is_pose(value: &Value) -> bool {
    let numbers: Vec<f64> = value
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|v| v.as_f64().unwrap())
        .collect();
    se3::distance_from_pose(&numbers) < 1e-9
}

proptest! {
    #[test]
    fn every_value_is_of_its_kind_and_in_its_bounds(seed in any::<u64>(), wild in -3.0..3.0f64) {
        let variables = Variables::parse(EVERY_KIND, "space.toml").unwrap();
        let encoding = variables.encoding();
        let mut state = seed;
        let mut u: Vec<f64> = (0..encoding.dim()).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            wild * ((state >> 11) as f64 / (1u64 << 53) as f64)
        }).collect();
        encoding.frame().clamp(&mut u);
        let x = variables.assignment(&decoded(encoding, &u)).unwrap();
        let number = |name: &str| x.get(name).unwrap().as_f64().unwrap();
        prop_assert!((1e-5..=1.0).contains(&number("lr")));
        for v in x.get("w").unwrap().as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()) {
            prop_assert!((-1.0..=1.5).contains(&v.as_f64().unwrap()));
        }
        prop_assert!(number("free").is_finite() && number("above") >= 0.0);
        prop_assert!((1..=8).contains(&x.get("layers").unwrap().as_i64().unwrap()));
        prop_assert!((1..=4096).contains(&x.get("width").unwrap().as_i64().unwrap()));
        prop_assert!([json!("relu"), json!(3), json!(0.5), json!(true)].contains(x.get("act").unwrap()));
        prop_assert!(x.get("flags").unwrap().as_array().unwrap().iter().all(Value::is_boolean));
        prop_assert!(is_pose(x.get("pose").unwrap()));
        prop_assert!(x.get("poses").unwrap().as_array().unwrap().iter().all(is_pose));
        // What travels comes back the same from a journal.
        let text = serde_json::to_string(&x).unwrap();
        prop_assert_eq!(serde_json::from_str::<Assignment>(&text).unwrap(), x);
    }

    #[test]
    fn no_text_is_too_odd(text in "(\\[\\[variable\\]\\]\nname = '[a-c]'\n([a-z]{3,6} = (1|-2.5|'real'|\\[2\\]|nan)\n){0,3}){0,3}") {
        if let Err(error) = Variables::parse(&text, "space.toml") {
            prop_assert!(error.to_string().starts_with("space.toml"), "{}", error);
        }
    }
}

#[test]
fn whole_numbers_on_a_logarithmic_scale_have_equal_shares_of_each_octave() {
    let variables = Variables::parse(
        "[[variable]]\nname='n'\nkind='integer'\nlower=1\nupper=1024\nlog=true",
        "space.toml",
    )
    .unwrap();
    let at = |u: f64| variables.assignment(&decoded(variables.encoding(), &[u])).unwrap();
    assert_eq!((at(0.0).get("n"), at(1.0).get("n")), (Some(&json!(1)), Some(&json!(1024))));
    let below_32 =
        (0..1000).filter(|i| at(f64::from(*i) / 999.0).get("n").unwrap().as_i64() < Some(32)).count();
    assert!((500..600).contains(&below_32), "{below_32}");
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "space.toml: expected at least one variable ([[variable]]), found none"),
        ("x = 1", "space.toml: expected only [[variable]] tables, found the key \"x\""),
        ("variable = 1", "space.toml: expected [[variable]] tables, found integer"),
        ("variable = [1]", "space.toml, variable 1: expected a [[variable]] table, found 1"),
        ("[[variable]]\nlower = 1", "space.toml, variable 1: name: expected a text, found nothing"),
        ("[[variable]]\nname = 1", "space.toml, variable 1: name: expected a text, found 1"),
        (
            "[[variable]]\nname = ''\nlower=0\nupper=1",
            "variable \"\": name: expected a name, found an empty text",
        ),
        ("[[variable]]\nname = 'a'\nlowr = 1", "variable \"a\": expected one of the keys name, shape,"),
        (
            "[[variable]]\nname = 'a'\nkind = 'int'",
            "variable \"a\": kind: expected \"real\", \"integer\", \"categorical\" or \"se3\", found \"int\"",
        ),
        ("[[variable]]\nname = 'a'\nlower = 'x'", "variable \"a\": lower: expected a number, found \"x\""),
        (
            "[[variable]]\nname = 'a'\nlower = 2\nupper = 1",
            "bounds: expected lower at most upper, found lower 2, upper 1",
        ),
        ("[[variable]]\nname = 'a'\nlower = nan\nupper = 1", "bounds: expected finite numbers"),
        (
            "[[variable]]\nname = 'a'\nlower = -1.7e308\nupper = 1.7e308",
            "bounds: expected a range that a float64 holds",
        ),
        (
            "[[variable]]\nname = 'a'\nlower = 0\nupper = 1\nlog = true",
            "log: expected both bounds, above zero, found lower 0, upper 1",
        ),
        (
            "[[variable]]\nname = 'a'\nlower = 1\nlog = true",
            "log: expected both bounds, above zero, found lower 1, upper missing",
        ),
        ("[[variable]]\nname = 'a'\nlog = 1", "log: expected true or false, found 1"),
        (
            "[[variable]]\nname = 'a'\nlower = 0\nupper = 1\nscale = 1",
            "scale: expected none, because the bounds say it, found 1",
        ),
        ("[[variable]]\nname = 'a'\nscale = 0", "scale: expected a finite number above zero, found 0"),
        (
            "[[variable]]\nname = 'a'\nlower = 0\nupper = 1\nstart = 2",
            "start: expected finite numbers in [0, 1], found 2",
        ),
        ("[[variable]]\nname = 'a'\nstart = [1, 2]", "start: expected a number, found [1, 2]"),
        (
            "[[variable]]\nname = 'a'\nshape = [3]\nstart = [1, 2]",
            "start: expected numbers nested as 3, found [1, 2]",
        ),
        (
            "[[variable]]\nname = 'a'\nshape = [0]",
            "shape: expected a list of whole numbers above zero, such as [3] or [2, 4], found 0",
        ),
        ("[[variable]]\nname = 'a'\nshape = 3", "shape: expected a list of whole numbers"),
        ("[[variable]]\nname = 'a'\nshape = [4000000000, 4000000000]", "shape: expected 1 to 1048576 values"),
        (
            "[[variable]]\nname = 'a'\nchoices = ['x']",
            "choices: expected none for kind \"real\", found [\"x\"]",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'integer'\nlower = 1",
            "upper: expected a whole number, found nothing",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'integer'\nlower = 1\nupper = 2.5",
            "upper: expected a whole number, found 2.5",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'integer'\nlower = 0\nupper = 99999999",
            "bounds: expected whole numbers up to 2^24",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'integer'\nlower = 0\nupper = 9\nlog = true",
            "log: expected a lower bound of at least 1",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'integer'\nlower = 0\nupper = 9\nstart = 1.5",
            "start: expected whole numbers in [0, 9], found 1.5",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'",
            "choices: expected a list of texts, numbers or booleans, found nothing",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'\nchoices = []",
            "choices: expected at least one, found none",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'\nchoices = [1, 1]",
            "choices: expected different choices, found 1 twice",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'\nchoices = [[1]]",
            "choices: expected a list of texts, numbers or booleans, found [1]",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'\nchoices = [1, 2]\nlower = 0",
            "lower: expected none for kind \"categorical\", found 0",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'categorical'\nchoices = ['only']",
            "space.toml: expected something to choose",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'se3'\nupper = 1",
            "upper: expected none for kind \"se3\", found 1",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'se3'\nstart = [[2,0,0,0],[0,2,0,0],[0,0,2,0],[0,0,0,1]]",
            "start: expected rigid motions [R t; 0 0 0 1] with a rotation R, found a matrix that is",
        ),
        (
            "[[variable]]\nname = 'a'\nkind = 'se3'\nstart = 1",
            "start: expected a 4x4 matrix, found 1 numbers",
        ),
        (
            "[[variable]]\nname = 'a'\n[[variable]]\nname = 'a'",
            "variable \"a\": name: expected a name of its own, found it twice",
        ),
        ("[[variable]]\nname = 'a'\n[[variable]]\nname =", "space.toml, line 4: "),
    ] {
        let error = Variables::parse(text, "space.toml").unwrap_err().to_string();
        assert!(
            error.starts_with("space.toml") && error.contains(expected),
            "{text:?}\n {error}\n {expected}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    let error = Variables::read("nowhere/space.toml").unwrap_err().to_string();
    assert!(error.contains("nowhere/space.toml"), "{error}");
}

#[test]
fn code_and_file_agree() {
    let file = "[[variable]]\nname='lr'\nlower=0.1\nupper=1\nlog=true\n[[variable]]\nname='k'\nkind='categorical'\nchoices=['a','b']";
    let file = Variables::parse(file, "space.toml").unwrap();
    let code =
        Variables::new(vec![Variable::log("lr", 0.1, 1.0), Variable::categorical("k", ["a", "b"])]).unwrap();
    assert_eq!(file.list(), code.list());
    assert!(matches!(code.space().blocks()[0].domain, Domain::Log { .. }));
    let error = Variables::new(vec![Variable::real("x", 1.0, 0.0)]).unwrap_err().to_string();
    assert!(error.starts_with("variable \"x\": bounds"), "{error}");
}
