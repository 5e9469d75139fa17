//! Programs that work, each in its own way.

use candle_core::{Device, Tensor};
use dro_core::{BlockId, CostFunction};

use super::*;

#[test]
fn results_come_in_the_order_of_the_candidates() {
    // Odd ones take longer.
    let program = answering(r#"case $id in *[13579]) sleep 0.1;; esac"#, &awk("$6 + $8")).jobs(3);
    let costs = costs(&program, 9);
    let expected: Vec<_> = (0..9).map(|i| Ok(f64::from(i) / 9.0 + 1.0)).collect();
    assert_eq!(costs, expected);
}

#[test]
fn it_is_a_cost_function() {
    let cost = ExternalCost::new(plane(), &answering("", &awk("$6 < 0 ? \"nan\" : $6 * $8"))).unwrap();
    let values = [0.5, -0.5].map(|a| Tensor::new(&[[a]], &Device::Cpu).unwrap());
    let a = Tensor::cat(&values, 0).unwrap();
    let b = Tensor::new(&[[2.0], [3.0]], &Device::Cpu).unwrap();
    let at = cost.space().point(vec![a, b]).unwrap();
    let total = cost.evaluate(&at, BlockId(0)).unwrap().total.to_vec1::<f32>().unwrap();
    assert_eq!(total[0], 1.0);
    assert!(total[1].is_nan());
    assert!(!cost.is_differentiable());
}

#[test]
fn a_wrong_number_of_values_is_an_error() {
    let cost = ExternalCost::new(plane(), &answering("", "echo 1")).unwrap();
    let error = cost.evaluate_all(&[vec![1.0]]).unwrap_err().to_string();
    assert_eq!(error, "values: expected 2 numbers, found 1");
    assert_eq!(cost.evaluate_all(&points(1)).unwrap()[0].cost, Ok(1.0));
}

#[test]
fn scripts_that_answer_one_line_and_exit_have_not_crashed() {
    let script = r#"read -r line; id=${line#*:}; echo "{\"id\":${id%%,*},\"cost\":2}""#;
    for ending in ["", "; sleep 0.05", "; exec >&-; sleep 0.05"] {
        let program = Program::new(format!("{script}{ending}")).jobs(2).timeout(LONG);
        assert_eq!(costs(&program, 8), vec![Ok(2.0); 8], "{ending}");
    }
}

#[test]
fn programs_that_read_to_the_end_of_their_input_work_as_one_shots() {
    // awk's END comes only when the input is closed.
    let program = Program::new(r#"awk '{n++} END {printf "{\"cost\":%d}", n}'"#).one_shot(true).timeout(LONG);
    assert_eq!(costs(&program.jobs(2), 5), vec![Ok(1.0); 5]);
}

#[test]
fn every_way_to_say_failed_is_understood() {
    for answer in [
        r#"{"id":$id,"cost":"failed"}"#,
        r#"{"id":$id,"cost":null}"#,
        r#"{"id":$id,"failed":true}"#,
        r#""failed""#,
        r#"{"id":$id,"cost":NaN}"#,
        r#"{"id":$id,"cost":Infinity}"#,
    ] {
        let answer = answer.replace('"', "\\\"");
        let program = Program::new(format!(
            "while read -r line; do id=${{line#*:}}; id=${{id%%,*}}; echo \"{answer}\"; done"
        ));
        assert_eq!(kinds(&costs(&program, 2)), [Some(FailureKind::Reported); 2], "{answer}");
    }
}

#[test]
fn neither_side_waits_for_the_other_whatever_the_size() {
    // A candidate of several MiB (a pipe holds 64 KiB), and a program that writes more than that before it reads, and
    // the whole candidate back before it answers.
    let big = Variables::new(vec![Variable::real("w", 0.0, 1.0).shape([200, 1000])]).unwrap();
    let noise = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo start";
    let program = Program::new(format!(
        "{noise}; while read -r line; do echo \"not json $line\"; {{ {noise}; }} >&2; echo '{{\"cost\":1}}'; done"
    ));
    let cost = ExternalCost::new(big, &program.timeout(LONG)).unwrap();
    let finished = cost.evaluate_all(&[vec![0.123_456_789_012_345; 200_000], vec![0.5; 200_000]]).unwrap();
    assert!(finished.iter().all(|f| f.cost == Ok(1.0)), "{finished:?}");
    assert_eq!((finished[0].garbage, finished[1].garbage), (3, 1));
}

#[test]
fn workers_have_numbers_and_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("stderr.log");
    let before = r#"echo "worker $DRO_WORKER got $id" >&2; sleep 0.2"#;
    let program = answering(before, "echo $DRO_WORKER").jobs(2).log(&log);
    let mut seen = costs(&program, 6);
    seen.sort_by(|a, b| a.as_ref().unwrap().total_cmp(b.as_ref().unwrap()));
    assert_eq!((seen.first(), seen.last()), (Some(&Ok(0.0)), Some(&Ok(1.0))));
    eventually("all lines are in the log", || text(&log).lines().count() == 6);
    assert!(text(&log).contains("worker 1 got "), "{}", text(&log));
}

#[test]
fn settings_out_of_range_are_named() {
    for (program, expected) in [
        (Program::new("x").jobs(0), "jobs: expected 1 to 1024, found 0"),
        (Program::new(" "), "cost program: expected a command, found \" \""),
        (Program::new("x").timeout(Duration::ZERO), "timeout: expected above zero, found 0 seconds"),
    ] {
        assert_eq!(ExternalCost::new(plane(), &program).unwrap_err().to_string(), expected);
    }
    let unwritable = Program::new("x").log("/nowhere/log");
    assert!(ExternalCost::new(plane(), &unwritable).unwrap_err().to_string().contains("/nowhere/log"));
}
