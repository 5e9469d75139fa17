//! The rooms of the house and which may use which (docs/architecture.md), read from the manifests.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// For every package, the project's own packages it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("dro-kernels", &[]),
    ("dro-core", &["dro-kernels"]),
    ("dro-vision", &["dro-kernels"]),
    ("dro-record", &[]),
    ("dro-external", &["dro-core", "dro-record"]),
    ("dro-train", &["dro-core", "dro-record"]),
    ("dro-testbed", &["dro-core", "dro-vision", "dro-train", "dro-record"]),
    ("dro-sfm", &["dro-core", "dro-vision", "dro-train", "dro-record"]),
    ("dro-cli", EVERYTHING),
    ("dro-examples", EVERYTHING),
    ("dro-tests", EVERYTHING),
];

/// What stands on top may use every library.
const EVERYTHING: &[&str] =
    &["dro-core", "dro-vision", "dro-record", "dro-external", "dro-train", "dro-sfm", "dro-testbed"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(path: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(path).join("Cargo.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

fn members() -> Vec<String> {
    let members = manifest(".")["workspace"]["members"].as_array().unwrap().clone();
    members.iter().map(|m| m.as_str().unwrap().to_owned()).collect()
}

/// Own packages that a manifest names in any dependency table.
fn own_dependencies(manifest: &toml::Table) -> Vec<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let names = tables.iter().filter_map(|t| manifest.get(*t)?.as_table()).flat_map(|t| t.keys());
    names.filter(|name| name.starts_with("dro-")).cloned().collect()
}

#[test]
fn every_arrow_points_the_right_way() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for member in members() {
        let manifest = manifest(&member);
        let name = manifest["package"]["name"].as_str().unwrap();
        let allowed =
            allowed.get(name).unwrap_or_else(|| panic!("{name} has no room in docs/architecture.md"));
        for dependency in own_dependencies(&manifest) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn a_wrong_arrow_would_be_seen() {
    let wrong: toml::Table = toml::from_str("[dev-dependencies]\ndro-sfm.workspace = true").unwrap();
    assert_eq!(own_dependencies(&wrong), ["dro-sfm"]);
}

#[test]
fn published_packages_are_described() {
    for member in members() {
        let manifest = manifest(&member);
        let package = manifest["package"].as_table().unwrap();
        if package.get("publish").is_some_and(|p| p.as_bool() == Some(false)) {
            continue;
        }
        for key in ["description", "license", "keywords", "repository"] {
            assert!(package.contains_key(key), "{member}: no {key}");
        }
    }
}

#[test]
fn the_top_level_is_as_drawn() {
    let expected =
        ["Cargo.lock", "Cargo.toml", "README.md", "crates", "docs", "examples", "problems", "tests"];
    for name in expected {
        assert!(root().join(name).exists(), "{name} is missing");
    }
}

#[test]
fn no_source_file_is_a_god_file() {
    let mut stack: Vec<PathBuf> =
        ["crates", "problems", "examples", "tests"].iter().map(|d| root().join(d)).collect();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", path.display());
        }
    }
}
