//! The evaluation itself.

use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use nalgebra::Isometry3;
use serde::{Deserialize, Serialize};

use super::{
    errors::{ImageErrors, Means, mean},
    report::{Report, SetReport},
    set::{DataSet, Skipped, make_names_unique},
    tables,
    target::{Judging, Target, Truth, Walk},
    trajectory::{Placed, Solved},
};
use crate::{
    Error, Map, Result, Solver, Watch,
    augment::MirrorAveraged,
    data::CameraModel,
    export::{
        depth,
        summary::{FrameSummary, peak_memory_mb},
        write_atomically,
    },
    pipeline::{OutputFolder, Reporter},
    sequence::{DepthFusionOptions, FrameEstimate, fuse_depth},
    watch::Unshown,
};

/// Files about the whole evaluation.
const WHOLE: [&str; 4] = ["summary.json", "images.csv", "pairs.csv", "table.md"];

/// What [`evaluate`] is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalSettings {
    /// Folder for the results; made if it is not there.
    #[serde(serialize_with = "crate::export::summary::as_shown")]
    pub out: PathBuf,
    /// Whether files may be written into a folder that is not empty.
    pub overwrite: bool,
    /// Which images, at which size.
    pub walk: Walk,
    /// How they are compared.
    pub judging: Judging,
    /// Whether every answer is averaged with that for the mirror image.
    pub flip: bool,
    /// Whether the depth that is judged is fused over the frames of a sequence (see [`fuse_depth`]); images of a list and
    /// DeMoN pairs are always judged one by one.
    pub fuse_depth: bool,
    /// Whether depth maps are written.
    pub save_depth: bool,
}

impl Default for EvalSettings {
    fn default() -> Self {
        Self {
            out: "out".into(),
            overwrite: false,
            walk: Walk::default(),
            judging: Judging::default(),
            flip: false,
            fuse_depth: true,
            save_depth: false,
        }
    }
}

/// What came out for one image.
#[derive(Debug, Clone)]
pub(super) struct ImageResult {
    pub(super) set: String,
    pub(super) name: String,
    pub(super) subset: Option<&'static str>,
    pub(super) image: PathBuf,
    pub(super) camera: CameraModel,
    pub(super) seconds: f64,
    pub(super) cost: [f64; 2],
    pub(super) updates: usize,
    pub(super) errors: ImageErrors,
    /// Whether its depth is fused over frames.
    pub(super) fused: bool,
    /// Per neighbour its image, the true and the found `neighbour_from_target`.
    pub(super) pairs: Vec<(PathBuf, Option<Isometry3<f64>>, Isometry3<f64>)>,
}

/// Solves every target of `sets`, compares it with the truth and writes, to the folder of `settings`, `images.csv`,
/// `pairs.csv`, `table.md`, `summary.json`, and per sequence `SET/trajectory.tum.txt` and `SET/groundtruth.tum.txt`.
///
/// `skipped` is what was left out before; `about` goes into the summary. What was finished is written whatever happens:
/// after an error or an interruption all files cover it.
///
/// # Errors
/// Names the file or setting: an image that cannot be read or has no truth (unless it may be skipped), an output folder
/// that is not empty, a full disk; and if nothing was left to evaluate.
pub fn evaluate(
    mut sets: Vec<DataSet>,
    skipped: Vec<Skipped>,
    solver: &dyn Solver,
    settings: &EvalSettings,
    about: serde_json::Value,
    reporter: &mut dyn Reporter,
) -> Result<Report> {
    let began = Instant::now();
    settings.judging.check()?;
    make_names_unique(&mut sets);
    let folder = open_folder(&settings.out, settings.overwrite, &sets)?;
    let mut report = Report {
        program: "dro".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        settings: about,
        skipped,
        notes: vec![crate::pipeline::UNFINISHED.into()],
        ..Report::default()
    };
    // A folder that cannot be written shows before the first image is solved, and a killed evaluation leaves its mark.
    write_json(&folder.file("summary.json"), &report)?;
    report.notes.clear();

    let averaged = MirrorAveraged::new(solver);
    let solver: &dyn Solver = if settings.flip { &averaged } else { solver };
    reporter.begin(sets.iter().map(DataSet::targets).sum());
    let mut images = Vec::new();
    let mut outcome = Ok(());
    for set in &mut sets {
        let (set_report, result) = evaluate_set(set, solver, settings, &folder, reporter, &mut images);
        report.sets.extend(set_report);
        report.skipped.append(&mut set.skipped);
        if result.is_err() {
            outcome = result;
            break;
        }
    }
    reporter.finishing();
    report.interrupted = matches!(outcome, Err(Error::Interrupted));
    if report.interrupted {
        outcome = Ok(());
    }
    if outcome.is_ok() && images.is_empty() && !report.interrupted {
        let found = match report.skipped.first() {
            Some(first) => {
                format!("none; {} were left out, the first: {}", report.skipped.len(), first.reason)
            }
            None => "none".into(),
        };
        outcome = Err(Error::argument("evaluation", "at least one image that can be evaluated", found));
    }
    if let Err(error) = &outcome {
        report.notes.push(format!("stopped by an error: {error}"));
    }
    report.skipped_count = report.skipped.len();
    report.total_seconds = began.elapsed().as_secs_f64();
    report.peak_memory_mb = peak_memory_mb();
    // The first error is the one to report: what comes after a full disk fails for the same reason.
    outcome.and(write_all(&folder, &report, &images)).map(|()| report)
}

