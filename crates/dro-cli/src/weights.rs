//! `dro weights`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use dro_sfm::weights::{ImportOverrides, import_checkpoint, summary};

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
            Self::Show { file } => {
                print(summary(file)?.to_string().trim_end())?;
                Ok(Outcome::Done)
            }
        }
    }
}

impl Import {
    fn execute(self) -> Result<Outcome> {
        if self.out.exists() && !self.overwrite {
            bail!("{}: expected a new file, or --overwrite, found one", self.out.display());
        }
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
