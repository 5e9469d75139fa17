//! Which implementation runs.

use std::sync::atomic::{AtomicBool, Ordering};

/// The implementation behind this crate's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kernels {
    /// The kernels of this crate, where there is one for the type and device.
    #[default]
    Fast,
    /// Compositions of candle's own operations everywhere.
    Reference,
}

// A process has one answer: it is set by the command line before anything runs.
static REFERENCE: AtomicBool = AtomicBool::new(false);

/// Selects the implementation for the whole process; [`Kernels::Fast`] until this is called.
pub fn select_kernels(kernels: Kernels) {
    REFERENCE.store(kernels == Kernels::Reference, Ordering::Relaxed);
}

/// The implementation that runs.
pub fn kernels() -> Kernels {
    if REFERENCE.load(Ordering::Relaxed) { Kernels::Reference } else { Kernels::Fast }
}

/// Whether the fast kernels run.
pub(crate) fn fast() -> bool {
    kernels() == Kernels::Fast
}
