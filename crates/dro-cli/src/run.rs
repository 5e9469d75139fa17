//! `dro sfm run`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use dro_sfm::{
    Solver,
    data::{Intrinsics, Layout, OpenOptions, Sequence, parse_distortion, parse_intrinsics},
    export::summary::Summary,
    network::{DroNet, DroSolver, Iterations},
    patchmatch::{PatchMatchConfig, PatchMatchSolver},
    pipeline::{self, Format, RunSettings},
    weights::Weights,
};
use dro_vision::Pinhole;

use crate::{
    Outcome,
    device::DeviceChoice,
    interrupt, print,
    progress::Progress,
    values::{self, CouplingChoice, FormatChoice},
};

#[derive(Debug, Args)]
pub struct Run {
    /// A folder of images, a video file, or a recorded sequence (frames.csv, TUM RGB-D, 7-Scenes, KITTI raw, ScanNet,
    /// a DeMoN pair); its layout is recognised.
    input: PathBuf,
    /// The layout, if it is not recognised: images, video, frames-csv, tum, 7scenes, kitti, scannet, demon.
    #[arg(long, value_parser = values::layout)]
    layout: Option<Layout>,
    #[command(flatten)]
    camera: Camera,
    /// Take every N-th image.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
    /// Take at most N images.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_frames: Option<u64>,
    #[command(flatten)]
    solve: Solve,
}

/// Intrinsics; those in the data are used where none are given.
#[derive(Debug, Args)]
struct Camera {
    /// fx,fy,cx,cy in pixels of the images, or a file with these four numbers, a 3x3 matrix or a COLMAP cameras.txt.
    #[arg(long, value_name = "FX,FY,CX,CY|FILE", conflicts_with = "fov", allow_hyphen_values = true)]
    intrinsics: Option<String>,
    /// Brown-Conrady lens distortion k1,k2,p1,p2[,k3]; images are undistorted on loading.
    #[arg(long, value_name = "K1,K2,P1,P2[,K3]", allow_hyphen_values = true)]
    distortion: Option<String>,
    /// A guess: the horizontal field of view in degrees, the principal point in the middle.
    #[arg(long, value_name = "DEGREES", value_parser = values::positive)]
    fov: Option<f64>,
}

impl Camera {
    fn given(&self, sequence: &Sequence) -> Result<Option<Intrinsics>> {
        let mut given = match (&self.intrinsics, self.fov) {
            (Some(text), _) => Some(parse_intrinsics(text)?),
            (None, Some(degrees)) => {
                let (height, width) = sequence.image_size()?;
                let pinhole = Pinhole::from_fov_deg(degrees, height, width)?;
                Some(Intrinsics { pinhole, distortion: Default::default(), size: Some((height, width)) })
            }
            (None, None) => None,
        };
        if let Some(text) = &self.distortion {
            let distortion = parse_distortion(text)?;
            match &mut given {
                Some(given) => given.distortion = distortion,
                None => bail!("--distortion: expected --intrinsics or --fov beside it, found neither"),
            }
        }
        Ok(given)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerChoice {
    /// The learned optimizer; needs --weights.
    Dro,
    /// The weights-free baseline: random search on a census cost.
    Patchmatch,
}

/// How to solve, and what to write: shared by `run` and `demo`.
#[derive(Debug, Args)]
pub struct Solve {
    /// Weights made by `dro weights import` or by training.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What finds depth and poses.
    #[arg(long, value_enum, default_value = "dro")]
    optimizer: OptimizerChoice,
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write into a folder that is not empty; files of the same name are replaced.
    #[arg(long)]
    pub overwrite: bool,
    /// Neighbours of every frame, as offsets.
    #[arg(
        long,
        value_name = "OFFSETS",
        value_delimiter = ',',
        default_value = "1,-1",
        allow_hyphen_values = true
    )]
    neighbours: Vec<i64>,
    /// Size images are brought to [default: the weights' own; the images' own, at most 640 wide, without weights].
    #[arg(long, value_name = "HxW", value_parser = values::size)]
    size: Option<(usize, usize)>,
    /// Stages, m [default: the weights' own].
    #[arg(long, value_name = "M")]
    stages: Option<usize>,
    /// Updates of depth and of poses per stage, n [default: the weights' own].
    #[arg(long, value_name = "N")]
    inner: Option<usize>,
    /// What each block sees of the other [default: the weights' own].
    #[arg(long, value_enum)]
    coupling: Option<CouplingChoice>,
    /// cpu or cuda:N.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Write curves, and pictures of cost, depth and overlap at every update.
    #[arg(long)]
    trace: bool,
    /// What to write besides summary.json [default: everything].
    #[arg(long, value_enum, value_delimiter = ',')]
    format: Vec<FormatChoice>,
    /// Seed of the random search; the learned optimizer uses none.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// No progress bar and no closing text.
    #[arg(long, short)]
    quiet: bool,
}

