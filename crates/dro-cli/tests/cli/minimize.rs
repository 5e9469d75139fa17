//! `dro minimize`, with cost programs written for `sh` and `awk`.
#![cfg(unix)]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::*;

/// `$id` is the candidate's number, and `$6`, `$8`, … of [`COST`]'s awk its values.
const READ: &str = "while read -r line; do id=${line#*:}; id=${id%%,*}";
/// The cost of [`PLANE`].
const COST: &str = r#"cost=$(echo "$line" | awk -F'[:,{}]+' '{printf "%.17g", ($6-0.3)^2 + ($8-1)^2}'); echo "{\"id\":$id,\"cost\":$cost}"; done"#;

const PLANE: &str =
    "[[variable]]\nname = 'a'\nlower = -1\nupper = 1\n[[variable]]\nname = 'b'\nlower = 0\nupper = 4\n";

/// A folder with a space and a cost program.
struct Case {
    folder: TempDir,
    cost: String,
}

impl Case {
    /// The cost of [`PLANE`], with something done before it.
    fn plane(before: &str) -> Self {
        Self::new(PLANE, &format!("{READ}; {before}\n{COST}"))
    }

    fn new(space: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("space.toml"), space).unwrap();
        fs::write(folder.path().join("cost.sh"), script).unwrap();
        Self { folder, cost: "sh cost.sh".into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words<'a>(&'a self, out: &'a str, options: &'a str) -> Vec<&'a str> {
        let fixed = ["minimize", "--space", "space.toml", "--cost", &self.cost, "--out", out];
        fixed.into_iter().chain(options.split_whitespace()).collect()
    }

    fn run(&self, out: &str, options: &str) -> Ran {
        ran(dro().current_dir(self.folder.path()).args(self.words(out, options)))
    }

    /// In the background.
    fn start(&self, out: &str, options: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
        command.current_dir(self.folder.path()).args(self.words(out, options));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[track_caller]
    fn result(&self, out: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{out}/result.json"))).unwrap()
    }

    #[track_caller]
    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    fn lines(&self, file: &str) -> usize {
        fs::read_to_string(self.path(file)).unwrap_or_default().lines().count()
    }

    /// Numbers and costs of `evaluations.csv`, without what depends on time.
    fn trajectory(&self, out: &str) -> Vec<String> {
        let rows = self.text(&format!("{out}/evaluations.csv"));
        let cells = |row: &str| row.split(',').map(str::to_owned).collect::<Vec<_>>();
        rows.lines()
            .skip(1)
            .map(|row| {
                let c = cells(row);
                [&c[..4], &c[c.len() - 2..]].concat().join(",")
            })
            .collect()
    }
}

#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(100), "no {what} after a long time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn signalled(child: &mut Child, signal: &str) -> (Option<i32>, String) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn the_best_is_found_and_written_in_every_form() {
    let case = Case::plane("");
    let said = case.run("out", "--budget 40 --seed 1").works();
    assert!(said.contains("best cost") && said.contains("a=") && said.contains("40 of 40"), "{said}");
    let expected =
        ["curve.svg", "evaluations.csv", "journal.jsonl", "result.json", "result.toml", "stderr.log"];
    assert_eq!(files(&case.path("out")), expected);

    let result = case.result("out");
    let cost = result["best_cost"].as_f64().unwrap();
    let (a, b) = (result["best"]["a"].as_f64().unwrap(), result["best"]["b"].as_f64().unwrap());
    assert!(cost < 0.5 && (cost - (a - 0.3).powi(2) - (b - 1.0).powi(2)).abs() < 1e-9, "{result}");
    assert_eq!((&result["evaluations"], &result["failed"]["total"]), (&json!(40), &json!(0)));
    assert_eq!((&result["seed"], &result["interrupted"]), (&json!(1), &json!(false)));
    let toml: toml::Table = case.text("out/result.toml").parse().unwrap();
    assert_eq!(serde_json::to_value(&toml).unwrap(), result);
    assert_eq!(case.lines("out/evaluations.csv"), 41);
    assert_eq!(case.lines("out/journal.jsonl"), 41);
    assert!(case.text("out/curve.svg").contains("best so far"));
    nothing_half_written(&case.path("out"));

    // Again, and with another seed.
    case.run("again", "--budget 40 --seed 1 --quiet --format csv").works();
    assert_eq!(case.trajectory("again"), case.trajectory("out"));
    assert_eq!(files(&case.path("again")), ["curve.svg", "evaluations.csv", "journal.jsonl", "stderr.log"]);
    assert_eq!(case.run("other", "--budget 40 --seed 2 --quiet").works(), "");
    assert_ne!(case.trajectory("other"), case.trajectory("out"));
}

