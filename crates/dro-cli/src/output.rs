//! What a run writes: the options that `run` and `demo` share.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Result;
use clap::Args;
use dro_sfm::{
    data::{Intrinsics, Sequence},
    pipeline::{self, Format, RunSettings},
};

use crate::{
    Outcome, closing,
    progress::Progress,
    solve::{Chosen, Solve},
    values::FormatChoice,
};

/// The folder for results.
#[derive(Debug, Args)]
pub struct Folder {
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into a folder that is not empty; files of the same name are replaced.
    #[arg(long)]
    pub overwrite: bool,
}

/// What to write.
#[derive(Debug, Args)]
pub struct Output {
    #[command(flatten)]
    pub folder: Folder,
    /// Write the cost over updates (curves.csv, curves.svg) and, in trace/NAME, pictures of cost, inverse depth and
    /// overlap with the warped neighbours at every update (at most 32 per frame, evenly spread).
    #[arg(long)]
    trace: bool,
    /// Keep the depth that each window gave. Otherwise depth maps are replaced, in the end, by what most of the frames
    /// around agree with.
    #[arg(long)]
    no_fuse_depth: bool,
    /// What to write besides summary.json, separated by commas [default: all but colmap].
    #[arg(long, value_enum, value_delimiter = ',')]
    format: Vec<FormatChoice>,
}

impl Output {
    /// Runs it and tells what came out; `about` is what was asked beyond these options.
    pub fn execute(
        &self,
        solve: &Solve,
        sequence: &Sequence,
        given: Option<&Intrinsics>,
        chosen: &Chosen,
        about: serde_json::Value,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Outcome> {
        let size = match solve.size(chosen) {
            Some(size) => size,
            None => pipeline::default_size(pipeline::image_size(sequence)?),
        };
        let formats = match self.format.as_slice() {
            [] => Format::USUAL.to_vec(),
            some => some.iter().map(|&format| format.into()).collect(),
        };
        let settings = RunSettings {
            out: self.folder.out.clone(),
            overwrite: self.folder.overwrite,
            size,
            neighbours: solve.neighbours.clone(),
            formats,
            fuse_depth: !self.no_fuse_depth,
            trace: self.trace,
            ..RunSettings::default()
        };
        let about = serde_json::json!({ "solver": chosen.about, "run": settings, "input": about });
        let mut progress = Progress::new(solve.quiet, interrupted);
        let summary = pipeline::run(sequence, given, chosen.solver.as_ref(), &settings, about, &mut progress);
        drop(progress);
        let summary = summary?;
        if !solve.quiet {
            closing::tell(&summary, &settings)?;
        }
        Ok(if summary.interrupted { Outcome::Interrupted } else { Outcome::Done })
    }
}
