//! Implicit matrix product: the patches under the kernel become the rows of a panel, for any kernel and stride.
//!
//! The panel of one block of pixels is the only part of the unrolled input that ever exists.

use super::shapes::ConvShape;
use super::source::Source;
use super::tiles::{PACK, Runs};
use super::weights::Weights;
use crate::simd::{Simd, block_of};

/// Taps that are copied from one reading of a row.
const TAPS: usize = 8;

/// Whole vectors are moved, and may reach beyond the last lane.
const SPILL: usize = 16;

/// Writes the patches of the pixels of `runs` to panels: each is `[inputs · kernel height · kernel width, lanes]`.
///
/// With stride s, the taps kx, kx + s, kx + 2s, … read every s-th pixel of a row: the same ones but for the first and
/// last few, so they are gathered once.
#[inline(always)]
pub(super) fn pack_patches<S: Simd>(
    _: S,
    source: &Source,
    shape: &ConvShape,
    runs: &Runs,
    panels: &mut [f32],
) {
    let (columns, (kernel_height, kernel_width)) = (block_of::<S>().columns, shape.kernel);
    let (stride, panel_size) = (shape.geometry.stride, shape.inputs * kernel_height * kernel_width * columns);
    let mut pixels = [0f32; PACK + TAPS + SPILL];
    let mut taps = [[0f32; PACK + SPILL]; TAPS];
    for row in 0..shape.inputs * kernel_height {
        let (channel, ky) = (row / kernel_height, row % kernel_height);
        for first in first_taps(kernel_width, stride) {
            let count = (kernel_width - first).div_ceil(stride).min(TAPS);
            for run in runs.iter() {
                let plane = source.plane(run.image, channel);
                let y = (run.y * stride + ky) as isize - shape.geometry.pad_y as isize;
                let x = (run.x * stride + first) as isize - shape.geometry.pad_x as isize;
                source.copy_row_strided(plane, y, x, stride, &mut pixels[..run.length + count - 1]);
                for (i, taps) in taps[..count].iter_mut().enumerate() {
                    for lane in (0..run.length).step_by(S::F32_LANES) {
                        let vector = S::as_simd_f32s(&pixels[i + lane..]).0[0];
                        S::as_mut_simd_f32s(&mut taps[run.lane + lane..]).0[0] = vector;
                    }
                }
            }
            for (i, taps) in taps[..count].iter().enumerate() {
                let start = (row * kernel_width + first + i * stride) * columns;
                for (panel, lanes) in panels.chunks_exact_mut(panel_size).zip(taps.chunks_exact(columns)) {
                    panel[start..start + columns].copy_from_slice(lanes);
                }
            }
        }
    }
}

/// The first one of each group of at most [`TAPS`] taps that are `stride` apart.
fn first_taps(kernel_width: usize, stride: usize) -> impl Iterator<Item = usize> {
    (0..stride.min(kernel_width)).flat_map(move |phase| (phase..kernel_width).step_by(TAPS * stride))
}

/// Writes the weights of the outputs from `first` on: `panel` is `[inputs · taps, rows]`.
#[inline(always)]
pub(super) fn pack_weights<S: Simd>(_: S, weights: &Weights, first: usize, panel: &mut [f32]) {
    let rows = block_of::<S>().rows;
    let mut places = panel.chunks_exact_mut(rows);
    for channel in 0..weights.inputs {
        for tap in 0..weights.taps {
            let Some(place) = places.next() else { return };
            for (row, out) in place.iter_mut().enumerate() {
                let output = first + row;
                *out = if output < weights.outputs { weights.at(output, channel, tap) } else { 0.0 };
            }
        }
    }
}
