//! A whole sequence: depth of every frame, one trajectory, one point cloud, on disk.
//!
//! `cargo run --example sfm_sequence [INPUT_FOLDER OUTPUT_FOLDER]`
//!
//! Without arguments a small room is rendered into a temporary folder and solved there.

use std::path::PathBuf;

use dro_sfm::{
    data::Sequence,
    patchmatch::{PatchMatchConfig, PatchMatchSolver},
    pipeline::{self, Quiet, RunSettings},
    scene::{Room, hand_held_path, write_sequence},
};
use dro_vision::Pinhole;

fn main() -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join(format!("dro-example-{}", std::process::id()));
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let (input, out) = match (arguments.next(), arguments.next()) {
        (Some(input), Some(out)) => (input, out),
        _ => {
            let input = scratch.join("input");
            let camera = Pinhole::from_fov_deg(65.0, 96, 128)?;
            write_sequence(&input, &Room::new(3), &camera, (96, 128), &hand_held_path(3, 3))?;
            (input, scratch.join("out"))
        }
    };

    // The layout (images, frames.csv, TUM RGB-D, KITTI, ...) is recognised; its intrinsics are used.
    let sequence = Sequence::open(&input, None)?;
    let size = sequence.image_size()?;
    let solver = PatchMatchSolver::new(PatchMatchConfig::default())?;
    let settings = RunSettings { out: out.clone(), size, ..RunSettings::default() };
    let summary = pipeline::run(&sequence, None, &solver, &settings, serde_json::Value::Null, &mut Quiet)?;

    for frame in &summary.frames {
        println!(
            "{}: {:.1} s, cost {:.4} -> {:.4}",
            frame.name, frame.seconds, frame.cost_start, frame.cost_end
        );
    }
    println!("written: {}", out.display());
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}
