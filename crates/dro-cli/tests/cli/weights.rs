//! Weights: wrong files, and the commands about them.

use std::{fs, path::PathBuf, process::Command};

use candle_core::{Device, Tensor};
use dro_sfm::weights::{ModelConfig, Weights, formula_weights};

use super::eval::demon;
use crate::fixture::*;

fn checkpoint(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/checkpoints")).join(name)
}

#[test]
fn wrong_files_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let whole = fs::read(weights()).unwrap();
    let text = file("text.safetensors", b"these are no weights, however long one reads them");
    for (path, parts) in [
        (file("cut.safetensors", &whole[..whole.len() / 2]), &["cut.safetensors", "expected", "found"][..]),
        (file("head.safetensors", &whole[..100]), &["head.safetensors", "expected", "found"]),
        (file("empty.safetensors", b""), &["empty.safetensors", "an empty file"]),
        (text.clone(), &["text.safetensors", "safetensors"]),
        (folder.path().join("none.safetensors"), &["none.safetensors", "No such file"]),
        (folder.path().to_path_buf(), &["s a directory"]),
        (checkpoint("tiny_zip.ckpt"), &["tiny_zip.ckpt", "imported first"]),
        (checkpoint("tiny_legacy.ckpt"), &["tiny_legacy.ckpt", "imported first"]),
    ] {
        run(room(), &out, &format!("--weights {}", path.display())).refuses(parts);
    }
    baseline(room(), &out, &format!("--weights {}", text.display())).refuses(&["--weights", "patchmatch"]);
    assert!(!out.exists());
}

/// The small network that the program brings along, from where the search ends.
#[test]
fn the_bundled_weights_are_used_where_nothing_else_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let pair = demon(&["mvs_1"]);
    for (name, input) in [
        ("run", format!("{} --max-frames 2", room().display())),
        ("eval", pair.path().display().to_string()),
        ("demo", "--frames 2".into()),
    ] {
        let out = folder.path().join(name);
        let mut command = dro();
        command.args(["sfm", name]).args(input.split_whitespace());
        ran(command.args(["--size", "32x48", "--out"]).arg(&out)).works();
        let solver = &summary(&out)["settings"]["solver"];
        for (at, value) in [
            ("/optimizer", serde_json::json!("dro")),
            ("/weights", "bundled".into()),
            ("/start", "search".into()),
            ("/network/fixed_poses", true.into()),
        ] {
            assert_eq!(solver.pointer(at), Some(&value), "{name}: {at} of {solver}");
        }
    }
}

/// Weights that are given bring the size they were trained with; the bundled ones and the baseline take the images' own.
#[test]
fn the_size_is_that_of_the_weights_given_or_the_images_own() {
    let (images, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for index in 0..2 {
        let part = image::open(image(index)).unwrap().crop_imm(20, 20, 41, 30);
        part.save(images.path().join(format!("a{index}.png"))).unwrap();
    }
    let weights = folder.path().join("larger.safetensors");
    let config = ModelConfig { image_size: (48, 64), ..config() };
    formula_weights(&config).unwrap().save(&weights).unwrap();
    for (index, (options, optimizer, size)) in [
        (format!("--weights {}", weights.display()), "dro", [48, 64]),
        (String::new(), "dro", [32, 48]),
        ("--optimizer patchmatch".into(), "patchmatch", [30, 41]),
    ]
    .iter()
    .enumerate()
    {
        let out = folder.path().join(index.to_string());
        run(images.path(), &out, &format!("--fov 65 --stages 0 {options}")).works();
        let summary = summary(&out);
        assert_eq!(summary["settings"]["solver"]["optimizer"], *optimizer, "{options}");
        assert_eq!(summary["size"], serde_json::json!(size), "{options}");
    }
}

#[test]
fn all_faults_of_the_tensors_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = formula_weights(&config()).unwrap().tensors;
    let names: Vec<String> = tensors.keys().take(3).cloned().collect();
    let [missing, misshaped, broken] = names.as_slice() else { panic!("{names:?}") };
    tensors.remove(missing);
    tensors.insert("surplus".into(), Tensor::new(&[1f32], &Device::Cpu).unwrap());
    tensors.insert(misshaped.clone(), Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu).unwrap());
    let nan = (&tensors[broken] * f64::NAN).unwrap();
    tensors.insert(broken.clone(), nan);
    let path = folder.path().join("faulty.safetensors");
    Weights::new(config(), tensors).save(&path).unwrap();
    run(room(), &folder.path().join("out"), &format!("--weights {}", path.display())).refuses(&[
        "faulty.safetensors",
        &format!("1 missing: {missing}"),
        "1 extra: surplus",
        &format!("1 misshaped: {misshaped}"),
        &format!("1 not finite: {broken}"),
    ]);
}

