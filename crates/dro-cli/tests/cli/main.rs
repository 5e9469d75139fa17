//! The command line as users call it: what it writes, what it says, and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ablate;
mod arguments;
mod bench;
mod camera;
mod eval;
mod fixture;
mod images;
mod interrupt;
mod kernels;
mod layouts;
mod minimize;
mod names;
mod outputs;
mod overwrite;
mod readme;
mod sfm_train;
mod train;
mod video;
mod weights;
