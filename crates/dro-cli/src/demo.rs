//! `dro sfm demo`.

use anyhow::{Result, bail};
use clap::Args;
use dro_sfm::{data::Sequence, scene};

use crate::{Outcome, run::Solve};

#[derive(Debug, Args)]
pub struct Demo {
    /// Images to render, at least 2.
    #[arg(long, value_name = "N", default_value_t = 4)]
    frames: usize,
    #[command(flatten)]
    solve: Solve,
}

impl Demo {
    /// Renders a room with known depth and poses into `OUT/input`, then solves it like any sequence.
    pub fn execute(self) -> Result<Outcome> {
        if self.frames < 2 {
            bail!("--frames: expected at least 2, found {}", self.frames);
        }
        let solve = self.solve.or_patchmatch();
        let chosen = solve.solver()?;
        let input = solve.out.join("input");
        todo!("{input:?} {:?}", chosen.about())
    }
}
