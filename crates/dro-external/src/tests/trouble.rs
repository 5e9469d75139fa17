//! Programs that crash, hang and babble.

use std::time::Instant;

use super::*;
use FailureKind::{Crashed, Flooded, Reported, TimedOut};

#[test]
fn a_crash_fails_its_evaluation_and_no_other() {
    for (death, said) in [
        ("echo no luck >&2; exit 3", "exit status: 3) before it answered: no luck"),
        ("kill -9 $$", "signal: 9"),
        ("exec >&-; exec <&-; sleep 600", "signal"),
        ("exit 0", "exit status: 0"),
    ] {
        for jobs in [1, 3] {
            let program = answering(&format!("test $(($id % 4)) = 2 && {{ {death}; }}"), "echo 1").jobs(jobs);
            let costs = costs(&program, 8);
            let expected = [None, None, Some(Crashed), None, None, None, Some(Crashed), None];
            assert_eq!(kinds(&costs), expected, "{death}");
            let reason = &costs[2].as_ref().unwrap_err().reason;
            assert!(reason.contains(said), "{reason}");
        }
    }
}

#[test]
fn lines_that_mean_nothing_are_counted() {
    let babble = "echo; echo 'epoch 1'; echo '{\"id\":99999,\"cost\":-1}'; printf '\\377\\n'; echo '[1]'";
    let cost = ExternalCost::new(plane(), &answering(babble, "echo 1")).unwrap();
    let finished = cost.evaluate_all(&points(3)).unwrap();
    for evaluation in &finished {
        assert_eq!((&evaluation.cost, evaluation.garbage), (&Ok(1.0), 5), "{evaluation:?}");
    }
}

#[test]
fn an_answer_that_is_no_json_fails_unless_a_better_one_follows() {
    // What a script prints whose computation printed nothing; without a limit of time.
    let script = r#"while read -r line; do id=${line#*:}; id=${id%%,*}; echo "{\"id\":$id,\"cost\":}"
        test $id = 1 || echo "{\"id\":$id,\"cost\":2}"; done"#;
    let costs = costs(&Program::new(script), 3);
    assert_eq!(kinds(&costs), [None, Some(Reported), None]);
    let reason = &costs[1].as_ref().unwrap_err().reason;
    assert_eq!(reason, r#"expected an answer in JSON, found {"id":1,"cost":}"#);
}

#[test]
fn babble_after_an_answer_is_not_about_the_next_candidate() {
    let program = Program::new(
        r#"while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"cost\":1}"; echo late; sleep 0.1; done"#,
    );
    let cost = ExternalCost::new(plane(), &program).unwrap();
    let finished = cost.evaluate_all(&points(4)).unwrap();
    assert!(finished.iter().all(|f| f.cost == Ok(1.0)), "{finished:?}");
    assert!(finished.iter().map(|f| f.garbage).sum::<u64>() >= 3, "{finished:?}");
}

#[test]
fn a_hanging_program_is_ended_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // Neither the shell nor its child cares about a polite signal; the child holds the output open.
    let hang = format!(
        "test $id = 1 && {{ trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> {0}; while :; do sleep 1; done' & echo $$ >> {0}; wait; }}",
        pids.display()
    );
    let program = answering(&hang, "echo 1").timeout(Duration::from_secs(4));
    let cost = ExternalCost::new(plane(), &program).unwrap();
    let finished = cost.evaluate_all(&points(4)).unwrap();
    let costs: Vec<Cost> = finished.iter().map(|f| f.cost.clone()).collect();
    assert_eq!(kinds(&costs), [None, Some(TimedOut), None, None], "{finished:?}");
    assert!(costs[1].as_ref().unwrap_err().reason.contains("4 s"), "{costs:?}");
    let pids = text(&pids);
    assert_eq!(pids.lines().count(), 2, "{pids:?}");
    eventually("all of the group is gone", || !pids.lines().any(is_alive));
}

#[test]
fn dropping_a_cost_ends_what_runs_and_leaves_no_zombies() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let program = answering(&format!("echo $$ >> {}", pids.display()), "echo 1").jobs(3);
    let cost = ExternalCost::new(plane(), &program).unwrap();
    cost.evaluate_all(&points(6)).unwrap();
    let began = Instant::now();
    drop(cost);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    for pid in text(&pids).lines() {
        let left = std::path::PathBuf::from(format!("/proc/{pid}/stat"));
        assert!(!left.exists(), "{}", text(&left));
    }
}

#[test]
fn a_background_process_that_holds_the_output_does_not_hide_a_crash() {
    let program = answering("test $id = 1 && { sleep 600 & exit 1; }", "echo 1");
    assert_eq!(kinds(&costs(&program, 3)), [None, Some(Crashed), None]);
}

#[test]
fn floods_are_stopped() {
    for flood in ["yes", "cat /dev/zero"] {
        let program = answering(&format!("test $id = 1 && exec {flood}"), "echo 1");
        assert_eq!(kinds(&costs(&program, 3)), [None, Some(Flooded), None], "{flood}");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_once() {
    let program = Program::new("dro-no-such-program --fast");
    let error = ExternalCost::new(plane(), &program).unwrap().evaluate_all(&points(50)).unwrap_err();
    let error = error.to_string();
    for part in ["cost program \"dro-no-such-program --fast\"", "127", "not found"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_program_that_never_answers_is_an_error_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let program = Program::new(format!(
        "echo start >> {}; echo 'Traceback:' >&2; echo 'ModuleNotFoundError: numpy' >&2; exit 1",
        starts.display()
    ));
    let error = ExternalCost::new(plane(), &program).unwrap().evaluate_all(&points(50)).unwrap_err();
    let error = error.to_string();
    for part in ["none of the first 10", "exit status: 1", "Traceback: | ModuleNotFoundError: numpy"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(text(&starts).lines().count() <= 12, "{}", text(&starts));
}

#[test]
fn a_program_that_crashes_often_but_works_is_none() {
    let program = answering("test $id -gt 3 && exit 1", "echo 1");
    let costs = costs(&program, 30);
    assert_eq!(costs.iter().filter(|cost| cost.is_ok()).count(), 4);
}
