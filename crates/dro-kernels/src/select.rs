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

/// How products of f32 are computed on a CUDA device. On a CPU they always have all digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// With all 24 bits of their factors.
    #[default]
    Float32,
    /// Factors rounded to TF32 (11 bits), sums in f32: faster on cards with tensor cores (compute capability 8.0 on).
    Tf32,
}

/// Selects the precision of matrix products and cuDNN's convolutions for the whole process; [`Precision::Float32`] until
/// this is called.
pub fn select_precision(precision: Precision) {
    candle_core::cuda::set_gemm_reduced_precision_f32(precision == Precision::Tf32);
}

/// Whether the fast kernels run.
pub(crate) fn fast() -> bool {
    kernels() == Kernels::Fast
}
