//! Eight numbers side by side in vector registers.
//!
//! What is marked `inline(always)` runs on the widest vector instructions of the machine when it is called through
//! [`vectorized`]. Products are fused into sums (`mul_add`), which is rounded once, and the same, on every machine.

use pulp::{Arch, NullaryFnOnce, Simd};

/// How many candidates are judged at a time, and how many points they are compared with.
pub const LANES: usize = 8;

/// One number for each of [`LANES`] candidates, or of as many points.
pub type Lane = [f64; LANES];

/// Runs `f`, an always inlined closure, with the widest vector instructions that the machine has.
pub fn vectorized<R>(f: impl FnMut() -> R) -> R {
    // Not `dispatch(f)`: a closure that is called by value goes through a shim, which is compiled without them.
    struct Call<F>(F);
    impl<R, F: FnMut() -> R> NullaryFnOnce for Call<F> {
        type Output = R;

        #[inline(always)]
        fn call(mut self) -> R {
            (self.0)()
        }
    }
    Arch::new().dispatch(Call(f))
}

/// `sum ← sum + a·b`, lane by lane.
#[inline(always)]
pub fn add_product(sum: &mut Lane, a: f64, b: &Lane) {
    for k in 0..LANES {
        sum[k] = a.mul_add(b[k], sum[k]);
    }
}

/// `sum ← sum + (a − b)²`, lane by lane.
#[inline(always)]
pub fn add_squared_difference(sum: &mut Lane, a: &Lane, b: f64) {
    for k in 0..LANES {
        let d = a[k] - b;
        sum[k] = d.mul_add(d, sum[k]);
    }
}

/// The sum of `a·b`; they have one length.
#[inline(always)]
pub fn dot(a: &[Lane], b: &[Lane]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for k in 0..LANES {
            sums[k] = a[k].mul_add(b[k], sums[k]);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// A lane in the machine's vectors: one, two or more of them.
#[inline(always)]
pub fn vectors<S: Simd>(lanes: &[Lane]) -> &[S::f64s] {
    S::as_simd_f64s(lanes.as_flattened()).0
}

/// [`vectors`] to write.
#[inline(always)]
pub fn vectors_mut<S: Simd>(lanes: &mut [Lane]) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(lanes.as_flattened_mut()).0
}
