//! Generated scenes: a small room for the demo and tests, and an endless supply of scenes to train on.
//!
//! Everything in them follows from a seed, so that anyone can make the same pictures, and depth and poses are exact.

mod generate;
mod path;
mod render;
mod room;
mod shape;
mod texture;
mod world;
mod write;

pub use generate::{Generated, GeneratedConfig};
pub use path::hand_held_path;
pub use render::Rendering;
pub use room::Room;
pub use write::write_sequence;

#[cfg(test)]
mod tests;
