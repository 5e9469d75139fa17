//! From windows to one trajectory: a consistent scale, fused points.

mod average;
mod chain;
mod fuse;
mod fuse_depth;
mod neighbours;
mod posed;
mod ratio;
mod selection;
mod windows;

pub use chain::{Chain, ChainOptions, FrameEstimate, Link, chain};
pub use fuse::{FuseOptions, fuse};
pub use fuse_depth::{DepthFusionOptions, fuse_depth};
pub use neighbours::Neighbours;
pub use posed::PosedFrame;
pub use ratio::Ratio;
pub(crate) use selection::{Overlap, REACH, connect, select};
pub use windows::{Window, windows};

#[cfg(test)]
mod tests;
