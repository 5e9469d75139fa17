//! Maps and working memory of the caller.

use std::cell::Cell;

use candle_core::{Result, bail};

use super::weights::Packed;

/// A map `[batch, channels, height, width]` in memory of the caller, row by row.
#[derive(Debug, Clone, Copy)]
pub struct MapView<'a> {
    values: &'a [f32],
    shape: [usize; 4],
}

impl<'a> MapView<'a> {
    /// `values` seen as `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// When there are not exactly as many values as the shape says.
    pub fn new(values: &'a [f32], shape: [usize; 4]) -> Result<Self> {
        if values.len() != shape.iter().product::<usize>() {
            bail!("MapView: expected the values of a map {shape:?}, found {} of them", values.len())
        }
        Ok(Self { values, shape })
    }

    /// The numbers, row by row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// `[batch, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }
}

/// Working memory of a convolution, reused from call to call; it grows to what the largest call needs.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) memory: Vec<f32>,
    /// Weights that are prepared at each call.
    pub(crate) weights: Packed,
}

impl Scratch {
    /// Empty; it grows at its first use.
    pub const fn new() -> Self {
        Self { memory: Vec::new(), weights: Packed::empty() }
    }

    /// Calls `f` with the scratch of this thread.
    ///
    /// While `f` waits for other threads, this thread may run another convolution: that one finds an empty scratch.
    pub(crate) fn with_thread_local<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch::new()) };
        }
        let mut scratch = SCRATCH.take();
        let result = f(&mut scratch);
        SCRATCH.set(scratch);
        result
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
