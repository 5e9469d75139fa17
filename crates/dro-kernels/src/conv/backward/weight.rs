//! The gradient for the weight, for any kernel and stride.

use rayon::prelude::*;

use super::channels_last::ChannelsLast;
use crate::conv::shapes::ConvShape;
use crate::simd::micro_kernel::{Strided, add_product};
use crate::simd::{Arch, Block, Simd, WithSimd, block, block_of};

/// `dw[o, i, tap] = Σ_{n, y, x} grad[n, o, y, x] · x[n, i, y·stride + ky − pad_y, x·stride + kx − pad_x]`.
///
/// One matrix product per tap, summed over pixels. With channels last, a row of pixels is an operand as it lies in
/// memory, so that no patches are copied.
pub(super) fn grad_weight(arch: Arch, shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let Block { rows, columns } = block(arch);
    let (padding, stride) = ((shape.geometry.pad_y, shape.geometry.pad_x), shape.geometry.stride);
    let taps = shape.kernel.0 * shape.kernel.1;
    let mut out = vec![0f32; shape.outputs * shape.inputs * taps];
    if out.is_empty() || shape.batch * shape.out_plane() == 0 {
        return out;
    }
    let frame =
        ((shape.out_height - 1) * stride + shape.kernel.0, (shape.out_width - 1) * stride + shape.kernel.1);
    let inputs = shape.inputs.next_multiple_of(columns);
    let outputs = shape.outputs.next_multiple_of(rows);
    let x = ChannelsLast::new(x, [shape.inputs, shape.height, shape.width], inputs, frame, padding);
    let size = (shape.out_height, shape.out_width);
    let grad = ChannelsLast::new(grad, [shape.outputs, size.0, size.1], outputs, size, (0, 0));
    // [taps, blocks of outputs, blocks of inputs, rows, columns]
    let mut products = vec![0f32; taps * outputs * inputs];
    // Several tasks per thread.
    let tasks = 4 * rayon::current_num_threads();
    let group = (outputs / rows).div_ceil(tasks.div_ceil(taps));
    products.par_chunks_mut(outputs * inputs).enumerate().for_each(|(tap, products)| {
        products.par_chunks_mut(group * rows * inputs).enumerate().for_each(|(i, products)| {
            arch.dispatch(Tap { shape, x: &x, grad: &grad, tap, first_output: i * group * rows, products });
        });
    });
    out.par_chunks_mut(shape.inputs * taps).enumerate().for_each(|(output, out)| {
        for (tap, products) in products.chunks_exact(outputs * inputs).enumerate() {
            let row = &products[output / rows * rows * inputs..][..rows * inputs];
            for (input, out) in out.chunks_exact_mut(taps).enumerate() {
                let place = (input / columns * rows + output % rows) * columns + input % columns;
                out[tap] = row[place];
            }
        }
    });
    out
}

/// The sums of one tap for some blocks of outputs.
struct Tap<'a> {
    shape: &'a ConvShape,
    x: &'a ChannelsLast,
    grad: &'a ChannelsLast,
    tap: usize,
    first_output: usize,
    products: &'a mut [f32],
}

impl WithSimd for Tap<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, x, grad, .. } = self;
        let block = block_of::<S>();
        let (ky, kx) = (self.tap / shape.kernel.1, self.tap % shape.kernel.1);
        let stride = shape.geometry.stride;
        for image in 0..shape.batch {
            for y in 0..shape.out_height {
                let a = grad.pixels_from(image, y, 0);
                let b = x.pixels_from(image, y * stride + ky, kx);
                for (i, products) in self.products.chunks_exact_mut(block.rows * x.channels).enumerate() {
                    let a =
                        Strided { values: &a[self.first_output + i * block.rows..], stride: grad.channels };
                    for (j, c) in products.chunks_exact_mut(block.rows * block.columns).enumerate() {
                        let first = j * block.columns;
                        let b = Strided { values: &b[first..], stride: stride * x.channels };
                        add_product(simd, shape.out_width, a, b, c, shape.inputs - first);
                    }
                }
            }
        }
    }
}
