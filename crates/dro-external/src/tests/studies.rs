//! Whole searches: the same for any number of workers, and after any interruption.

use std::fs;

use dro_core::{Termination, search::Method};

use super::*;

/// A cost that takes a different time for every candidate, fails for some, and crashes for others.
fn uneven(jobs: usize) -> Program {
    let before = "case $id in *3) echo '\"failed\"'; continue;; *7) exit 1;; *[25]) sleep 0.03;; esac";
    answering(before, &awk("($6 - 0.3) * ($6 - 0.3) + $8")).jobs(jobs)
}

/// What does not depend on time.
fn trajectory(report: &Report) -> Vec<(u64, Assignment, Option<f64>)> {
    report.evaluations.iter().map(|entry| (entry.id, entry.x.clone(), entry.cost)).collect()
}

fn header(method: Method, seed: u64, batch: usize) -> Header {
    Header::new(&plane(), method, seed, batch)
}

#[derive(Default)]
struct Seen {
    told: Vec<(u64, Option<f64>, bool)>,
    stop_after: Option<usize>,
}

impl Watch for Seen {
    fn told(&mut self, entry: &Entry, best: Option<f64>, replayed: bool) {
        self.told.push((entry.id, best, replayed));
    }

    fn interrupted(&mut self) -> bool {
        self.stop_after.is_some_and(|after| self.told.len() >= after)
    }
}

#[test]
fn the_result_depends_on_seed_and_batch_and_not_on_the_workers() {
    for &method in Method::ALL {
        let run = |jobs, seed| {
            let study = Study::new(plane()).method(method).seed(seed).batch(4).evaluations(24);
            study.minimize(&uneven(jobs), None, &mut ()).unwrap()
        };
        let one = run(1, 5);
        assert_eq!(one.evaluations.len(), 24);
        assert_eq!(one.termination, Termination::EvaluationsSpent { used: 24, allowed: 24 });
        assert_eq!(one.evaluations.iter().filter(|entry| entry.cost.is_none()).count(), 5);
        for jobs in [2, 4] {
            assert_eq!(trajectory(&run(jobs, 5)), trajectory(&one), "{method}, {jobs} workers");
        }
        assert_ne!(trajectory(&run(4, 6)), trajectory(&one), "{method}: another seed");
    }
}

#[test]
fn a_failed_evaluation_is_never_the_best_and_the_best_never_rises() {
    let mut seen = Seen::default();
    let report = Study::new(plane()).seed(2).evaluations(30).minimize(&uneven(3), None, &mut seen).unwrap();
    let ids: Vec<u64> = seen.told.iter().map(|told| told.0).collect();
    assert_eq!(ids, (0..30).collect::<Vec<_>>());
    for pair in seen.told.windows(2) {
        let [before, after] = pair else { panic!() };
        assert!(after.1.unwrap() <= before.1.unwrap());
    }
    let best = report.best().unwrap();
    let lowest = report.evaluations.iter().filter_map(|entry| entry.cost).fold(f64::INFINITY, f64::min);
    assert_eq!(best.cost, Some(lowest));
}

#[test]
fn an_interrupted_run_goes_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    for &method in Method::ALL {
        let path = folder.path().join(format!("{method}.jsonl"));
        let study = Study::new(plane()).method(method).seed(9).batch(3).evaluations(21);
        let whole = study.clone().minimize(&uneven(3), None, &mut ()).unwrap();

        let mut journal = Journal::create(&path, header(method, 9, 3)).unwrap();
        let mut seen = Seen { stop_after: Some(8), ..Seen::default() };
        let part = study.clone().minimize(&uneven(3), Some(&mut journal), &mut seen).unwrap();
        assert!(part.interrupted && part.evaluations.len() < 21, "{}", part.evaluations.len());
        drop(journal);

        // Holes, another order of lines, and a line that was being written.
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.remove(3);
        lines[1..].reverse();
        fs::write(&path, format!("{}\n{{\"id\":99,\"x\":{{\"a\":", lines.join("\n"))).unwrap();

        let mut journal = Journal::resume(&path).unwrap().unwrap();
        let had = journal.entries().len();
        let mut seen = Seen::default();
        let rest = study.minimize(&uneven(2), Some(&mut journal), &mut seen).unwrap();
        assert_eq!(trajectory(&rest), trajectory(&whole), "{method}");
        assert_eq!(rest.best, whole.best);
        assert_eq!(seen.told.iter().filter(|told| told.2).count(), had, "evaluations done again");
        assert!(rest.seconds >= part.seconds);
        drop(journal);
        assert_eq!(Journal::resume(&path).unwrap().unwrap().entries().len(), 21);
    }
}

