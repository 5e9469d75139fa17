//! `dro sfm demo`.

use anyhow::Result;
use clap::Args;
use dro_sfm::{
    data::Sequence,
    pipeline::OutputFolder,
    scene::{Room, hand_held_path, write_sequence},
};
use dro_vision::Pinhole;

use crate::{Outcome, interrupt, output::Output, solve::Solve};

/// Height and width of the rendered images.
const SIZE: (usize, usize) = (240, 320);

#[derive(Debug, Args)]
pub struct Demo {
    /// Images to render, at least 2.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    frames: u16,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    solve: Solve,
}

impl Demo {
    /// Renders a room with known depth and poses into `OUT/input`, then solves it like any sequence.
    pub fn execute(self) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let frames = usize::from(self.frames);
        let (mut output, solve) = (self.output, self.solve);
        let chosen = solve.solver()?;
        OutputFolder::create(&output.folder.out, output.folder.overwrite, 1.0)?;
        output.folder.overwrite = true;
        let input = output.folder.out.join("input");
        let camera = Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1)?;
        // Every third position: a baseline of a few centimetres per frame.
        let path: Vec<_> = hand_held_path(3 * frames, solve.seed).into_iter().step_by(3).collect();
        write_sequence(&input, &Room::new(solve.seed), &camera, SIZE, &path)?;
        let about = serde_json::json!({ "demo": { "frames": frames, "seed": solve.seed } });
        output.execute(&solve, &Sequence::open(&input, None)?, None, &chosen, about, interrupted)
    }
}