impl Run {
    pub fn execute(self) -> Result<Outcome> {
        let options = OpenOptions {
            layout: self.layout,
            stride: usize::try_from(self.stride)?,
            max_frames: self.max_frames.map(usize::try_from).transpose()?,
            ..OpenOptions::default()
        };
        // Whatever is wrong with the weights or the device should be said before a video is unpacked.
        let solver = self.solve.solver()?;
        let sequence = Sequence::open_with(&self.input, &options)?;
        let given = self.camera.given(&sequence)?;
        self.solve.execute(&sequence, given.as_ref(), &solver)
    }
}

/// A solver and the size it likes.
pub struct Chosen {
    solver: Box<dyn Solver>,
    size: Option<(usize, usize)>,
    about: serde_json::Value,
}

impl Solve {
    /// Uses the weights-free baseline where no weights are given.
    pub fn or_patchmatch(mut self) -> Self {
        if self.weights.is_none() {
            self.optimizer = OptimizerChoice::Patchmatch;
        }
        self
    }

    pub fn solver(&self) -> Result<Chosen> {
        match (self.optimizer, &self.weights) {
            (OptimizerChoice::Patchmatch, Some(_)) => {
                bail!("--weights: expected none with --optimizer patchmatch, found a file")
            }
            (OptimizerChoice::Patchmatch, None) => {
                let config = PatchMatchConfig { seed: self.seed, ..PatchMatchConfig::default() };
                let about = serde_json::json!({ "optimizer": "patchmatch", "patchmatch": config });
                Ok(Chosen { solver: Box::new(PatchMatchSolver::new(config)?), size: None, about })
            }
            (OptimizerChoice::Dro, None) => {
                bail!(
                    "--weights: expected a file (see `dro weights import --help`), or --optimizer patchmatch, found none"
                )
            }
            (OptimizerChoice::Dro, Some(path)) => {
                let device = self.device.open()?;
                let weights = Weights::load_network(path)?;
                let net = DroNet::new(&weights.config, weights.var_builder(&device))?;
                let mut solver = DroSolver::new(net, device);
                let own = solver.iterations();
                solver = solver.with_iterations(Iterations {
                    stages: self.stages.unwrap_or(own.stages),
                    inner: self.inner.unwrap_or(own.inner),
                });
                if let Some(coupling) = self.coupling {
                    solver = solver.with_coupling(coupling.into());
                }
                let about = serde_json::json!({
                    "optimizer": "dro",
                    "weights": path,
                    "network": weights.config,
                    "stages": solver.iterations().stages,
                    "inner": solver.iterations().inner,
                    "coupling": solver.coupling(),
                    "device": self.device.to_string(),
                });
                Ok(Chosen { solver: Box::new(solver), size: Some(weights.config.image_size), about })
            }
        }
    }

    pub fn execute(
        &self,
        sequence: &Sequence,
        given: Option<&Intrinsics>,
        chosen: &Chosen,
    ) -> Result<Outcome> {
        let size = match self.size.or(chosen.size) {
            Some(size) => size,
            None => at_most_640_wide(sequence.image_size()?),
        };
        let formats = match self.format.as_slice() {
            [] => Format::ALL.to_vec(),
            some => some.iter().map(|&format| format.into()).collect(),
        };
        let settings = RunSettings {
            out: self.out.clone(),
            overwrite: self.overwrite,
            size,
            neighbours: self.neighbours.clone(),
            formats,
            trace: self.trace,
            ..RunSettings::default()
        };
        let about = serde_json::json!({ "solver": chosen.about, "run": settings, "intrinsics": given.map(|g| g.pinhole) });
        let mut progress = Progress::new(self.quiet, interrupt::flag()?);
        let solver = chosen.solver.as_ref();
        let summary = pipeline::run(sequence, given, solver, &settings, about, &mut progress);
        drop(progress);
        let summary = summary?;
        if !self.quiet {
            tell(&summary, &settings);
        }
        Ok(if summary.interrupted { Outcome::Interrupted } else { Outcome::Done })
    }
}

/// Sides are rounded, so the shape may change by a pixel; intrinsics follow each axis.
fn at_most_640_wide((height, width): (usize, usize)) -> (usize, usize) {
    if width <= 640 { (height, width) } else { ((height * 640).div_ceil(width), 640) }
}

fn tell(summary: &Summary, settings: &RunSettings) {
    let frames = summary.frames.len();
    let per_frame = summary.frames.iter().map(|frame| frame.seconds).sum::<f64>() / frames.max(1) as f64;
    let memory = summary.peak_memory_mb.map_or(String::new(), |mb| format!(", at most {mb:.0} MiB"));
    print(format_args!("{frames} frames, {per_frame:.2} s each{memory}: {}", settings.out.display()));
    if let Some(depth) = &summary.mean_metrics {
        print(format_args!(
            "depth against ground truth (median-scaled): abs rel {:.3}, a1 {:.3}",
            depth.abs_rel, depth.a1
        ));
    }
    if let (Some(rotation), Some(translation)) =
        (summary.mean_rotation_error_deg, summary.mean_translation_error_deg)
    {
        print(format_args!(
            "poses against ground truth: rotation {rotation:.2} degrees, direction of translation {translation:.1} degrees"
        ));
    }
    for note in &summary.notes {
        print(format_args!("note: {note}"));
    }
    if summary.interrupted {
        print("interrupted: the frames above are complete");
    }
}
