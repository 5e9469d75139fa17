//! `dro bench testbed`.

use std::{fs, path::Path};

use crate::fixture::*;

fn bench(out: &Path, options: &str) -> Ran {
    ran(dro().args(["bench", "testbed", "--out"]).arg(out).args(options.split_whitespace()))
}

#[test]
fn curves_pictures_and_tables_are_written() {
    let out = tempfile::tempdir().unwrap();
    let told = bench(out.path(), "--quick --suite chen --methods random").works();
    assert!(told.contains("| random |") && told.contains("| optimum | -1.047 |"), "{told}");
    let expected = [
        "chen-all.svg",
        "chen-branin.svg",
        "chen-goldstein-price.svg",
        "chen-hartmann3.svg",
        "chen-hartmann6.svg",
        "chen-last.csv",
        "chen.csv",
        "chen.md",
        "tables.md",
    ];
    assert_eq!(files(out.path()), expected);
    let csv = fs::read_to_string(out.path().join("chen.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 4 * 100);
    assert!(fs::read_to_string(out.path().join("tables.md")).unwrap().contains(told.trim()));

    let told = bench(out.path(), "--quick --suite bbob --methods random --dims 2,3").works();
    assert!(
        told.contains("2-D, 10·D") && told.contains("3-D, 100·D") && told.contains("weak structure"),
        "{told}"
    );
    let csv = fs::read_to_string(out.path().join("bbob-runs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 24 * 2);
    assert!(out.path().join("bbob-3d.svg").is_file());

    let told = bench(out.path(), "--quick --suite toys --methods random").works();
    assert!(told.contains("| start |") && told.contains("localisation"), "{told}");
    for toy in ["staircase", "registration", "localisation", "cart-pole", "max-cut", "tuning", "binarisation"]
    {
        assert!(image::open(out.path().join(format!("toy-{toy}.png"))).unwrap().width() > 200);
        assert!(out.path().join(format!("toy-{toy}.svg")).is_file());
    }
    nothing_half_written(out.path());
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let (one, two, three) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |out: &Path, threads: &str, seed: &str| {
        let mut command = dro();
        command
            .args(["bench", "testbed", "--quick", "--methods", "random", "--seed", seed, "--out"])
            .arg(out);
        ran(command.env("RAYON_NUM_THREADS", threads)).works();
    };
    run(one.path(), "1", "4");
    run(two.path(), "3", "4");
    run(three.path(), "3", "5");
    let names = files(one.path());
    assert_eq!(names, files(two.path()));
    let same =
        |a: &Path, b: &Path, name: &str| fs::read(a.join(name)).unwrap() == fs::read(b.join(name)).unwrap();
    for name in &names {
        assert!(same(one.path(), two.path(), name), "{name}");
    }
    assert!(!same(one.path(), three.path(), "chen.csv") && !same(one.path(), three.path(), "bbob-runs.csv"));
}

#[test]
fn the_book_is_refreshed() {
    let (out, book) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let page = book.path().join("testbed.md");
    fs::write(
        &page,
        "before <!-- chen:begin --><!-- chen:end --> ![x](images/testbed-chen-branin.svg) after",
    )
    .unwrap();
    let options = format!("--quick --suite chen --methods random --docs {}", book.path().display());
    bench(out.path(), &options).works();
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("before ") && text.ends_with(" after") && text.contains("| random |"), "{text}");
    assert!(text.contains("`dro bench testbed --suite chen --repeats 5"), "{text}");
    assert!(book.path().join("images/testbed-chen-branin.svg").is_file());
}

#[test]
fn instances_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("instances.json");
    let mut command = dro();
    command.args(["bench", "testbed", "--repeats", "4", "--export-instances"]).arg(&path);
    assert_eq!(ran(&mut command).works(), "");
    let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(value["chen"]["functions"][0]["instances"].as_array().unwrap().len(), 4);
}

#[test]
fn bad_settings_are_refused() {
    let out = tempfile::tempdir().unwrap();
    bench(out.path(), "--methods randomm").refuses(&["--methods", "random"]);
    bench(out.path(), "--methods random,random").refuses(&["random twice"]);
    bench(out.path(), "--dims 1").refuses(&["dims", "2 to 40", "1"]);
    bench(out.path(), "--repeats 1").refuses(&["repeats"]);
    ran(dro().args(["bench", "testbed"])).refuses(&["--out"]);
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    bench(&file, "--quick --suite chen --methods random").refuses(&["file"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_whole_suites_only() {
    use std::process::{Command, Stdio};

    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dro"));
    // The first suite takes no time; the second would take hours.
    command.args([
        "bench",
        "testbed",
        "--repeats",
        "2",
        "--instances",
        "100000",
        "--methods",
        "random",
        "--out",
    ]);
    let child = command.arg(out.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = std::time::Instant::now();
    while !out.path().join("chen.md").exists() {
        assert!(began.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (told, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), stderr.as_str()), (Some(130), ""), "{told}");
    assert!(told.contains("interrupted: 1 of the suites"), "{told}");
    let names = files(out.path());
    assert!(names.contains(&"chen.csv".into()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("bbob") || name == "tables.md"), "{names:?}");
    nothing_half_written(out.path());
}
