//! A small generated room, for the demo and tests.
//!
//! Everything in it follows from a seed, so that anyone can make the same pictures, and depth and poses are exact.

mod path;
mod render;
mod room;
mod shape;
mod texture;
mod write;

pub use path::hand_held_path;
pub use render::Rendering;
pub use room::Room;
pub use write::write_sequence;

#[cfg(test)]
mod tests;
