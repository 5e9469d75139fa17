//! Tests with real programs, written for `sh` and `awk` so that every machine with a shell can run them.

use std::{path::Path, time::Duration};

use crate::*;

mod programs;
mod spaces;
mod studies;
mod trouble;

/// Longer than anything here takes, on any machine.
const LONG: Duration = Duration::from_secs(120);

/// A program that answers every line, after `before`, with what `cost` prints; `$line` and `$id` are set.
fn answering(before: &str, cost: &str) -> Program {
    let read = "while read -r line; do id=${line#*:}; id=${id%%,*}";
    let answer = r#"echo "{\"id\":$id,\"cost\":$cost}""#;
    Program::new(format!("{read}; {before}\n cost=$({cost}); {answer}; done")).timeout(LONG)
}

/// An awk call that sees a candidate's numbers as `$6`, `$8`, … in the variables' order, and `$3` as its id.
fn awk(expression: &str) -> String {
    format!("echo \"$line\" | awk -F'[:,{{}}]+' '{{printf \"%.17g\", {expression}}}'")
}

/// Two real numbers.
fn plane() -> Variables {
    Variables::new(vec![Variable::real("a", -1.0, 1.0), Variable::real("b", 0.0, 4.0)]).unwrap()
}

fn points(count: usize) -> Vec<Vec<f64>> {
    (0..count).map(|i| vec![i as f64 / count as f64, 1.0]).collect()
}

/// The costs of `count` points, and why there are none.
fn costs(program: &Program, count: usize) -> Vec<Cost> {
    let cost = ExternalCost::new(plane(), program).unwrap();
    cost.evaluate_all(&points(count)).unwrap().into_iter().map(|finished| finished.cost).collect()
}

/// What came of a candidate.
type Cost = std::result::Result<f64, Failure>;

/// The kinds of the failures, in order.
fn kinds(costs: &[Cost]) -> Vec<Option<FailureKind>> {
    costs.iter().map(|cost| cost.as_ref().err().map(|failure| failure.kind)).collect()
}

/// Waits until `holds`.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "not so after two minutes: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process is there and is not only waiting to be reaped.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
