//! G g Gᵀ of the weights, packed for the matrix product.

use super::Axis;
use super::points::MAX;
use crate::conv::weights::Weights;
use crate::simd::{MAX_ROWS, Simd, block_of};

/// Writes the transformed weights of the outputs from `first` on: `panel` is `[points, inputs, rows]`.
#[inline(always)]
pub(in crate::conv) fn transform_weights<S: Simd, Y: Axis, X: Axis>(
    _: S,
    weights: &Weights,
    first: usize,
    panel: &mut [f32],
) {
    let rows = block_of::<S>().rows;
    // By tap: the outputs of the block stand side by side. What is beyond the last output stays 0.
    let mut taps = [[[0f32; MAX_ROWS]; MAX]; MAX];
    for channel in 0..weights.inputs {
        for row in 0..rows.min(weights.outputs - first) {
            for i in 0..Y::TAPS {
                for j in 0..X::TAPS {
                    taps[i][j][row] = weights.at(first + row, channel, i * X::TAPS + j);
                }
            }
        }
        for p in 0..Y::POINTS {
            let mut column = [[0f32; MAX_ROWS]; MAX];
            for j in 0..X::TAPS {
                for i in 0..Y::TAPS {
                    add_scaled(&mut column[j], Y::MATRICES.weight[p][i], &taps[i][j]);
                }
            }
            for q in 0..X::POINTS {
                let mut sum = [0f32; MAX_ROWS];
                for j in 0..X::TAPS {
                    add_scaled(&mut sum, X::MATRICES.weight[q][j], &column[j]);
                }
                let start = ((p * X::POINTS + q) * weights.inputs + channel) * rows;
                panel[start..start + rows].copy_from_slice(&sum[..rows]);
            }
        }
    }
}

#[inline(always)]
fn add_scaled(sum: &mut [f32; MAX_ROWS], factor: f32, x: &[f32; MAX_ROWS]) {
    if factor != 0.0 {
        for i in 0..MAX_ROWS {
            sum[i] += factor * x[i];
        }
    }
}
