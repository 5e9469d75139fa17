//! `dro weights`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use candle_core::DType;
use clap::{Args, Subcommand};
use dro_sfm::weights::{ImportOverrides, Weights as Network, import_checkpoint, summary};

use crate::{Outcome, print, values};

#[derive(Debug, Subcommand)]
pub enum Weights {
    /// Turn a published PyTorch checkpoint (.ckpt, .pth) into safetensors. Nothing in it is executed.
    Import(Import),
    /// Configuration, parameters per sub-network and tensors of a weights file or checkpoint.
    Show {
        /// A .safetensors, .ckpt or .pth file.
        file: PathBuf,
    },
    /// Weights between two others of the same network, such as before and after fine-tuning.
    Mix(Mix),
}

#[derive(Debug, Args)]
pub struct Mix {
    /// Weights, .safetensors.
    first: PathBuf,
    /// Others of the same network.
    second: PathBuf,
    /// The file to write, .safetensors.
    out: PathBuf,
    /// How much of the second, 0 to 1.
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    part: f64,
    /// Write 16-bit numbers, as trainings do: half the size.
    #[arg(long)]
    half: bool,
    /// Replace the output file if it is there.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The checkpoint.
    checkpoint: PathBuf,
    /// The file to write, .safetensors.
    out: PathBuf,
    /// The network's version string, such as it12-h-out [default: the checkpoint's].
    #[arg(long, value_name = "STRING")]
    model_version: Option<String>,
    /// Smallest depth in metres [default: the checkpoint's].
    #[arg(long, value_name = "METRES", value_parser = values::positive)]
    min_depth: Option<f64>,
    /// Largest depth in metres [default: the checkpoint's].
    #[arg(long, value_name = "METRES", value_parser = values::positive)]
    max_depth: Option<f64>,
    /// Image size that the network was trained for [default: the checkpoint's].
    #[arg(long, value_name = "HxW", value_parser = values::size)]
    size: Option<(usize, usize)>,
    /// Replace the output file if it is there.
    #[arg(long)]
    overwrite: bool,
}

impl Weights {
    pub fn execute(self) -> Result<Outcome> {
        match self {
            Self::Import(import) => import.execute(),
            Self::Mix(mix) => mix.execute(),
            Self::Show { file } => {
                print(summary(file)?.to_string().trim_end())?;
                Ok(Outcome::Done)
            }
        }
    }
}

impl Import {
    fn execute(self) -> Result<Outcome> {
        is_new(&self.out, self.overwrite)?;
        let overrides = ImportOverrides {
            version: self.model_version,
            min_depth_m: self.min_depth,
            max_depth_m: self.max_depth,
            image_size: self.size,
        };
        let (weights, report) = import_checkpoint(&self.checkpoint, &overrides)?;
        weights.save(&self.out)?;
        print(format_args!("{report}\nwritten: {}", self.out.display()))?;
        Ok(Outcome::Done)
    }
}

impl Mix {
    fn execute(self) -> Result<Outcome> {
        is_new(&self.out, self.overwrite)?;
        let (first, second) = (Network::load_network(&self.first)?, Network::load_network(&self.second)?);
        let kind = if self.half { DType::F16 } else { DType::F32 };
        first.mixed(&second, self.part)?.save_as(&self.out, kind)?;
        print(format_args!("written: {}", self.out.display()))?;
        Ok(Outcome::Done)
    }
}

fn is_new(out: &Path, overwrite: bool) -> Result<()> {
    if out.exists() && !overwrite {
        bail!("{}: expected a new file, or --overwrite, found one", out.display());
    }
    Ok(())
}
