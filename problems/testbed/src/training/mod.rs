//! What the bundled weights of the recurrent search are trained on, and how a roll-out is scored.
//!
//! Tasks are generated ([`GeneratedTask`]); the functions that searches are compared on (BBOB, and those of Chen et al.)
//! are never among them.

mod generated;
mod recurrent;

pub use generated::{GeneratedTask, Landscape};
pub use recurrent::{Recurrent, RecurrentTasks};
