//! `--device cpu|cuda:N` and `--precision`.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use candle_core::Device;
use clap::{Args, ValueEnum};
use dro_core::{Precision, select_precision};

/// Where to compute, and how exactly.
#[derive(Debug, Clone, Copy, Args)]
pub struct DeviceOptions {
    /// Where the learned optimizer computes: cpu, cuda or cuda:N.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    pub device: DeviceChoice,
    /// How a CUDA device multiplies [default: float32].
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionChoice>,
}

/// `--precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionChoice {
    /// With all digits of float32.
    Float32,
    /// Factors are rounded to TF32: faster on cards with tensor cores.
    Tf32,
    /// Convolutions read and write bf16 (8 bits) and add in float32: half the traffic, rougher than TF32.
    Bf16,
}

impl DeviceOptions {
    /// Opens the device and selects the precision, or says what failed.
    pub fn open(self) -> Result<Device> {
        if self.precision.is_some() && self.device == DeviceChoice::Cpu {
            bail!("--precision: expected only with --device cuda:N, found it with cpu");
        }
        let device = self.device.open()?;
        select_precision(match self.precision {
            Some(PrecisionChoice::Tf32) => Precision::Tf32,
            Some(PrecisionChoice::Bf16) => Precision::Bf16,
            Some(PrecisionChoice::Float32) | None => Precision::Float32,
        });
        Ok(device)
    }
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => index
                .parse()
                .map(Self::Cuda)
                .map_err(|_| format!("expected cuda:N with a number N, found {text:?}")),
            _ => Err(format!("expected cpu or cuda:N, found {text:?}")),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                bail!(
                    "--device {self}: expected a build with CUDA (cargo build --release --features cudnn), found one without"
                )
            }
            Self::Cuda(index) => Device::new_cuda(index).with_context(|| format!("--device {self}")),
        }
    }
}