#[test]
fn every_kind_of_variable_travels_as_it_should() {
    let space = "
        [[variable]]
        name = 'lr'
        lower = 1e-4
        upper = 1
        log = true
        [[variable]]
        name = 'w'
        shape = [2, 3]
        lower = -1
        upper = 1
        [[variable]]
        name = 'free'
        start = 5
        [[variable]]
        name = 'layers'
        kind = 'integer'
        lower = 1
        upper = 8
        [[variable]]
        name = 'act'
        kind = 'categorical'
        choices = ['relu', 'tanh', 3, true]
        [[variable]]
        name = 'pose'
        kind = 'se3'
        scale = 0.2";
    let case = Case::new(
        space,
        &format!("{READ}; echo \"$line\" >> seen; echo \"{{\\\"id\\\":$id,\\\"cost\\\":-$id}}\"; done"),
    );
    case.run("out", "--budget 20 --jobs 2").works();
    let mut seen: Vec<Value> = case.text("seen").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    seen.sort_by_key(|candidate| candidate["id"].as_u64());
    assert_eq!(seen.len(), 20);
    for candidate in &seen {
        let x = &candidate["x"];
        assert!((1e-4..=1.0).contains(&x["lr"].as_f64().unwrap()) && x["free"].is_f64(), "{x}");
        let w: Vec<_> = x["w"].as_array().unwrap().iter().map(|row| row.as_array().unwrap().len()).collect();
        assert_eq!(w, [3, 3], "{x}");
        assert!((1..=8).contains(&x["layers"].as_i64().unwrap()), "{x}");
        assert!([json!("relu"), json!("tanh"), json!(3), json!(true)].contains(&x["act"]), "{x}");
        let pose = x["pose"].as_array().unwrap();
        assert!(pose.len() == 4 && pose[3] == json!([0.0, 0.0, 0.0, 1.0]), "{x}");
        let norm: f64 = pose[0].as_array().unwrap()[..3].iter().map(|v| v.as_f64().unwrap().powi(2)).sum();
        assert!((norm - 1.0).abs() < 1e-9, "{x}");
    }
    let result = case.result("out");
    assert_eq!((&result["best_cost"], &result["best"]), (&json!(-19.0), &seen[19]["x"]));
    let toml: toml::Table = case.text("out/result.toml").parse().unwrap();
    assert_eq!(serde_json::to_value(&toml["best"]).unwrap(), result["best"]);
    let header = case.text("out/evaluations.csv").lines().next().unwrap().to_owned();
    assert!(header.contains("w[1][2],free,layers,act,pose[0][0]"), "{header}");
}

#[test]
fn the_number_of_jobs_does_not_change_the_result() {
    // Of different length, some failing, some crashing.
    let case =
        Case::plane("case $id in *[25]) sleep 0.05;; *3) echo '\"failed\"'; continue;; *7) exit 1;; esac");
    case.run("one", "--budget 24 --seed 3 --batch 4 --jobs 1").works();
    case.run("four", "--budget 24 --seed 3 --batch 4 --jobs 4").works();
    assert_eq!(case.trajectory("four"), case.trajectory("one"));
    let failed = json!({"total": 5, "reported": 3, "crashed": 2, "timed_out": 0, "flooded": 0});
    for out in ["one", "four"] {
        assert_eq!(case.result(out)["failed"], failed);
    }
}