/// The folder, without what an earlier evaluation said of its whole.
fn open_folder(out: &Path, overwrite: bool, sets: &[DataSet]) -> Result<OutputFolder> {
    let folder = OutputFolder::create(out, overwrite, 1.0)?;
    for set in sets {
        folder.refuse_input(&set.root)?;
    }
    let of_sets = sets.iter().flat_map(|set| {
        ["trajectory.tum.txt", "groundtruth.tum.txt"].map(|file| format!("{}/{file}", set.name))
    });
    for name in WHOLE.map(str::to_owned).into_iter().chain(of_sets) {
        let path = folder.file(&name);
        match fs::remove_file(&path) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(Error::io(path)(error));
            }
            _ => {}
        }
    }
    Ok(folder)
}

/// All images of a set, and its report where anything was solved.
fn evaluate_set(
    set: &mut DataSet,
    solver: &dyn Solver,
    settings: &EvalSettings,
    folder: &OutputFolder,
    reporter: &mut dyn Reporter,
    images: &mut Vec<ImageResult>,
) -> (Option<SetReport>, Result<()>) {
    let first = images.len();
    let own = folder.file(&set.name);
    let mut solved = Solved::default();
    let in_order = set.sequence().is_some();
    let (multiple, judging) = (solver.multiple_of(), &settings.judging);
    let reporter = RefCell::new(reporter);
    let interrupted = || reporter.borrow().interrupted();
    let walked = settings.walk.each(set, multiple, judging, &interrupted, &mut |target| {
        let mut reporter = reporter.borrow_mut();
        let (result, estimate) = evaluate_image(target, solver, settings, &own, &**reporter)?;
        reporter.frame_done(&FrameSummary {
            name: result.name.clone(),
            cost_start: result.cost[0],
            cost_end: result.cost[1],
            ..FrameSummary::default()
        });
        if in_order {
            solved.push(target.window.target, estimate);
        }
        images.push(result);
        Ok(())
    });
    let mine = images.get_mut(first..).unwrap_or_default();
    if mine.is_empty() {
        return (None, walked.map(|_| ()));
    }
    let (mut ate, mut rpe) = (None, None);
    let judge_together = || {
        let (Some(sequence), Some(placed)) = (set.sequence(), solved.place(&set.name)?) else {
            return Ok(());
        };
        (ate, rpe) = placed.judge(&sequence.frames, &own)?;
        let reporter = reporter.into_inner();
        if settings.fuse_depth { fuse(set, &placed, solver, settings, &own, reporter, mine) } else { Ok(()) }
    };
    let together = judge_together();
    let errors = |part: Option<&str>| {
        Means::of(
            mine.iter().filter(|image| part.is_none() || image.subset == part).map(|image| &image.errors),
        )
    };
    let mut parts: Vec<&str> = mine.iter().filter_map(|image| image.subset).collect();
    parts.sort_unstable();
    parts.dedup();
    let report = SetReport {
        name: set.name.clone(),
        root: set.root.clone(),
        layout: set.layout(),
        size: walked.as_ref().ok().copied().flatten(),
        means: errors(None),
        subsets: parts.iter().map(|part| ((*part).to_owned(), errors(Some(part)))).collect(),
        depth_fused: mine.iter().filter(|image| image.fused).count(),
        seconds_per_image: mean(mine.iter().map(|image| image.seconds)),
        ate,
        rpe,
        skipped: set.skipped.len(),
    };
    (Some(report), walked.map(|_| ()).and(together))
}

