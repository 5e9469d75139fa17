//! Vectorised loops, written once for every instruction set that `pulp` detects at run time.

pub(crate) mod math;
pub(crate) mod micro_kernel;

use pulp::NullaryFnOnce;
pub(crate) use pulp::{Arch, Simd, WithSimd};

/// Runs `f` with the widest vector instructions that the machine has. It must be inlined always, and so must what it calls:
/// else it is compiled without them.
///
/// ```
/// let (x, mut y) = ([1.0f32; 100], [0.5f32; 100]);
/// dro_kernels::vectorized(
///     #[inline(always)]
///     || y.iter_mut().zip(&x).for_each(|(y, x)| *y += 2.0 * x),
/// );
/// assert_eq!(y, [2.5; 100]);
/// ```
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

/// Size of the register block of the matrix product: `rows` × `columns` sums are held in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub rows: usize,
    pub columns: usize,
}

/// The most columns that a block has: AVX-512 with three registers of 16.
pub(crate) const MAX_COLUMNS: usize = 48;

/// The most rows that a block has.
pub(crate) const MAX_ROWS: usize = 8;

/// The block of an instruction set.
pub(crate) fn block(arch: Arch) -> Block {
    struct Ask;
    impl WithSimd for Ask {
        type Output = Block;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> Block {
            block_of::<S>()
        }
    }
    arch.dispatch(Ask)
}

/// 6 × 2 vectors leave 4 of 16 registers for the operands, 8 × 3 leave 8 of 32.
pub(crate) const fn block_of<S: Simd>() -> Block {
    if S::REGISTER_COUNT >= 32 {
        Block { rows: 8, columns: 3 * S::F32_LANES }
    } else {
        Block { rows: 6, columns: 2 * S::F32_LANES }
    }
}