#[test]
fn a_journal_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let method = Method::ALL[0];
    let program = answering("", "echo 1");
    let study = Study::new(plane()).method(method).seed(1).batch(2).evaluations(4);
    let mut journal = Journal::create(&path, header(method, 1, 2)).unwrap();
    study.clone().minimize(&program, Some(&mut journal), &mut ()).unwrap();

    let wider = vec![Variable::real("a", -2.0, 1.0), Variable::real("b", 0.0, 4.0)];
    let wider = Study::new(Variables::new(wider).unwrap()).seed(1).batch(2);
    for (study, parts) in [
        (study.clone().seed(3), ["seed: expected 1", "found 3"]),
        (study.clone().batch(3), ["batch: expected 2", "found 3"]),
        (wider, ["variable \"a\"", "\"lower\":-2.0"]),
    ] {
        let error = study.minimize(&program, Some(&mut journal), &mut ()).unwrap_err().to_string();
        assert!(error.contains("journal.jsonl") && parts.iter().all(|part| error.contains(part)), "{error}");
    }

    drop(journal);
    let text = fs::read_to_string(&path).unwrap();
    let entry: Entry = serde_json::from_str(text.lines().nth(3).unwrap()).unwrap();
    let a = entry.x.get("a").unwrap().as_f64().unwrap();
    let nudged = f64::from_bits(a.to_bits() + 1);
    let (own, other) = (format!("{{\"a\":{a:?},"), format!("{{\"a\":{nudged:?},"));
    assert!(text.contains(&own), "{text}");
    fs::write(&path, text.replace(&own, &other)).unwrap();
    let mut journal = Journal::resume(&path).unwrap().unwrap();
    let error = study.minimize(&program, Some(&mut journal), &mut ()).unwrap_err().to_string();
    assert!(error.contains(&format!("evaluation {}, \"a\": expected {a:?}", entry.id)), "{error}");
}

#[test]
fn a_broken_journal_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    assert!(Journal::resume(&path).unwrap().is_none(), "there is none");
    fs::write(&path, "{\"dro\":\"0.1").unwrap();
    assert!(Journal::resume(&path).unwrap().is_none(), "not even a header");

    drop(Journal::create(&path, header(Method::ALL[0], 1, 1)).unwrap());
    let head = fs::read_to_string(&path).unwrap();
    let entry = r#"{"id":0,"x":{"a":0.5},"cost":1.0,"seconds":0.1,"elapsed":0.1}"#;
    for (text, part) in [
        ("{}\n".to_owned(), "line 1: expected the header of a journal"),
        (format!("{head}{{\"id\":0}}\n"), "line 2: expected an evaluation"),
        (format!("{head}{entry}\n{}\n", entry.replace("1.0", "\"fine\"")), "line 3: expected an evaluation"),
        (format!("{head}{entry}\n{entry}\n"), "line 3: id: expected a new number, found 0 again"),
        (format!("{head}nonsense\n{entry}\n"), "line 2"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = Journal::resume(&path).unwrap_err().to_string();
        assert!(error.contains("journal.jsonl") && error.contains(part), "{error}");
    }
    fs::write(&path, format!("{head}{entry}\n")).unwrap();
    let held = Journal::resume(&path).unwrap().unwrap();
    let error = Journal::resume(&path).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl") && error.contains("running process"), "{error}");
    drop(held);
    assert_eq!(Journal::resume(&path).unwrap().unwrap().entries().len(), 1);
}

