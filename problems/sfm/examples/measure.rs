//! This library's side of docs/performance.md. Each command prints one line of JSON; `compare/pytorch.py` has the same.
//!
//! ```text
//! cargo run --release --example measure -- forward HxW NEIGHBOURS STAGES INNER [REPEATS]
//! cargo run --release --example measure -- train HxW NEIGHBOURS BATCH [REPEATS]
//! cargo run --release --example measure -- profile HxW NEIGHBOURS [REPEATS]
//! cargo run --release --example measure -- layers HxW [REPEATS]
//! cargo run --release --example measure -- error HxW NEIGHBOURS SCENES
//! cargo run --release --example measure -- starts HxW SCENES ROTATION_DEG TRANSLATION
//! cargo run --release --example measure -- held-out HxW SCENES
//! cargo run --release --example measure -- pairs HxW OF_EACH_KIND FOLDER
//! ```
//!
//! `DRO_KERNELS=reference` measures plain candle; `RAYON_NUM_THREADS` sets the threads; `DRO_DEVICE=cuda:0` measures
//! `forward` and `train` on a card, `DRO_PRECISION=tf32` with its rounding; `DRO_BATCH` is the batch of `forward`,
//! `DRO_SHARDS` the parts that `train` works on at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "measure/device.rs"]
mod device;
#[path = "measure/held_out.rs"]
mod held_out;
#[path = "measure/layers.rs"]
mod layers;
#[path = "measure/network.rs"]
mod network;
#[path = "measure/pairs.rs"]
mod pairs;
#[path = "measure/precision.rs"]
mod precision;
#[path = "measure/starts.rs"]
mod starts;
#[path = "measure/train.rs"]
mod train;

use std::time::Instant;

use dro_core::{Kernels, select_kernels};
use serde_json::{Value, json};

fn main() {
    if std::env::var("DRO_KERNELS").is_ok_and(|kernels| kernels == "reference") {
        select_kernels(Kernels::Reference);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let repeats = |word: Option<&&str>| word.map_or(5, |word| word.parse().expect("a number of repeats"));
    let mut found = match words.as_slice() {
        ["forward", size, neighbours, stages, inner, rest @ ..] => {
            let [neighbours, stages, inner] =
                [neighbours, stages, inner].map(|n| n.parse().expect("a number"));
            network::forward(side(size), neighbours, stages, inner, repeats(rest.first()))
        }
        ["train", size, neighbours, batch, rest @ ..] => {
            let [neighbours, batch] = [neighbours, batch].map(|n| n.parse().expect("a number"));
            train::train(side(size), neighbours, batch, repeats(rest.first()))
        }
        ["profile", size, neighbours, rest @ ..] => {
            network::profile(side(size), neighbours.parse().expect("a number"), repeats(rest.first()))
        }
        ["error", size, neighbours, scenes] => {
            let [neighbours, scenes] = [neighbours, scenes].map(|n| n.parse().expect("a number"));
            precision::error(side(size), neighbours, scenes)
        }
        ["starts", size, scenes, rotation_deg, translation] => {
            let [rotation_deg, translation] =
                [rotation_deg, translation].map(|n| n.parse().expect("a number"));
            starts::starts(side(size), scenes.parse().expect("a number"), rotation_deg, translation)
        }
        ["held-out", size, scenes] => held_out::held_out(side(size), scenes.parse().expect("a number")),
        ["pairs", size, each, folder] => {
            pairs::pairs(side(size), each.parse().expect("a number"), folder.as_ref())
        }
        ["layers", size, rest @ ..] => layers::layers(side(size), repeats(rest.first())),
        _ => {
            panic!(
                "expected forward, train, profile, layers, error, starts, held-out or pairs (see the head of this file), found {words:?}"
            )
        }
    };
    found["arguments"] = json!(words);
    found["device"] = json!(device::name());
    found["threads"] = json!(rayon::current_num_threads());
    println!("{found}");
}

fn side(text: &str) -> (usize, usize) {
    let (height, width) = text.split_once('x').expect("HxW");
    (height.parse().expect("a height"), width.parse().expect("a width"))
}

/// Times after one run to warm up; a run ends when the device has done its work.
fn seconds(repeats: usize, mut run: impl FnMut()) -> Value {
    run();
    let mut times: Vec<f64> = (0..repeats.max(1))
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    json!({ "median_s": times[times.len() / 2], "min_s": times[0], "repeats": times.len() })
}

/// The most memory that this process ever had (Linux; elsewhere nothing).
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
