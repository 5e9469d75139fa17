//! Transformed weights that several calls share.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Algorithm,
    weights::{Packed, Weights},
};
use crate::simd::Arch;

/// What the kernels make of a weight before they use it, kept from one call of [`conv2d_shared`](super::conv2d_shared) to the
/// next, forwards and backwards. One belongs to one weight whose values do not change while it lives; in a training, make
/// new ones at every step.
///
/// Transforming costs as much as the convolution of a small map, and a recurrent network convolves with the same weights
/// at every update.
#[derive(Debug, Clone, Default)]
pub struct SharedWeights(Arc<[Slot; 2]>);

/// Nothing, until the first call has made it.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Option<Arc<Packed>>>);

impl SharedWeights {
    /// For the convolution.
    pub(super) fn forward(&self) -> &Slot {
        &self.0[0]
    }

    /// For its adjoint.
    pub(super) fn adjoint(&self) -> &Slot {
        &self.0[1]
    }
}

impl Slot {
    /// What was made before, or is made now: the way of the first map stays, which is right for any other, if not the quickest.
    ///
    /// Two threads may make it at the same time, and one is dropped: a thread that waited for the other while that one waits
    /// for threads to help it might wait for ever.
    pub(super) fn get(&self, arch: Arch, weights: &Weights, algorithm: Algorithm) -> Arc<Packed> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone();
        known.unwrap_or_else(|| {
            let packed = Arc::new(Packed::new(arch, weights, algorithm));
            lock().get_or_insert(packed).clone()
        })
    }
}
