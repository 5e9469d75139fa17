//! The gradient for the weight through minimal filtering.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::channels_last::ChannelsLast;
use crate::conv::Scratch;
use crate::conv::shapes::ConvShape;
use crate::conv::tiles::Tiling;
use crate::conv::winograd::{Axis, OfGradients, OfInputs, TOGETHER, pack_tiles, store_weight_gradient};
use crate::simd::micro_kernel::{Strided, add_product};
use crate::simd::{Arch, Block, Simd, WithSimd, block, block_of};

/// Tiles that one thread transforms at once.
const PORTION: usize = 16;

/// Numbers in the transformed tiles of one band: 16 MB, so that large maps do not need memory in proportion.
const BAND: usize = 4 << 20;

/// [`weight::grad_weight`](super::weight::grad_weight) for stride 1 and the kernel of `Y` and `X`.
pub(super) fn grad_weight<Y: Axis, X: Axis>(
    arch: Arch,
    shape: &ConvShape,
    x: &[f32],
    grad: &[f32],
) -> Vec<f32> {
    let taps = Y::TAPS * X::TAPS;
    let mut out = vec![0f32; shape.outputs * shape.inputs * taps];
    let tiling = Tiling::new(shape, shape.batch, (Y::OUTPUTS, X::OUTPUTS));
    if !out.is_empty() && tiling.count() > 0 {
        Scratch::with_thread_local(|scratch| {
            fill::<Y, X>(arch, shape, &tiling, [x, grad], &mut out, &mut scratch.memory);
        });
    }
    out
}

fn fill<Y: Axis, X: Axis>(
    arch: Arch,
    shape: &ConvShape,
    tiling: &Tiling,
    [x, grad]: [&[f32]; 2],
    out: &mut [f32],
    memory: &mut Vec<f32>,
) {
    let block = block(arch);
    let Block { rows, columns } = block;
    let taps = Y::TAPS * X::TAPS;
    let size = (tiling.grid.0 * Y::OUTPUTS, tiling.grid.1 * X::OUTPUTS);
    let frame = (size.0 + Y::TAPS - 1, size.1 + X::TAPS - 1);
    let padding = (shape.geometry.pad_y, shape.geometry.pad_x);
    let inputs = shape.inputs.next_multiple_of(columns);
    // Whole blocks of rows for the product and whole vectors for the transform.
    let outputs = shape.outputs.next_multiple_of(rows).next_multiple_of(columns);
    let x = ChannelsLast::new(x, [shape.inputs, shape.height, shape.width], inputs, frame, padding);
    let grad =
        ChannelsLast::new(grad, [shape.outputs, shape.out_height, shape.out_width], outputs, size, (0, 0));

    let points = Y::POINTS * X::POINTS;
    let blocks = shape.outputs.div_ceil(rows);
    // [points, blocks of outputs, blocks of inputs, rows, columns]
    let sums_size = points * blocks * rows * inputs;
    let band = (BAND / (points * (inputs + outputs))).next_multiple_of(PORTION).max(PORTION);
    let band = band.min(tiling.count());
    let size = sums_size + points * band * (inputs + outputs);
    if memory.len() < size {
        memory.resize(size, 0.0);
    }
    let (sums, tiles) = memory.split_at_mut(sums_size);
    let (x_tiles, grad_tiles) = tiles.split_at_mut(points * band * inputs);
    let group = blocks.div_ceil((4 * rayon::current_num_threads()).div_ceil(points));
    for first in (0..tiling.count()).step_by(band) {
        let tiles = band.min(tiling.count() - first);
        let x_tiles = &mut x_tiles[..points * tiles * inputs];
        let grad_tiles = &mut grad_tiles[..points * tiles * outputs];
        transform::<Y, X>(arch, &x, tiling, first, x_tiles, false);
        transform::<Y, X>(arch, &grad, tiling, first, grad_tiles, true);
        let (x_tiles, grad_tiles) = (&*x_tiles, &*grad_tiles);
        sums.par_chunks_mut(blocks * rows * inputs).enumerate().for_each(|(point, sums)| {
            sums.par_chunks_mut(group * rows * inputs).enumerate().for_each(|(i, sums)| {
                let first_output = i * group * rows;
                arch.dispatch(Product {
                    point,
                    points,
                    tiles,
                    x: x_tiles,
                    inputs,
                    used: shape.inputs,
                    grad: grad_tiles,
                    outputs,
                    first_output,
                    is_first: first == 0,
                    sums,
                });
            });
        });
    }
    let sums = &*sums;
    out.par_chunks_mut(shape.inputs * taps).enumerate().for_each(|(output, out)| {
        let row = output / rows * rows * inputs + output % rows * columns;
        let (sums, stride) = (&sums[row..], blocks * rows * inputs);
        arch.dispatch(Finish::<Y, X> { sums, stride, block, out, axes: PhantomData });
    });
}

