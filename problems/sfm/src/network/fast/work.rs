//! Working memory that is reused from call to call.

use std::sync::{Mutex, PoisonError};

use candle_core::Result;
use dro_core::cells::{GruWork, MapView, PreparedConv, Scratch};

/// Memory that keeps its size: what is asked for next time is usually there.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// Room for `len` numbers, whose values are whatever was there.
    pub(super) fn room(&mut self, len: usize) -> &mut [f32] {
        if self.memory.len() < len {
            self.memory.resize(len, 0.0);
        }
        self.len = len;
        &mut self.memory[..len]
    }

    /// What was last asked for.
    pub(super) fn values(&self) -> &[f32] {
        &self.memory[..self.len]
    }
}

/// Everything that one forward at a time needs besides its results.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) maps: [Buffer; 5],
    pub(super) gru: GruWork,
    pub(super) scratch: Scratch,
}

/// The convolution of one map `[in, height, width]` into `out`; gives the result's height and width.
pub(super) fn apply(
    conv: &PreparedConv,
    inputs: &[&[f32]],
    size: (usize, usize),
    add: Option<&[f32]>,
    out: &mut Buffer,
    scratch: &mut Scratch,
) -> Result<(usize, usize)> {
    let (height, width) = conv.output_size(size)?;
    run(conv, inputs, size, add, out.room(conv.outputs() * height * width), scratch)?;
    Ok((height, width))
}

/// [`apply`] into memory of the right size.
pub(super) fn run(
    conv: &PreparedConv,
    inputs: &[&[f32]],
    size: (usize, usize),
    add: Option<&[f32]>,
    out: &mut [f32],
    scratch: &mut Scratch,
) -> Result<()> {
    // No layer reads more than two maps.
    match inputs {
        [one] => conv.run(&[view(one, size)?], add, out, scratch),
        [one, two] => conv.run(&[view(one, size)?, view(two, size)?], add, out, scratch),
        _ => candle_core::bail!("convolution: expected one or two maps, found {}", inputs.len()),
    }
}

fn view(x: &[f32], (height, width): (usize, usize)) -> Result<MapView<'_>> {
    MapView::new(x, [1, x.len() / (height * width).max(1), height, width])
}

/// Working memories for any number of forwards at once: a network that solves one problem at a time has one.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Work>>);

impl Pool {
    /// Lends a working memory.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Work) -> R) -> R {
        // A panic elsewhere leaves the list whole: it is only pushed to and popped from.
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut work = taken.unwrap_or_default();
        let result = f(&mut work);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        result
    }
}