#[test]
fn an_import_that_fails_lists_what_is_missing_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny_zip.ckpt", "tiny_legacy.ckpt"] {
        let mut command = dro();
        command.args(["weights", "import"]).arg(checkpoint(name)).arg(folder.path().join("w.safetensors"));
        ran(&mut command).refuses(&[name, "missing: cnet_depth.bn1.bias", "extra: brain"]);
    }
    let cut = folder.path().join("cut.ckpt");
    let whole = fs::read(checkpoint("tiny_zip.ckpt")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let mut command = dro();
    command.args(["weights", "import"]).arg(&cut).arg(folder.path().join("w.safetensors"));
    ran(&mut command).refuses(&["cut.ckpt", "expected"]);
    assert_eq!(files(folder.path()), ["cut.ckpt"]);

    let taken = folder.path().join("taken.safetensors");
    fs::write(&taken, "kept").unwrap();
    let mut command = dro();
    command.args(["weights", "import"]).arg(checkpoint("tiny_zip.ckpt")).arg(&taken);
    ran(&mut command).refuses(&["taken.safetensors", "--overwrite"]);
    assert_eq!(fs::read_to_string(&taken).unwrap(), "kept");
}

#[test]
fn mix_writes_weights_between_two() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, other, out] =
        ["a", "b", "c", "out"].map(|name| folder.path().join(format!("{name}.safetensors")));
    let mut network = formula_weights(&config()).unwrap();
    network.save(&first).unwrap();
    network.tensors.values_mut().for_each(|tensor| *tensor = (tensor.clone() * 3.0).unwrap());
    network.save(&second).unwrap();
    formula_weights(&ModelConfig { hidden: 2 * config().hidden, ..config() }).unwrap().save(&other).unwrap();
    let mix = |second: &PathBuf, options: &str| {
        let mut command = dro();
        command.args(["weights", "mix"]).args([&first, second, &out]).args(options.split_whitespace());
        ran(&mut command)
    };
    mix(&other, "").refuses(&["c.safetensors", "expected weights of", "found"]);
    mix(&second, "--part 1.5").refuses(&["part", "0 to 1", "1.5"]);
    assert!(!out.exists());
    mix(&second, "--part 0.25 --half").works();
    let mixed = Weights::load_network(&out).unwrap();
    let sum = |weights: &Weights| -> f32 {
        let parts = weights.tensors.values().map(|x| x.abs().unwrap().sum_all().unwrap());
        parts.map(|x| x.to_scalar::<f32>().unwrap()).sum()
    };
    let ratio = sum(&mixed) / sum(&Weights::load(&first).unwrap());
    assert!((ratio - 1.5).abs() < 1e-3, "{ratio}");
    assert!(fs::metadata(&out).unwrap().len() < fs::metadata(&first).unwrap().len() * 3 / 4);
    mix(&second, "").refuses(&["out.safetensors", "--overwrite"]);
    mix(&second, "--overwrite").works();
}

#[test]
fn show_tells_what_a_file_holds() {
    let show = |path: &std::path::Path| ran(dro().args(["weights", "show"]).arg(path));
    for (name, format) in [("tiny_zip.ckpt", "PyTorch zip"), ("tiny_legacy.ckpt", "PyTorch legacy")] {
        let said = show(&checkpoint(name)).works();
        assert!(said.contains(format) && said.contains("transposed") && said.contains("[4, 2, 3]"), "{said}");
        assert!(said.contains("not the tensors of the network"), "{said}");
    }
    let said = show(weights()).works();
    assert!(
        said.contains("These are the tensors of the network") && said.contains("hidden     64"),
        "{said}"
    );
    show(&image(0)).refuses(&["000000.png", "expected", "weights"]);
    show(&room().join("none")).refuses(&["none: No such file or directory (os error 2)"]);
    show(room()).refuses(&["directory"]);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    let program = env!("CARGO_BIN_EXE_dro");
    for rest in [format!("weights show '{}'", weights().display()), "sfm run --help".into()] {
        // The status of the program, not of head, comes out on stderr.
        let script = format!("{{ '{program}' {rest}; echo \"code $?\" >&2; }} | head -1");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "code 0\n", "{rest}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    }
}
