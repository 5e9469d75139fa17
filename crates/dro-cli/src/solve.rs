//! How to solve: the options that `run`, `demo`, `eval` and `ablate` share.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use dro_core::select_kernels;
use dro_sfm::{
    Solver,
    network::{DroNet, DroSolver, Iterations},
    patchmatch::{PatchMatchConfig, PatchMatchSolver},
    sequence::Neighbours,
    weights::Weights,
};

use crate::{
    device::{DeviceChoice, DeviceOptions},
    threads,
    values::{self, CouplingChoice, KernelsChoice, StartChoice},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerChoice {
    /// The learned optimizer, with --weights or the small weights that are bundled.
    Dro,
    /// The baseline without weights: random search on a census cost.
    Patchmatch,
}

/// How to solve.
#[derive(Debug, Args)]
pub struct Solve {
    /// Weights of the learned optimizer, made by `dro weights import` or by training [default: bundled small ones].
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What finds depth and poses.
    #[arg(long, value_enum, default_value_t = OptimizerChoice::Dro)]
    optimizer: OptimizerChoice,
    /// Neighbours of every frame: auto for the nearest before and after it that are far enough apart for depth to show (a
    /// parallax of 1.8 % of the width), or offsets such as 1,-1: 1 is the next image, -1 the one before. Frames at the ends use
    /// those they have.
    #[arg(long, value_name = "auto|OFFSETS", default_value_t = Neighbours::Auto, allow_hyphen_values = true)]
    pub neighbours: Neighbours,
    /// Height x width that images are brought to, rounded to what the optimizer accepts (multiples of 16 for dro)
    /// [default: that of the weights given; without --weights the images' own, at most 640 wide].
    #[arg(long, value_name = "HxW", value_parser = values::size)]
    size: Option<(usize, usize)>,
    /// Stages, m; any number from 0 [default: the weights' own].
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    stages: Option<usize>,
    /// Updates of depth and of poses per stage, n; any number from 0 [default: the weights' own].
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    inner: Option<usize>,
    /// What each block sees of the other [default: the weights' own].
    #[arg(long, value_enum)]
    coupling: Option<CouplingChoice>,
    /// Where the learned optimizer starts [default: the weights' own].
    #[arg(long, value_enum)]
    start: Option<StartChoice>,
    #[command(flatten)]
    on: DeviceOptions,
    /// What the learned optimizer computes with on a CPU [default: fast].
    #[arg(long, value_enum)]
    kernels: Option<KernelsChoice>,
    /// Threads to use [default: one per core, or RAYON_NUM_THREADS].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Seed of the search without weights, also where the learned optimizer starts by it, and of the demo's room.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// No progress bar and no closing text.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A solver and the size it likes, if one.
pub struct Chosen<S: ?Sized = dyn Solver> {
    pub solver: Box<S>,
    size: Option<(usize, usize)>,
    pub about: serde_json::Value,
}

impl Solve {
    pub fn solver(&self) -> Result<Chosen> {
        self.set_threads()?;
        match (self.optimizer, &self.weights) {
            (OptimizerChoice::Patchmatch, Some(path)) => {
                bail!("--weights: expected none with --optimizer patchmatch, found {}", path.display())
            }
            (OptimizerChoice::Patchmatch, None) => self.patchmatch(),
            (OptimizerChoice::Dro, _) => {
                let Chosen { solver, size, about } = self.dro()?;
                Ok(Chosen { solver, size, about })
            }
        }
    }

    fn set_threads(&self) -> Result<()> {
        if self.threads.is_some() { threads::set(self.threads) } else { Ok(()) }
    }

    /// The learned optimizer, for what looks inside it.
    pub fn learned(&self) -> Result<Chosen<DroSolver>> {
        self.set_threads()?;
        match self.optimizer {
            OptimizerChoice::Dro => self.dro(),
            OptimizerChoice::Patchmatch => bail!("--optimizer: expected dro, found patchmatch"),
        }
    }

    fn patchmatch(&self) -> Result<Chosen> {
        // Refused rather than ignored: these are about the network.
        let given = [
            ("--inner", self.inner.is_some()),
            ("--coupling", self.coupling.is_some()),
            ("--start", self.start.is_some()),
            ("--device", self.on.device != DeviceChoice::Cpu),
            ("--precision", self.on.precision.is_some()),
            ("--kernels", self.kernels.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            bail!("{name}: expected only with --optimizer dro, found it with patchmatch");
        }
        let own = PatchMatchConfig::default();
        let stages = self.stages.unwrap_or(own.stages);
        let config = PatchMatchConfig { seed: self.seed, stages, ..own };
        let about = serde_json::json!({ "optimizer": "patchmatch", "patchmatch": config });
        Ok(Chosen { solver: Box::new(PatchMatchSolver::new(config)?), size: None, about })
    }

    fn dro(&self) -> Result<Chosen<DroSolver>> {
        let device = self.on.open()?;
        select_kernels(self.kernels.unwrap_or(KernelsChoice::Fast).into());
        let weights = match &self.weights {
            Some(path) => Weights::load_network(path)?,
            None => Weights::bundled()?,
        };
        let net = DroNet::new(&weights.config, weights.var_builder(&device))?;
        let search = PatchMatchConfig { seed: self.seed, ..PatchMatchConfig::default() };
        let mut solver = DroSolver::new(net, device)?.with_search(PatchMatchSolver::new(search)?);
        let own = solver.iterations();
        solver = solver.with_iterations(Iterations {
            stages: self.stages.unwrap_or(own.stages),
            inner: self.inner.unwrap_or(own.inner),
        });
        if let Some(coupling) = self.coupling {
            solver = solver.with_coupling(coupling.into());
        }
        if let Some(start) = self.start {
            solver = solver.with_start(start.into());
        }
        let about = serde_json::json!({
            "optimizer": "dro",
            "weights": self.weights.as_ref().map_or("bundled".into(), |path| path.to_string_lossy()),
            "network": weights.config,
            "stages": solver.iterations().stages,
            "inner": solver.iterations().inner,
            "coupling": solver.coupling(),
            "start": solver.start(),
            "seed": self.seed,
            "device": self.on.device.to_string(),
        });
        // Start values of heads fit the shape of image they were trained on; the bundled network starts by search, which takes any.
        let size = self.weights.is_some().then_some(weights.config.image_size);
        Ok(Chosen { solver: Box::new(solver), size, about })
    }

    /// The size that was asked for, or else the one the solver likes; none is left to the images.
    pub fn size<S: ?Sized>(&self, chosen: &Chosen<S>) -> Option<(usize, usize)> {
        self.size.or(chosen.size)
    }
}
