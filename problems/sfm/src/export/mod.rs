//! Files a user takes away: depth, trajectories, point clouds, curves, pictures.
//!
//! Every file is written under a temporary name in its own folder and renamed when it is complete, so that no
//! half-written file ever stands under its final name.

mod atomic;
pub mod colmap;
pub mod curves;
pub mod depth;
pub mod grid;
pub mod picture;
mod plot;
pub mod points;
pub mod summary;
pub mod trajectory;
mod warp;

pub use atomic::write_atomically;
