//! `--device cpu|cuda:N`.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use candle_core::Device;

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
    /// Opens the device, or says what failed.
    pub fn open(self) -> Result<Device> {
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