/// Depth as all frames of a sequence together say it; its errors replace those of single windows.
fn fuse(
    set: &DataSet,
    placed: &Placed,
    solver: &dyn Solver,
    settings: &EvalSettings,
    folder: &Path,
    reporter: &mut dyn Reporter,
    images: &mut [ImageResult],
) -> Result<()> {
    let all = set.sequence().map_or(&[][..], |sequence| &sequence.frames);
    let posed = placed.posed();
    for (index, (image, number)) in images.iter_mut().zip(placed.frames()).enumerate() {
        if reporter.interrupted() {
            return Err(Error::Interrupted);
        }
        let Some(frame) = all.get(number) else { continue };
        let inv_depth = fuse_depth(&posed, index, &DepthFusionOptions::default())?;
        if settings.save_depth {
            write_depth(folder, &image.name, &inv_depth, solver.max_depth())?;
        }
        let depth = Truth::depth(set, all, frame, &image.camera, &settings.judging)?;
        let (poses, found): (Vec<_>, Vec<_>) =
            image.pairs.iter().map(|(_, truth, found)| (*truth, *found)).unzip();
        let truth = Truth { is_demon: false, depth, poses };
        image.errors = truth.errors(&inv_depth, &found, solver.max_depth(), &settings.judging)?;
        image.fused = true;
        reporter.depth_fused(index + 1);
    }
    Ok(())
}

fn write_depth(folder: &Path, name: &str, inv_depth: &Map, max_depth: f64) -> Result<()> {
    let depth_m = inv_depth.inverted();
    let file = |ending: &str| folder.join("depth").join(format!("{name}.{ending}"));
    depth::write_png(file("png"), &depth_m, depth::png_scale(max_depth as f32))?;
    depth::write_npy(file("npy"), &depth_m)
}

fn evaluate_image(
    target: &Target<'_>,
    solver: &dyn Solver,
    settings: &EvalSettings,
    folder: &Path,
    reporter: &dyn Reporter,
) -> Result<(ImageResult, FrameEstimate)> {
    let mut watch = Unshown(|| reporter.interrupted());
    if watch.interrupted() {
        return Err(Error::Interrupted);
    }
    let began = Instant::now();
    let estimate = solver.solve(&target.views, &mut watch)?;
    let seconds = began.elapsed().as_secs_f64();
    if settings.save_depth {
        write_depth(folder, &target.name, &estimate.inv_depth, solver.max_depth())?;
    }
    let farthest = solver.max_depth();
    let errors = target.truth.errors(&estimate.inv_depth, &estimate.poses, farthest, &settings.judging)?;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let pairs = target.neighbours.iter().zip(&target.truth.poses).zip(&estimate.poses);
    let result = ImageResult {
        set: target.set.to_owned(),
        name: target.name.clone(),
        subset: target.subset,
        image: absolute(&target.frame.image),
        camera: target.camera,
        seconds,
        cost: [estimate.cost_start, estimate.cost_end],
        updates: estimate.updates,
        errors,
        fused: false,
        pairs: pairs.map(|((frame, truth), found)| (absolute(&frame.image), *truth, *found)).collect(),
    };
    let neighbours = target.window.neighbours.iter().copied().zip(estimate.poses).collect();
    Ok((result, FrameEstimate { inv_depth: estimate.inv_depth, camera: target.views.camera, neighbours }))
}

fn write_all(folder: &OutputFolder, report: &Report, images: &[ImageResult]) -> Result<()> {
    tables::write_images(&folder.file("images.csv"), images)?;
    tables::write_pairs(&folder.file("pairs.csv"), images)?;
    write_text(&folder.file("table.md"), &report.to_markdown())?;
    write_json(&folder.file("summary.json"), report)
}

pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomically(path, |file| io::Write::write_all(file, text.as_bytes()))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_atomically(path, |file| {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        io::Write::write_all(file, text.as_bytes())
    })
}
