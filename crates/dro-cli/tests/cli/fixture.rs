//! Small inputs made once, and calls of the program.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use assert_cmd::Command;
use dro_sfm::{
    scene::{Room, hand_held_path, write_sequence},
    weights::{ModelConfig, formula_weights},
};
use dro_vision::Pinhole;
use tempfile::TempDir;

/// Height and width of the rendered images.
pub const SIZE: (usize, usize) = (64, 96);

/// Images in [`room`].
pub const FRAMES: usize = 5;

/// What inputs that several tests share are called; each is written once per run.
fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The configuration of [`weights`].
pub fn config() -> ModelConfig {
    ModelConfig { hidden: 64, image_size: SIZE, ..ModelConfig::default() }
}

/// A file of weights by formula.
pub fn weights() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = shared("cli-weights.safetensors");
        formula_weights(&config()).unwrap().save(&path).unwrap();
        path
    })
}

/// A rendered sequence with `frames.csv`, depth, poses and intrinsics; `rgb/000000.png` and so on are its images.
pub fn room() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let path = shared("cli-room");
        let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap();
        write_sequence(&path, &Room::new(1), &camera, SIZE, &hand_held_path(FRAMES, 1)).unwrap();
        path
    })
}

/// One image of [`room`].
pub fn image(index: usize) -> PathBuf {
    room().join(format!("rgb/{index:06}.png"))
}

/// A folder with `count` of the room's images, `a0.png`, `a1.png` and so on, to be tampered with.
pub fn images(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..count {
        fs::copy(image(index % FRAMES), folder.path().join(format!("a{index}.png"))).unwrap();
    }
    folder
}

/// What a call came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program; it is killed after two minutes.
pub fn dro() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("dro");
    command.timeout(Duration::from_secs(120)).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("messages are UTF-8");
    Ran {
        code: output.status.code().expect("ended by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// `dro sfm run INPUT --out OUT`, with further options separated by white space.
pub fn run(input: &Path, out: &Path, options: &str) -> Ran {
    ran(dro().args(["sfm", "run"]).arg(input).arg("--out").arg(out).args(options.split_whitespace()))
}

/// [`run`] with the weights and one update of each block.
pub fn learned(input: &Path, out: &Path, options: &str) -> Ran {
    let weights = weights().display();
    run(input, out, &format!("--weights {weights} --stages 1 --inner 1 {options}"))
}

/// [`run`] without weights: for what is refused before anything is solved.
pub fn baseline(input: &Path, out: &Path, options: &str) -> Ran {
    run(input, out, &format!("--optimizer patchmatch {options}"))
}

impl Ran {
    /// It worked, and stderr is empty: no progress bar where nobody sees it.
    #[track_caller]
    pub fn works(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self.stdout
    }

    /// One line on stderr that holds all of `parts`, nothing on stdout, exit code 2.
    #[track_caller]
    pub fn refuses(self, parts: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (2, ""), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap();
        assert!(line.starts_with("error: ") && !line.contains('\n'), "{line}");
        for part in parts {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
        for debris in [" { ", "Some(", "Err(", "panicked", "Error("] {
            assert!(!line.contains(debris), "{debris:?} in {line}");
        }
    }
}

/// `summary.json` of a run.
#[track_caller]
pub fn summary(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap()
}

/// The names of the frames in a summary, whose files must all be there.
#[track_caller]
pub fn finished(out: &Path) -> Vec<String> {
    let summary = summary(out);
    let name = |frame: &serde_json::Value| frame["name"].as_str().unwrap().to_owned();
    let names: Vec<_> = summary["frames"].as_array().unwrap().iter().map(name).collect();
    for name in &names {
        image::open(out.join(format!("depth/{name}.png"))).unwrap();
        candle_core::Tensor::read_npy(out.join(format!("depth/{name}.npy"))).unwrap();
        image::open(out.join(format!("inverse_depth/{name}.png"))).unwrap();
    }
    names
}

/// All notes of a summary.
pub fn notes(out: &Path) -> String {
    summary(out)["notes"].as_array().map_or(String::new(), |notes| {
        notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    })
}

/// Every file below a folder, relative to it, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// No temporary file is left.
#[track_caller]
pub fn nothing_half_written(out: &Path) {
    let files = files(out);
    assert!(files.iter().all(|name| !name.contains(".part") && !name.contains(".dro-")), "{files:?}");
}
