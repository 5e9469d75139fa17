//! Passes over memory, a channel at a time, channels in parallel.

use rayon::prelude::*;

use crate::simd::Arch;

/// Numbers added in one sum.
const LANES: usize = 16;

/// `[batch, channels, plane]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub batch: usize,
    pub channels: usize,
    pub plane: usize,
}

impl Sizes {
    fn count(self) -> f64 {
        (self.batch * self.plane) as f64
    }

    /// The planes of channel `c`.
    fn planes(self, values: &[f32], c: usize) -> impl Iterator<Item = &[f32]> {
        (0..self.batch).map(move |n| &values[(n * self.channels + c) * self.plane..][..self.plane])
    }

    /// `f` of every channel, in parallel where that is worth it.
    fn each_channel<T: Send>(self, f: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        (0..self.channels).into_par_iter().with_min_len(self.least()).map(f).collect()
    }

    /// Channels that one thread takes at least.
    fn least(self) -> usize {
        (1 << 15) / (self.batch * self.plane).max(1) + 1
    }
}

/// Sums of `f(a, b)` and of `g(a, b)` over all pairs. Sums of [`LANES`] columns, of chunks short enough for f32, go on in f64.
#[inline(always)]
fn two_sums(arch: Arch, a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> [f32; 2]) -> [f64; 2] {
    let mut sums = [0f64; 2];
    arch.dispatch(
        #[inline(always)]
        || {
            for (a, b) in a.chunks(64 * LANES).zip(b.chunks(64 * LANES)) {
                let (mut first, mut second) = ([0f32; LANES], [0f32; LANES]);
                let (lanes_a, rest_a) = a.as_chunks::<LANES>();
                let (lanes_b, rest_b) = b.as_chunks::<LANES>();
                for (a, b) in lanes_a.iter().zip(lanes_b) {
                    for k in 0..LANES {
                        let [x, y] = f(a[k], b[k]);
                        first[k] += x;
                        second[k] += y;
                    }
                }
                for (k, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
                    let [x, y] = f(*a, *b);
                    first[k] += x;
                    second[k] += y;
                }
                sums[0] += first.iter().map(|x| f64::from(*x)).sum::<f64>();
                sums[1] += second.iter().map(|x| f64::from(*x)).sum::<f64>();
            }
        },
    );
    sums
}

/// Mean and variance of each channel. Deviations are from the channel's first number, so that a large mean costs no digits.
pub(super) fn statistics(x: &[f32], sizes: Sizes) -> Vec<(f64, f64)> {
    let arch = Arch::new();
    sizes.each_channel(|c| {
        let origin = x[c * sizes.plane];
        let mut sums = [0f64; 2];
        for plane in sizes.planes(x, c) {
            let [sum, squares] = two_sums(
                arch,
                plane,
                plane,
                #[inline(always)]
                |x, _| [x - origin, (x - origin) * (x - origin)],
            );
            sums = [sums[0] + sum, sums[1] + squares];
        }
        let [mean, square] = sums.map(|sum| sum / sizes.count());
        (f64::from(origin) + mean, (square - mean * mean).max(0.0))
    })
}

/// `scale[c]·x + shift[c]`, not below 0 where `relu` says so.
pub(super) fn scaled(x: &[f32], sizes: Sizes, factors: &[[f32; 2]], relu: bool) -> Vec<f32> {
    let arch = Arch::new();
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut y = vec![0f32; x.len()];
    let planes = y.par_chunks_exact_mut(sizes.plane).zip(x.par_chunks_exact(sizes.plane)).enumerate();
    planes.with_min_len(sizes.least() * sizes.batch).for_each(|(i, (y, x))| {
        let [scale, shift] = factors[i % sizes.channels];
        arch.dispatch(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, x)| *y = scale.mul_add(*x, shift).max(floor)),
        );
    });
    y
}

/// What goes backwards: the arguments, the result where it was cut off at 0, and the gradient of the result.
pub(super) struct Backward<'a> {
    pub x: &'a [f32],
    pub y: Option<&'a [f32]>,
    pub grad: &'a [f32],
    pub weight: &'a [f32],
    /// Mean and 1/√(σ² + ε) of each channel.
    pub normal: &'a [[f32; 2]],
}

impl Backward<'_> {
    /// The gradient where the result was not cut off.
    fn passed(&self) -> Option<Vec<f32>> {
        let y = self.y?;
        let arch = Arch::new();
        let mut out = vec![0f32; y.len()];
        let parts = out.par_chunks_mut(1 << 14).zip(y.par_chunks(1 << 14)).zip(self.grad.par_chunks(1 << 14));
        parts.for_each(|((out, y), grad)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    let pairs = y.iter().zip(grad);
                    out.iter_mut()
                        .zip(pairs)
                        .for_each(|(out, (y, g))| *out = if *y > 0.0 { *g } else { 0.0 });
                },
            );
        });
        Some(out)
    }

    /// Gradients for x, γ and β (Ioffe & Szegedy 2015, section 3): with x̂ = (x − μ)/√(σ² + ε),
    /// `∂γ = Σ g·x̂`, `∂β = Σ g`, `∂x = γ/√(σ² + ε)·(g − ∂β/N − x̂·∂γ/N)`.
    pub fn run(&self, sizes: Sizes) -> [Vec<f32>; 3] {
        let arch = Arch::new();
        let passed = self.passed();
        let grad = passed.as_deref().unwrap_or(self.grad);
        let sums = sizes.each_channel(|c| {
            let [mean, inverse] = self.normal[c];
            let mut sums = [0f64; 2];
            for (x, g) in sizes.planes(self.x, c).zip(sizes.planes(grad, c)) {
                let [weight, bias] = two_sums(
                    arch,
                    x,
                    g,
                    #[inline(always)]
                    |x, g| [g * (x - mean) * inverse, g],
                );
                sums = [sums[0] + weight, sums[1] + bias];
            }
            sums
        });
        // In place where the gradient is a copy of ours.
        let mut out = passed.unwrap_or_else(|| self.grad.to_vec());
        let planes =
            out.par_chunks_exact_mut(sizes.plane).zip(self.x.par_chunks_exact(sizes.plane)).enumerate();
        planes.with_min_len(sizes.least() * sizes.batch).for_each(|(i, (out, x))| {
            let c = i % sizes.channels;
            let [mean, inverse] = self.normal[c];
            let [by_weight, by_bias] = sums[c].map(|sum| (sum / sizes.count()) as f32);
            let (scale, slope) = (self.weight[c] * inverse, by_weight * inverse);
            arch.dispatch(
                #[inline(always)]
                || {
                    for (out, x) in out.iter_mut().zip(x) {
                        *out = scale * (*out - by_bias - (x - mean) * slope);
                    }
                },
            );
        });
        let each = |k: usize| sums.iter().map(|sums| sums[k] as f32).collect();
        [out, each(0), each(1)]
    }
}