#[test]
fn trouble_is_tolerated_and_counted() {
    let case = Case::plane("echo 'epoch 1 of 3'; case $id in 4) kill -9 $$;; 9) sleep 600 & wait;; esac");
    let said = case.run("out", "--budget 12 --timeout 8 --jobs 2").works();
    assert!(said.contains("2 failed"), "{said}");
    let result = case.result("out");
    assert_eq!((&result["failed"]["crashed"], &result["failed"]["timed_out"]), (&json!(1), &json!(1)));
    assert_eq!(result["garbage_lines"], 12);
    // A shell between may turn the signal into its own exit status.
    let rows = case.text("out/evaluations.csv");
    assert!(
        rows.contains("no answer within 8 s") && (rows.contains("signal: 9") || rows.contains("status: 137")),
        "{rows}"
    );
}

#[test]
fn scripts_for_one_candidate_work() {
    let once = r#"read -r line; id=${line#*:}; echo "{\"id\":${id%%,*},\"cost\":4}"; echo "log $id" >&2"#;
    let case = Case::new(PLANE, once);
    case.run("out", "--budget 6 --jobs 2").works();
    let result = case.result("out");
    assert_eq!((&result["best_cost"], &result["failed"]["total"]), (&json!(4.0), &json!(0)));
    assert_eq!(case.lines("out/stderr.log"), 6);

    let mut case = Case::new(PLANE, "");
    case.cost = r#"awk '{n++} END {printf "{\"cost\":%d}", n}'"#.into();
    case.run("out", "--budget 4 --one-shot").works();
    assert_eq!(case.result("out")["best_cost"], 1.0);
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let case = Case::plane("echo $id >> evaluated; sleep 0.05");
    let options = "--budget 30 --seed 5 --batch 3";
    case.run("whole", &format!("{options} --jobs 3")).works();
    fs::remove_file(case.path("evaluated")).unwrap();

    // Killed twice, with different numbers of workers; --resume may stand there from the beginning.
    for (lines, jobs) in [(8, 3), (18, 2)] {
        let mut child = case.start("out", &format!("{options} --jobs {jobs} --resume"));
        wait_for("evaluations", || case.lines("out/journal.jsonl") > lines);
        signalled(&mut child, "-KILL");
        assert!(!case.path("out/result.json").exists());
    }
    let journal = case.lines("out/journal.jsonl");
    assert!(journal < 31, "it was killed too late to show anything: {journal}");
    let told = case.run("out", "--budget 30 --jobs 3 --resume").works();
    assert!(told.contains("30 of 30"), "{told}");
    assert_eq!(case.trajectory("out"), case.trajectory("whole"));
    for key in ["best", "best_cost", "evaluations", "seed", "batch", "method"] {
        assert_eq!(case.result("out")[key], case.result("whole")[key], "{key}");
    }
    // Only what was running when it was killed is done again.
    assert!(case.lines("evaluated") <= 30 + 3 + 2, "{}", case.lines("evaluated"));

    // A larger budget goes on from there.
    case.run("out", "--budget 34 --jobs 3 --resume").works();
    assert_eq!(case.trajectory("out")[..30], case.trajectory("whole"));
    assert_eq!(case.result("out")["evaluations"], 34);
}

