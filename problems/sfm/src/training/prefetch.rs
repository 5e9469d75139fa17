//! The samples of the next step, made while this one is computed.

use std::{sync::Arc, thread::JoinHandle};

use super::{Phase, Source, source::Samples};
use crate::{Result, augment::AugmentConfig};

/// Samples in the making, on a thread of its own: a device need not wait for the CPU.
#[derive(Debug)]
pub(super) struct Prefetch {
    task: u64,
    phase: Phase,
    thread: JoinHandle<Result<Samples>>,
}

impl Prefetch {
    /// Begins; `None` if the system gives no thread.
    pub(super) fn begin(
        source: &Arc<Source>,
        augment: &AugmentConfig,
        task: u64,
        phase: Phase,
    ) -> Option<Self> {
        let (source, augment) = (source.clone(), augment.clone());
        let make = move || source.batch(task, phase.batch, phase.neighbours, phase.size, &augment);
        let thread = std::thread::Builder::new().name("samples".into()).spawn(make).ok()?;
        Some(Self { task, phase, thread })
    }

    /// The samples, if they are those of this task and phase, and nothing went wrong with the thread.
    pub(super) fn finish(self, task: u64, phase: &Phase) -> Option<Result<Samples>> {
        if (self.task, &self.phase) == (task, phase) { self.thread.join().ok() } else { None }
    }
}
