//! Running kernels on an NVIDIA card.

#[cfg(feature = "cudnn")]
pub(crate) mod cudnn;
mod launch;
mod ptx;

pub(crate) use launch::run;
