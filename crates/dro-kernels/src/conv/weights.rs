//! Weights of a convolution or of its adjoint, and their packed form.

use rayon::prelude::*;

use super::algorithm::Algorithm;
use super::patches;
use super::winograd::{Five, LongFive, LongThree, One, Three, transform_weights};
use crate::simd::{Arch, Block, Simd, WithSimd, block};

/// Weights `[outputs, inputs, taps]` in memory, or those of the adjoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub values: &'a [f32],
    pub outputs: usize,
    pub inputs: usize,
    pub taps: usize,
    /// The values are `[inputs, outputs, taps]` and the taps run backwards.
    pub adjoint: bool,
}

impl Weights<'_> {
    #[inline(always)]
    pub fn at(&self, output: usize, input: usize, tap: usize) -> f32 {
        if self.adjoint {
            self.values[(input * self.outputs + output) * self.taps + self.taps - 1 - tap]
        } else {
            self.values[(output * self.inputs + input) * self.taps + tap]
        }
    }
}

/// Weights as the matrix product reads them: `[panels, points, depth, rows]`.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub values: Vec<f32>,
    pub algorithm: Algorithm,
    /// Length of the sums.
    pub depth: usize,
    /// Number of blocks of rows.
    pub panels: usize,
}

impl Packed {
    /// No weights.
    pub const fn empty() -> Self {
        Self { values: Vec::new(), algorithm: Algorithm::Patches, depth: 0, panels: 0 }
    }

    /// Transforms and packs `weights`.
    pub fn new(arch: Arch, weights: &Weights, algorithm: Algorithm) -> Self {
        let mut packed = Self::empty();
        packed.pack(arch, weights, algorithm);
        packed
    }

    /// [`new`](Self::new) in the memory of this one.
    pub fn pack(&mut self, arch: Arch, weights: &Weights, algorithm: Algorithm) {
        let Block { rows, .. } = block(arch);
        self.algorithm = algorithm;
        self.depth = match algorithm {
            Algorithm::Patches => weights.inputs * weights.taps,
            _ => weights.inputs,
        };
        self.panels = weights.outputs.div_ceil(rows);
        let size = algorithm.points() * self.depth * rows;
        self.values.resize(self.panels * size, 0.0);
        if size > 0 {
            self.values
                .par_chunks_mut(size)
                .enumerate()
                .for_each(|(i, panel)| arch.dispatch(Pack { weights, algorithm, first: i * rows, panel }));
        }
    }
}

struct Pack<'a> {
    weights: &'a Weights<'a>,
    algorithm: Algorithm,
    first: usize,
    panel: &'a mut [f32],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weights, first, panel, .. } = self;
        match self.algorithm {
            Algorithm::Patches => patches::pack_weights(simd, weights, first, panel),
            Algorithm::Square3 => transform_weights::<S, Three, Three>(simd, weights, first, panel),
            Algorithm::Row5 => transform_weights::<S, One, Five>(simd, weights, first, panel),
            Algorithm::Column5 => transform_weights::<S, Five, One>(simd, weights, first, panel),
            Algorithm::LongSquare3 => {
                transform_weights::<S, LongThree, LongThree>(simd, weights, first, panel);
            }
            Algorithm::LongRow5 => transform_weights::<S, One, LongFive>(simd, weights, first, panel),
            Algorithm::LongColumn5 => transform_weights::<S, LongFive, One>(simd, weights, first, panel),
        }
    }
}