#[test]
fn an_interrupted_run_ends_its_programs_and_can_go_on() {
    for signal in ["-INT", "-TERM"] {
        let case = Case::plane("echo $$ >> pids; test $id -gt 5 && { sleep 600 & echo $! >> pids; wait; }");
        let mut child = case.start("out", "--budget 10 --jobs 2");
        // Both copies hang.
        wait_for("hanging programs", || case.lines("pids") >= 10);
        let began = Instant::now();
        let (code, said) = signalled(&mut child, signal);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("interrupted after 6") && said.contains("--resume"), "{said}");
        let pids = case.text("pids");
        wait_for("end of the programs", || !pids.lines().any(is_alive));
        let result = case.result("out");
        assert_eq!((&result["interrupted"], &result["evaluations"]), (&json!(true), &json!(6)));

        fs::write(case.path("cost.sh"), format!("{READ}; {COST}")).unwrap();
        case.run("out", "--budget 10 --jobs 2 --resume").works();
        let result = case.result("out");
        assert_eq!((&result["interrupted"], &result["evaluations"]), (&json!(false), &json!(10)));
    }
}

#[test]
fn results_are_only_replaced_when_asked() {
    let case = Case::plane("");
    case.run("out", "--budget 3 --seed 1 --quiet").works();
    let journal = case.text("out/journal.jsonl");
    case.run("out", "--budget 3").refuses(&["out", "journal.jsonl", "--resume", "--overwrite"]);
    for (options, parts) in [
        ("--seed 2", ["seed", "expected 1", "found 2"]),
        ("--batch 7", ["batch", "expected 1", "found 7"]),
        ("--method random", ["method", "expected recurrent", "found random"]),
    ] {
        case.run("out", &format!("--budget 3 --resume {options}")).refuses(&parts);
    }
    assert_eq!(case.text("out/journal.jsonl"), journal);
    fs::write(case.path("space.toml"), PLANE.replace("upper = 4", "upper = 5")).unwrap();
    case.run("out", "--budget 3 --resume").refuses(&["journal.jsonl", "\"b\"", "5.0"]);
    case.run("out", "--budget 4 --overwrite").works();
    assert_eq!(case.result("out")["evaluations"], 4);

    fs::write(case.path("file"), "kept").unwrap();
    case.run("file", "--budget 3").refuses(&["file", "a folder for the results", "a file"]);
    assert_eq!(case.text("file"), "kept");
    fs::write(case.path("out/journal.jsonl"), "{}\n").unwrap();
    case.run("out", "--budget 4 --resume").refuses(&["journal.jsonl", "line 1", "header"]);
}

#[test]
fn a_program_that_does_not_work_is_an_error_with_what_it_said() {
    let mut case = Case::new(PLANE, "echo 'no module named torch' >&2; exit 1");
    case.run("out", "--budget 50 --jobs 3").refuses(&[
        "cost program \"sh cost.sh\"",
        "none of the first 10",
        "exit status: 1",
        "no module named torch",
    ]);
    assert!(case.lines("out/journal.jsonl") >= 11 && !case.path("out/result.json").exists());
    assert!(case.text("out/stderr.log").contains("torch"));
    case.run("few", "--budget 3").refuses(&["none of 3 evaluations succeeded", "no module named torch"]);

    case.cost = "./dro-no-such-program".into();
    case.run("missing", "--budget 50").refuses(&["./dro-no-such-program", "127", "not found"]);
    case.cost = "cat".into();
    case.run("echo", "--budget 3").refuses(&["none of 3 evaluations succeeded", "expected a cost"]);
    case.cost = "true".into();
    case.run("silent", "--budget 20").refuses(&["none of the first 10", "exit status: 0"]);
}

