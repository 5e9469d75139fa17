//! Implicit matrix product: the patches under the kernel become the rows of a panel, for any kernel and stride.
//!
//! The panel of one block of pixels is the only part of the unrolled input that ever exists.

use super::shapes::ConvShape;
use super::source::Source;
use super::tiles::{PACK, Runs};
use super::weights::Weights;
use crate::simd::{Simd, block_of};

/// Writes the patches of the pixels of `runs` to panels: each is `[inputs · kernel height · kernel width, lanes]`.
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
    let mut lanes = [0f32; PACK];
    let mut start = 0;
    for channel in 0..shape.inputs {
        for ky in 0..kernel_height {
            for kx in 0..kernel_width {
                for run in runs.iter() {
                    let plane = source.plane(run.image, channel);
                    let y = (run.y * stride + ky) as isize - shape.geometry.pad_y as isize;
                    let x = (run.x * stride + kx) as isize - shape.geometry.pad_x as isize;
                    let lanes = &mut lanes[run.lane..run.lane + run.length];
                    source.copy_row_strided(plane, y, x, stride, lanes);
                }
                for (panel, lanes) in panels.chunks_exact_mut(panel_size).zip(lanes.chunks_exact(columns)) {
                    panel[start..start + columns].copy_from_slice(lanes);
                }
                start += columns;
            }
        }
    }
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