/// Transforms tiles to `[portions, points, tiles of the portion, channels]`.
fn transform<Y: Axis, X: Axis>(
    arch: Arch,
    maps: &ChannelsLast,
    tiling: &Tiling,
    first: usize,
    out: &mut [f32],
    is_gradient: bool,
) {
    let size = Y::POINTS * X::POINTS * PORTION * maps.channels;
    out.par_chunks_mut(size).enumerate().for_each(|(i, out)| {
        let first = first + i * PORTION;
        arch.dispatch(Transform::<Y, X> { maps, tiling, first, out, is_gradient, axes: PhantomData });
    });
}

struct Transform<'a, Y, X> {
    maps: &'a ChannelsLast,
    tiling: &'a Tiling,
    first: usize,
    out: &'a mut [f32],
    is_gradient: bool,
    axes: PhantomData<(Y, X)>,
}

impl<Y: Axis, X: Axis> WithSimd for Transform<'_, Y, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { maps, tiling, first, out, .. } = self;
        if self.is_gradient {
            pack_tiles::<S, Y, X, OfGradients>(simd, maps, tiling, first, out);
        } else {
            pack_tiles::<S, Y, X, OfInputs>(simd, maps, tiling, first, out);
        }
    }
}

/// The sums of one point for some blocks of outputs.
struct Product<'a> {
    point: usize,
    points: usize,
    tiles: usize,
    x: &'a [f32],
    inputs: usize,
    /// Inputs that are not padding.
    used: usize,
    grad: &'a [f32],
    outputs: usize,
    first_output: usize,
    /// Whether the sums begin with these tiles.
    is_first: bool,
    sums: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let block = block_of::<S>();
        if self.is_first {
            self.sums.fill(0.0);
        }
        for portion in (0..self.tiles).step_by(PORTION) {
            let depth = PORTION.min(self.tiles - portion);
            let x = &self.x[(portion * self.points + self.point * depth) * self.inputs..];
            let grad = &self.grad[(portion * self.points + self.point * depth) * self.outputs..];
            for (i, sums) in self.sums.chunks_exact_mut(block.rows * self.inputs).enumerate() {
                let a = &grad[self.first_output + i * block.rows..];
                let a = Strided { values: a, stride: self.outputs };
                for (j, c) in sums.chunks_exact_mut(block.rows * block.columns).enumerate() {
                    let first = j * block.columns;
                    let b = Strided { values: &x[first..], stride: self.inputs };
                    add_product(simd, depth, a, b, c, self.used - first);
                }
            }
        }
    }
}

/// The last transform, of one output.
struct Finish<'a, Y, X> {
    /// The sums of point 0 from the output's row on; those of the next point are `stride` further on.
    sums: &'a [f32],
    stride: usize,
    block: Block,
    out: &'a mut [f32],
    axes: PhantomData<(Y, X)>,
}

impl<Y: Axis, X: Axis> WithSimd for Finish<'_, Y, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (taps, Block { rows, columns }) = (Y::TAPS * X::TAPS, self.block);
        for (i, out) in self.out.chunks_mut(columns * taps).enumerate() {
            for (j, out) in out.chunks_mut(TOGETHER * taps).enumerate() {
                let sums = &self.sums[i * rows * columns + j * TOGETHER..];
                store_weight_gradient::<Y, X>(sums, self.stride, out);
            }
        }
    }
}
