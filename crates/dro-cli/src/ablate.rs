//! `dro sfm ablate`.

use anyhow::Result;
use clap::Args;
use dro_sfm::{
    ablation::{AblationSettings, ablate},
    benchmark::Walk,
};

use crate::{
    Outcome, eval::closing, interrupt, output::Folder, print, progress::Progress, sets::Sets, solve::Solve,
};

#[derive(Debug, Args)]
pub struct Ablate {
    #[command(flatten)]
    sets: Sets,
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    solve: Solve,
}

impl Ablate {
    pub fn execute(self) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let chosen = self.solve.learned()?;
        let judging = self.sets.judging()?;
        let (sets, skipped) = self.sets.open(&self.solve.neighbours)?;
        let settings = AblationSettings {
            out: self.folder.out,
            overwrite: self.folder.overwrite,
            walk: Walk { size: self.solve.size(&chosen), skip_bad: self.sets.skip_bad },
            judging,
        };
        let about = serde_json::json!({
            "solver": chosen.about,
            "walk": settings.walk,
            "judging": settings.judging,
            "neighbours": self.solve.neighbours,
            "input": self.sets.about(),
        });
        let mut progress = Progress::new(self.solve.quiet, interrupted);
        let report = ablate(sets, skipped, &chosen.solver, &settings, about, &mut progress);
        drop(progress);
        let report = report?;
        if !self.solve.quiet {
            print(report.to_markdown().trim_end())?;
            closing(&settings.out, report.skipped.len(), report.interrupted)?;
        }
        Ok(if report.interrupted { Outcome::Interrupted } else { Outcome::Done })
    }
}
