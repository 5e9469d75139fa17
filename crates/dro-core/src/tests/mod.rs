//! What the driver promises, whatever the cost and the optimizer.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cells;
mod driver;
mod schedule;
mod search_laws;
mod search_progress;
