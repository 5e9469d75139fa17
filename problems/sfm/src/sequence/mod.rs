//! From windows to one trajectory: a consistent scale, fused points.

mod chain;
mod fuse;
mod ratio;
mod windows;

pub use chain::{Chain, ChainOptions, FrameEstimate, Link, chain};
pub use fuse::{FuseOptions, PosedFrame, fuse};
pub use ratio::Ratio;
pub use windows::{Window, windows};

#[cfg(test)]
mod tests;
