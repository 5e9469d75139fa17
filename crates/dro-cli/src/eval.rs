//! `dro sfm eval`.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use dro_sfm::benchmark::{EvalSettings, Walk, evaluate};

use crate::{Outcome, interrupt, output::Folder, print, progress::Progress, sets::Sets, solve::Solve};

#[derive(Debug, Args)]
pub struct Eval {
    #[command(flatten)]
    sets: Sets,
    #[command(flatten)]
    folder: Folder,
    /// Average every answer with that for the mirror image (takes twice the time).
    #[arg(long)]
    flip: bool,
    /// Judge the depth that each window gave, as published results do. Otherwise the depth of a sequence is fused over its
    /// frames, as `dro sfm run` writes it.
    #[arg(long)]
    no_fuse_depth: bool,
    /// Write depth maps too: SET/depth/NAME.png and .npy.
    #[arg(long)]
    save_depth: bool,
    #[command(flatten)]
    solve: Solve,
}

impl Eval {
    pub fn execute(self) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let chosen = self.solve.solver()?;
        let judging = self.sets.judging()?;
        let (sets, skipped) = self.sets.open(&self.solve.neighbours)?;
        let settings = EvalSettings {
            out: self.folder.out,
            overwrite: self.folder.overwrite,
            walk: Walk { size: self.solve.size(&chosen), skip_bad: self.sets.skip_bad },
            judging,
            flip: self.flip,
            fuse_depth: !self.no_fuse_depth,
            save_depth: self.save_depth,
        };
        let about = serde_json::json!({
            "solver": chosen.about,
            "evaluation": settings,
            "neighbours": self.solve.neighbours,
            "input": self.sets.about(),
        });
        let mut progress = Progress::new(self.solve.quiet, interrupted);
        let report = evaluate(sets, skipped, chosen.solver.as_ref(), &settings, about, &mut progress);
        drop(progress);
        let report = report?;
        if !self.solve.quiet {
            print(report.to_markdown().trim_end())?;
            closing(&settings.out, report.skipped_count, report.interrupted)?;
        }
        Ok(if report.interrupted { Outcome::Interrupted } else { Outcome::Done })
    }
}

/// Where the results are, and what they lack.
pub fn closing(out: &Path, skipped: usize, interrupted: bool) -> Result<()> {
    let skipped = if skipped == 0 { "nothing skipped".into() } else { format!("{skipped} skipped") };
    print(format_args!("{}: {skipped}", out.display()))?;
    if interrupted {
        print("interrupted: the results cover what was finished")?;
    }
    Ok(())
}