#[test]
fn it_stops_at_a_target_without_patience_or_when_the_time_is_over() {
    let counting = answering("", "echo $((100 - id))").jobs(2);
    let study = Study::new(plane()).batch(2).evaluations(1000);
    let report = study.clone().target(90.0).minimize(&counting, None, &mut ()).unwrap();
    assert_eq!(report.termination, Termination::TargetReached { value: 90.0, target: 90.0 });
    assert_eq!((report.evaluations.len(), report.best), (11, Some(10)));

    let report = study.clone().patience(5).minimize(&answering("", "echo 1"), None, &mut ()).unwrap();
    assert_eq!(report.termination, Termination::Stalled { evaluations: 5, allowed: 5 });
    assert_eq!(report.evaluations.len(), 6);

    let slow = answering("sleep 0.2", "echo 1").jobs(2);
    let report = study.time(Duration::from_millis(900)).minimize(&slow, None, &mut ()).unwrap();
    assert!(matches!(report.termination, Termination::TimeSpent { .. }), "{:?}", report.termination);
    assert!((1..1000).contains(&report.evaluations.len()));
}

#[test]
fn nothing_that_succeeded_is_an_error_with_the_reason() {
    let program =
        Program::new("while read -r line; do echo '{\"cost\":\"failed\",\"reason\":\"no data\"}'; done");
    let report = Study::new(plane()).evaluations(15).minimize(&program, None, &mut ()).unwrap();
    let error = report.best().unwrap_err().to_string();
    assert_eq!(error, "none of 15 evaluations succeeded; the last one: no data");
}

#[test]
fn files_hold_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[variable]]\nname='w'\nshape=[2]\nlower=0\nupper=1\n[[variable]]\nname='k'\nkind='categorical'\nchoices=['a,\"b', 2]";
    let variables = Variables::parse(text, "space.toml").unwrap();
    let header = Header::new(&variables, Method::ALL[0], 3, 1);
    let program = answering("test $id = 2 && { echo failed; continue; }", "echo -$id.5");
    let report = Study::new(variables).seed(3).evaluations(6).minimize(&program, None, &mut ()).unwrap();
    let files = write_results(folder.path(), &report, &header, "my cost", &Format::ALL).unwrap();
    assert_eq!(files.len(), 4);

    let json: serde_json::Value =
        serde_json::from_str(&super::text(&folder.path().join("result.json"))).unwrap();
    let toml: toml::Table = super::text(&folder.path().join("result.toml")).parse().unwrap();
    assert_eq!(
        (&json["best_cost"], &json["best_id"], &json["evaluations"]),
        (&(-5.5).into(), &5.into(), &6.into())
    );
    assert_eq!((&json["failed"]["total"], &json["failed"]["reported"]), (&1.into(), &1.into()));
    assert_eq!(json["best"]["w"].as_array().unwrap().len(), 2);
    assert_eq!(toml["best_cost"].as_float(), Some(-5.5));
    assert_eq!(toml["best"]["w"].as_array().unwrap().len(), 2);
    assert_eq!(serde_json::to_value(&toml).unwrap(), json);

    let mut rows = csv::Reader::from_path(folder.path().join("evaluations.csv")).unwrap();
    let columns = ["id", "cost", "best_cost", "failure", "reason", "seconds", "w[0]", "w[1]", "k"];
    assert_eq!(rows.headers().unwrap(), &columns[..]);
    let rows: Vec<_> = rows.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 6);
    assert_eq!((&rows[2][1], &rows[2][2], &rows[2][3]), ("failed", "-1.5", "reported"));
    assert_eq!((&rows[5][1], &rows[5][2]), ("-5.5", "-5.5"));
    assert!(rows.iter().all(|row| ["a,\"b", "2"].contains(&&row[8])));
    let svg = super::text(&folder.path().join("curve.svg"));
    assert!(svg.contains("my cost") && svg.contains("best so far") && svg.contains("</svg>"));

    let files = write_results(&folder.path().join("deeper"), &report, &header, "x", &[Format::Csv]).unwrap();
    assert_eq!(files, [folder.path().join("deeper/evaluations.csv")]);
}
