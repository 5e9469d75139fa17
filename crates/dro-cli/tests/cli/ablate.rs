//! `dro sfm ablate`.

use std::{fs, path::Path};

use super::eval::demon;
use crate::fixture::*;

fn ablate(data: &[&Path], out: &Path, options: &str) -> Ran {
    let mut command = dro();
    command.args(["sfm", "ablate"]).args(data).arg("--out").arg(out).args(options.split_whitespace());
    ran(&mut command)
}

#[test]
fn one_training_gives_the_whole_table() {
    let (set, folder) = (demon(&["mvs_1"]), tempfile::tempdir().unwrap());
    let out = folder.path().join("out");
    let weights = weights().display();
    let options = format!("--weights {weights} --stages 1 --inner 1 --max-frames 2 --size 32x48");
    let said = ablate(&[room(), set.path()], &out, &options).works();
    for part in [
        "Ablation on cli-room",
        "0 updates",
        "6 updates",
        "Gauss–Seidel",
        "Jacobi",
        "no alternation",
        "depth only",
        "poses only",
        "no cost",
        "no memory",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let names = [
        "ablation.csv",
        "abs_rel.svg",
        "cost.svg",
        "rotation.svg",
        "summary.json",
        "table.md",
        "translation.svg",
    ];
    assert_eq!(files(&out), names);
    assert_eq!(summary(&out)["rows"].as_array().unwrap().len(), 2 * 13);
    // Per set: 13 points of six stages, 3 of each run of one stage, 2 of a run of one block.
    let rows = fs::read_to_string(out.join("ablation.csv")).unwrap().lines().count();
    assert_eq!(rows, 1 + 2 * (13 + 5 * 3 + 2 * 2));
}

#[test]
fn what_cannot_be_ablated_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let weights = weights().display();
    ablate(&[room()], &out, "--optimizer patchmatch").refuses(&["--optimizer", "dro", "patchmatch"]);
    ablate(&[room()], &out, &format!("--weights {weights} --stages 0")).refuses(&["at least one stage"]);
    ablate(&[&folder.path().join("none")], &out, &format!("--weights {weights}")).refuses(&["none"]);
    assert!(!out.exists());
}
