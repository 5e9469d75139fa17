//! Where a search works while it makes a step.

use std::cell::Cell;

use super::{candidates::Pool, memory::Rebuild};

/// Room that holds nothing from one step to the next: a thread has one for all its searches, so that a fleet's searches
/// do not push one another out of the cache.
#[derive(Debug, Default)]
pub struct Desk {
    pub pool: Pool,
    pub rebuild: Rebuild,
    /// One whitened point.
    pub z: Vec<f64>,
    pub points: Vec<f64>,
    pub distances: Vec<(f64, usize)>,
    pub order: Vec<usize>,
}

impl Desk {
    /// Calls `work` with this thread's desk.
    pub fn with<R>(work: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static DESK: Cell<Option<Box<Desk>>> = const { Cell::new(None) };
        }
        let mut desk = DESK.take().unwrap_or_default();
        let result = work(&mut desk);
        DESK.set(Some(desk));
        result
    }
}
