//! What each part of the optimizer is good for, from one training: what `dro sfm ablate` does.
//!
//! The paper (arXiv 2103.13201, section 4.3) trains a network for every row of its ablation. Here the same weights run in other
//! ways, so a part that is taken away was there in training: the rows say what *these weights* rely on. Nothing in the
//! network knows of it: [`Blind`] wraps a cost, [`Forgetful`] a rule, and the rest are schedules.

mod blind;
mod forgetful;
mod recorder;
mod report;
mod variant;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use std::{cell::RefCell, time::Instant};

use dro_core::{Bound, Budget, CostFunction, Observer, minimize};

use crate::{
    Error, Result, Solver,
    benchmark::{DataSet, ImageErrors, Judging, Skipped, Target, Walk, make_names_unique},
    cost::{INVERSE_DEPTH, POSES},
    export::summary::{FrameSummary, peak_memory_mb},
    network::DroSolver,
    pipeline::{OutputFolder, Reporter, UNFINISHED},
    watch::unwrapped,
};
pub use blind::Blind;
pub use forgetful::Forgetful;
use recorder::Recorder;
pub use report::{AblationReport, AblationRow};
use report::{Tally, write_all};
use variant::{Variant, variants};

/// Where [`ablate`] writes, and what it looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AblationSettings {
    /// Folder for the results; made if it is not there.
    pub out: std::path::PathBuf,
    /// Whether files may be written into a folder that is not empty.
    pub overwrite: bool,
    /// Which images, at which size.
    pub walk: Walk,
    /// How they are compared.
    pub judging: Judging,
}

/// Solves every target of `sets` in every way and writes, to the folder of `settings`, `ablation.csv`, `table.md`,
/// `summary.json` and the curves `abs_rel.svg`, `rotation.svg`, `translation.svg` and `cost.svg`.
///
/// The solver's iterations and coupling are the row that the others are compared with. Files cover what was finished,
/// whatever happens.
///
/// # Errors
/// As [`evaluate`](crate::benchmark::evaluate); and if the solver does no updates.
pub fn ablate(
    mut sets: Vec<DataSet>,
    skipped: Vec<Skipped>,
    solver: &DroSolver,
    settings: &AblationSettings,
    about: serde_json::Value,
    reporter: &mut dyn Reporter,
) -> Result<AblationReport> {
    let began = Instant::now();
    settings.judging.check()?;
    make_names_unique(&mut sets);
    let variants = variants(solver)?;
    let folder = OutputFolder::create(&settings.out, settings.overwrite, 1.0)?;
    for set in &sets {
        folder.refuse_input(&set.root)?;
    }
    let mut report = AblationReport {
        program: "dro".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        settings: about,
        skipped,
        notes: vec![UNFINISHED.into()],
        ..AblationReport::default()
    };
    report.write(&folder)?;
    report.notes.clear();

    reporter.begin(sets.iter().map(DataSet::targets).sum());
    let mut tally = Tally::new(&variants);
    let mut outcome = Ok(());
    let reporter = RefCell::new(reporter);
    let interrupted = || reporter.borrow().interrupted();
    let (multiple, judging) = (solver.multiple_of(), &settings.judging);
    for set in &mut sets {
        let walked = settings.walk.each(set, multiple, judging, &interrupted, &mut |target| {
            let mut reporter = reporter.borrow_mut();
            tally.add(target.set, solve(target, solver, &variants, judging, &**reporter)?);
            reporter.frame_done(&FrameSummary { name: target.name.clone(), ..FrameSummary::default() });
            Ok(())
        });
        report.skipped.append(&mut set.skipped);
        if let Err(error) = walked {
            outcome = Err(error);
            break;
        }
    }
    reporter.borrow_mut().finishing();
    report.interrupted = matches!(outcome, Err(Error::Interrupted));
    if report.interrupted {
        outcome = Ok(());
    }
    report.rows = tally.rows();
    if outcome.is_ok() && report.rows.is_empty() && !report.interrupted {
        outcome = Err(Error::argument("ablation", "at least one image that can be evaluated", "none"));
    }
    if let Err(error) = &outcome {
        report.notes.push(format!("stopped by an error: {error}"));
    }
    report.total_seconds = began.elapsed().as_secs_f64();
    report.peak_memory_mb = peak_memory_mb();
    outcome.and(write_all(&folder, &report, &tally)).map(|()| report)
}

/// What was seen along one run: `(driver's steps, errors, cost)`.
type Curve = Vec<(usize, ImageErrors, f64)>;

/// One target in every way: a curve per variant.
fn solve(
    target: &Target<'_>,
    solver: &DroSolver,
    variants: &[Variant],
    judging: &Judging,
    reporter: &dyn Reporter,
) -> Result<Vec<Curve>> {
    let net = solver.net();
    let encoded = solver.encode(&target.views)?;
    let cost = encoded.cost()?;
    let start = &encoded.start;
    variants
        .iter()
        .map(|variant| {
            let mut recorder = Recorder::new(net, &encoded, &*cost, variant.every(), reporter)?;
            let blind = Blind::new(&*cost);
            let seen: &dyn CostFunction = if variant.blind { &blind } else { &*cost };
            let (depth, pose) = (Some(&encoded.depth_context), Some(&encoded.pose_context));
            let rules = if variant.forgetful {
                let depth_rule = Forgetful::new(net.depth_rule(), start.get(INVERSE_DEPTH), depth)?;
                Some((depth_rule, Forgetful::new(net.pose_rule(), start.get(POSES), pose)?))
            } else {
                None
            };
            let bound = Bound::new(cost.space());
            let mut optimizer = match &rules {
                Some((depth_rule, pose_rule)) => bound
                    .with("inverse_depth", depth_rule, start, depth)?
                    .with("poses", pose_rule, start, pose)?,
                None => bound.with("inverse_depth", net.depth_rule(), start, depth)?.with(
                    "poses",
                    net.pose_rule(),
                    start,
                    pose,
                )?,
            };
            let observers: &mut [&mut dyn Observer] = &mut [&mut recorder];
            minimize(seen, &mut optimizer, start, &variant.schedule(), &Budget::default(), observers)
                .map_err(unwrapped)?;
            if reporter.interrupted() {
                return Err(Error::Interrupted);
            }
            let seen = recorder.records.into_iter().map(|record| {
                let errors =
                    target.truth.errors(&record.inv_depth, &record.poses, solver.max_depth(), judging)?;
                Ok((record.step, errors, record.cost))
            });
            seen.collect()
        })
        .collect()
}
