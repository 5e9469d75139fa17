//! What happens to a convolution's sums on their way to memory.

use super::Activation;
use crate::simd::Simd;
use crate::simd::math::activate;

/// Bias, addend and activation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// One number per output channel, or none.
    pub bias: Option<&'a [f32]>,
    /// The numbers of `[images, out, h', w']`, or of one image that is added to all, or none.
    pub add: Option<&'a [f32]>,
    pub activation: Activation,
}

impl Epilogue<'_> {
    pub const NONE: Self = Self { bias: None, add: None, activation: Activation::None };

    /// `out[i] = activation(sums[i] + bias[channel] + add[i])`, where `add` starts at `at` in one image.
    #[inline(always)]
    pub fn store<S: Simd>(&self, simd: S, sums: &[f32], bias: f32, add: Option<&[f32]>, out: &mut [f32]) {
        let bias = simd.splat_f32s(bias);
        let (sums, sums_tail) = S::as_simd_f32s(sums);
        let (out, out_tail) = S::as_mut_simd_f32s(out);
        let (add, add_tail) = match add {
            Some(add) => {
                let (add, tail) = S::as_simd_f32s(add);
                (Some(add), Some(tail))
            }
            None => (None, None),
        };
        match add {
            Some(add) => {
                for ((out, sums), add) in out.iter_mut().zip(sums).zip(add) {
                    *out = self.finish(simd, *sums, bias, Some(*add));
                }
            }
            None => {
                for (out, sums) in out.iter_mut().zip(sums) {
                    *out = self.finish(simd, *sums, bias, None);
                }
            }
        }
        if !out_tail.is_empty() {
            // Not `map`: a closure that is not inlined would lack the vector instructions.
            #[allow(clippy::manual_map)]
            let add = match add_tail {
                Some(add) => Some(simd.partial_load_f32s(add)),
                None => None,
            };
            let sums = simd.partial_load_f32s(sums_tail);
            simd.partial_store_f32s(out_tail, self.finish(simd, sums, bias, add));
        }
    }

    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, sums: S::f32s, bias: S::f32s, add: Option<S::f32s>) -> S::f32s {
        let sum = simd.add_f32s(sums, bias);
        let sum = match add {
            Some(add) => simd.add_f32s(sum, add),
            None => sum,
        };
        activate(simd, self.activation, sum)
    }
}
