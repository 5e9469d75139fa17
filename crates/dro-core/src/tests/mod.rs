//! What the driver promises, whatever the cost and the optimizer.
#![allow(clippy::unwrap_used, clippy::panic)]

mod allocations;
mod cells;
mod driver;
mod encoding;
mod fleet;
mod schedule;
mod search_blocks;
mod search_laws;
mod search_progress;
mod search_run;
