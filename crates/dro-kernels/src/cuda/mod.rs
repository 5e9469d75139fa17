//! Running kernels on an NVIDIA card.

mod launch;
mod ptx;

pub(crate) use launch::run;