#[test]
fn wrong_arguments_are_named() {
    let case = Case::plane("");
    for (options, parts) in [
        ("", &["--budget"][..]),
        ("--budget 0", &["--budget", "0"]),
        ("--budget -3", &["--budget", "-3"]),
        ("--budget x", &["--budget", "x"]),
        ("--budget 3 --jobs 0", &["--jobs", "0"]),
        ("--budget 3 --batch 0", &["--batch", "0"]),
        ("--budget 3 --timeout 0", &["--timeout", "positive number of seconds", "\"0\""]),
        ("--budget 3 --timeout -1", &["--timeout", "\"-1\""]),
        ("--budget 3 --time nan", &["--time", "\"nan\""]),
        ("--budget 3 --time 1e300", &["--time", "\"1e300\""]),
        ("--budget 3 --target inf", &["--target", "finite", "\"inf\""]),
        ("--budget 3 --patience 0", &["--patience", "0"]),
        ("--budget 3 --seed -1", &["--seed", "-1"]),
        ("--budget 3 --method newton", &["--method", "recurrent", "random", "newton"]),
        ("--budget 3 --format yaml", &["--format", "yaml", "json, toml, csv"]),
        ("--budget 3 --resume --overwrite", &["--resume", "--overwrite"]),
        ("--budget 3 --cots x", &["--cots", "--cost"]),
    ] {
        case.run("out", options).refuses(parts);
    }
    let mut empty = Case::plane("");
    empty.cost = String::new();
    empty.run("out", "--budget 3").refuses(&["--cost"]);
    assert!(!case.path("out").exists());

    for (space, parts) in [
        ("", &["space.toml", "at least one variable"][..]),
        ("[[variable]]\nname = 'x'\nlower = 1\nupper = 0", &["space.toml", "\"x\"", "lower at most upper"]),
        ("[[variable]]\nname = 'x'\nkind = 'reel'", &["space.toml", "\"x\"", "kind", "\"reel\""]),
        ("[[variable]]\nname = 'x'\nuper = 1", &["space.toml", "\"x\"", "upper", "\"uper\""]),
        ("[[variable]\nname = 'x'", &["space.toml, line 1"]),
    ] {
        fs::write(case.path("space.toml"), space).unwrap();
        case.run("out", "--budget 3").refuses(parts);
    }
    fs::remove_file(case.path("space.toml")).unwrap();
    case.run("out", "--budget 3").refuses(&["space.toml", "No such file"]);
    assert!(!case.path("out").exists());
}

#[test]
fn limits_end_a_run() {
    let case = Case::new(
        PLANE,
        &format!("{READ}; echo \"{{\\\"id\\\":$id,\\\"cost\\\":-$id.5}}\"; sleep 0.02; done"),
    );
    let said = case.run("target", "--budget 500 --target -7").works();
    assert!(said.contains("-7.5 is at or below the target -7"), "{said}");
    assert_eq!(case.result("target")["evaluations"], 8);
    let said = case.run("time", "--budget 100000 --time 1.5").works();
    assert!(said.contains("of 1.5s are spent"), "{said}");

    let same = Case::new(PLANE, &format!("{READ}; echo \"{{\\\"id\\\":$id,\\\"cost\\\":1}}\"; done"));
    same.run("out", "--budget 500 --patience 6").works();
    assert_eq!(same.result("out")["evaluations"], 7);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let case = Case::plane("");
    let mut child = case.start("out", "--budget 5");
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(case.result("out")["evaluations"], 5);
}

/// The complete examples of the chapter, as they stand there.
#[test]
fn the_chapter_works() {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/minimize.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let block = |begin: &str, with: &str| {
        let blocks = chapter.split(begin).skip(1).map(|rest| rest.split("```").next().unwrap());
        blocks.into_iter().find(|block| block.contains(with)).unwrap().to_owned()
    };
    let case = Case::new("[[variable]]\nname = \"x\"", &block("```sh\n", "while read"));
    case.run("shell", "--budget 30").works();
    assert!(case.result("shell")["best_cost"].as_f64().unwrap() < 2.0, "{}", case.result("shell"));

    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let mut case = Case::new(&block("```toml\n", "[[variable]]"), "");
    fs::write(case.path("cost.py"), block("```python\n", "import json")).unwrap();
    case.cost = "python3 cost.py".into();
    case.run("out", "--budget 60 --jobs 2").works();
    let result = case.result("out");
    assert!(result["best_cost"].as_f64().unwrap() < 1.5 && result["failed"]["total"] == 0, "{result}");
}
