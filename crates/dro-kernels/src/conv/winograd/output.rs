//! Aᵀ m A of the products of one panel, and their way to memory.

use super::Axis;
use super::points::MAX;
use super::shuffle::{PART, load_rows, store_pixels};
use crate::conv::engine::{IMAGES, Outputs};
use crate::simd::{MAX_COLUMNS, Simd, block_of};

/// Memory of [`store_outputs`]: kept from call to call, because clearing it would take as long as the transform.
pub(in crate::conv) struct Buffers {
    /// By output of the tile, by lane.
    lanes: [[f32; MAX_COLUMNS]; MAX * MAX],
    /// One row of pixels of all lanes.
    line: [f32; MAX_COLUMNS * MAX],
}

impl Buffers {
    pub const fn new() -> Self {
        Self { lanes: [[0.0; MAX_COLUMNS]; MAX * MAX], line: [0.0; MAX_COLUMNS * MAX] }
    }
}

/// Transforms the products `[points, rows, lanes]` of one panel and stores the channels `first..first + rows`.
///
/// `slabs[image]` holds those channels and more: the channels from `outputs.first_channel` on.
#[inline(always)]
pub(in crate::conv) fn store_outputs<S: Simd, Y: Axis, X: Axis>(
    simd: S,
    outputs: &Outputs,
    products: &[f32],
    channel: usize,
    slabs: &mut [&mut [f32]; IMAGES],
    buffers: &mut Buffers,
) {
    let block = block_of::<S>();
    let (height, width) = (outputs.shape.out_height, outputs.shape.out_width);
    let Buffers { lanes, line } = buffers;
    for row in 0..block.rows.min(outputs.shape.outputs - channel) {
        let channel = channel + row;
        // Without filtering, the products are the sums already.
        let plain = Y::POINTS * X::POINTS == 1;
        for at in 0..if plain { 0 } else { outputs.used.div_ceil(S::F32_LANES) } {
            inverse::<S, Y, X>(simd, &products[row * block.columns..], lanes, at);
        }
        let bias = outputs.epilogue.bias.map_or(0.0, |bias| bias[channel]);
        for i in 0..Y::OUTPUTS {
            let line = if plain {
                &products[row * block.columns..][..block.columns]
            } else {
                interleave::<S, X>(simd, &lanes[i * X::OUTPUTS..], outputs.used, line);
                &line[..]
            };
            for run in outputs.runs.iter() {
                let (y, x) = (run.y + i, run.x);
                if y >= height {
                    continue;
                }
                let count = (run.length * X::OUTPUTS).min(width - x);
                let start = (channel - outputs.first_channel) * height * width + y * width + x;
                let out = &mut slabs[run.image][start..start + count];
                let sums = &line[run.lane * X::OUTPUTS..][..count];
                let add = outputs.add(run.image, channel, y * width + x, count);
                outputs.epilogue.store(simd, sums, bias, add, out);
            }
        }
    }
}

/// Aᵀ m A of the tiles in vector `at` of the row at the start of `products`; `lanes` is `[Y::OUTPUTS, X::OUTPUTS, lanes]`.
#[inline(always)]
fn inverse<S: Simd, Y: Axis, X: Axis>(
    simd: S,
    products: &[f32],
    lanes: &mut [[f32; MAX_COLUMNS]; MAX * MAX],
    at: usize,
) {
    let block = block_of::<S>();
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; MAX]; MAX];
    for j in 0..X::POINTS {
        let mut m = [zero; MAX];
        for i in 0..Y::POINTS {
            let start = (i * X::POINTS + j) * block.rows * block.columns;
            m[i] = S::as_simd_f32s(&products[start..start + block.columns]).0[at];
        }
        let y = Y::output(simd, m);
        for i in 0..Y::OUTPUTS {
            columns[i][j] = y[i];
        }
    }
    for i in 0..Y::OUTPUTS {
        let y = X::output(simd, columns[i]);
        for j in 0..X::OUTPUTS {
            S::as_mut_simd_f32s(&mut lanes[i * X::OUTPUTS + j]).0[at] = y[j];
        }
    }
}

/// `line[t·OUTPUTS + j] = lanes[j][t]`: the outputs of the tiles beside each other.
#[inline(always)]
fn interleave<S: Simd, X: Axis>(
    simd: S,
    lanes: &[[f32; MAX_COLUMNS]],
    used: usize,
    line: &mut [f32; MAX_COLUMNS * MAX],
) {
    if X::OUTPUTS == 1 {
        line[..MAX_COLUMNS].copy_from_slice(&lanes[0]);
        return;
    }
    for at in 0..used.div_ceil(S::F32_LANES) {
        let tiles = load_rows(simd, lanes, X::OUTPUTS, at);
        let line = &mut line[at * X::OUTPUTS * S::F32_LANES..];
        // From the last part on, because it is filled up with zeros that reach into the next tile.
        if X::OUTPUTS > PART {
            store_pixels(simd, [tiles[4], tiles[5], tiles[6], tiles[7]], line, X::OUTPUTS, PART);
        }
        store_pixels(simd, [tiles[0], tiles[1], tiles[2], tiles[3]], line, X::OUTPUTS, 0);
    }
}
