//! Which implementation runs.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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

/// How products of f32 are computed on a CUDA device. Sums are in f32 always.
///
/// On a CPU [`conv2d`](crate::conv2d) rounds its factors (and for bf16 its result) alike, which is slow but shows the error
/// where there is no card; everything else has all digits there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Precision {
    /// With all 24 bits of their factors.
    #[default]
    Float32,
    /// Factors rounded to TF32 (11 bits): faster on cards with tensor cores (compute capability 8.0 on).
    Tf32,
    /// Convolutions read and write bf16 (8 bits), which halves their traffic; matrix products are as with TF32.
    Bf16,
}

static PRECISION: AtomicU8 = AtomicU8::new(Precision::Float32 as u8);

/// Selects the precision of matrix products and cuDNN's convolutions for the whole process; [`Precision::Float32`] until
/// this is called.
pub fn select_precision(precision: Precision) {
    candle_core::cuda::set_gemm_reduced_precision_f32(precision != Precision::Float32);
    PRECISION.store(precision as u8, Ordering::Relaxed);
}

/// The precision that was selected.
pub fn precision() -> Precision {
    let is = |precision: &Precision| *precision as u8 == PRECISION.load(Ordering::Relaxed);
    [Precision::Tf32, Precision::Bf16].into_iter().find(is).unwrap_or_default()
}

/// Whether the fast kernels run.
pub(crate) fn fast() -> bool {
    kernels() == Kernels::Fast
}
