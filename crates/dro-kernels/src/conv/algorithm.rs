//! Which way a convolution is computed.

use super::winograd::{Axis, Five, LongFive, LongThree, One, Three};

/// A way to turn a convolution into matrix products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// One product with the patches under the kernel: any kernel and stride.
    Patches,
    /// Minimal filtering F(4×4, 3×3), stride 1.
    Square3,
    /// Minimal filtering F(4, 5) along rows, kernel 1×5, stride 1.
    Row5,
    /// Minimal filtering F(4, 5) along columns, kernel 5×1, stride 1.
    Column5,
    /// F(6×6, 3×3).
    LongSquare3,
    /// F(6, 5) along rows.
    LongRow5,
    /// F(6, 5) along columns.
    LongColumn5,
}

/// From this many weights of a 3×3 convolution on, those of F(6×6, 3×3) would not fit into the last level of cache.
const LARGE: usize = 256 * 256;

impl Algorithm {
    /// The way for a kernel (height, width) and a stride.
    pub fn of(kernel: (usize, usize), stride: usize) -> Self {
        match (kernel, stride) {
            ((3, 3), 1) => Self::Square3,
            ((1, 5), 1) => Self::Row5,
            ((5, 1), 1) => Self::Column5,
            _ => Self::Patches,
        }
    }

    /// The way for a kernel, a stride and maps that become maps of `size` (height, width).
    ///
    /// Where these are few tiles, mostly empty, the kernel itself needs no more multiplications than filtering, and rounds less:
    /// the errors of filtering are in proportion to all taps, and some of them meet no pixel of a tiny map.
    pub fn of_map(kernel: (usize, usize), stride: usize, size: (usize, usize)) -> Self {
        let way = Self::of(kernel, stride);
        let tile = way.tile();
        let filtered = way.points() * size.0.div_ceil(tile.0) * size.1.div_ceil(tile.1);
        if kernel.0 * kernel.1 * size.0 * size.1 <= filtered { Self::Patches } else { way }
    }

    /// The way for weights `[outputs, inputs, kernel]` that are transformed once and meet maps much larger than a tile.
    ///
    /// Tiles of six outputs per axis need fewer multiplications, more transformed weights, and round more.
    pub fn prepared([outputs, inputs]: [usize; 2], kernel: (usize, usize), stride: usize) -> Self {
        match Self::of(kernel, stride) {
            Self::Square3 if outputs * inputs < LARGE => Self::LongSquare3,
            Self::Row5 => Self::LongRow5,
            Self::Column5 => Self::LongColumn5,
            other => other,
        }
    }

    /// The number of matrix products.
    pub fn points(self) -> usize {
        match self {
            Self::Patches => 1,
            Self::Square3 => Three::POINTS * Three::POINTS,
            Self::Row5 | Self::Column5 => Five::POINTS,
            Self::LongSquare3 => LongThree::POINTS * LongThree::POINTS,
            Self::LongRow5 | Self::LongColumn5 => LongFive::POINTS,
        }
    }

    /// Height and width of the outputs of one tile.
    pub fn tile(self) -> (usize, usize) {
        let (one, three, five) = (One::OUTPUTS, Three::OUTPUTS, Five::OUTPUTS);
        match self {
            Self::Patches => (one, one),
            Self::Square3 => (three, three),
            Self::Row5 => (one, five),
            Self::Column5 => (five, one),
            Self::LongSquare3 => (LongThree::OUTPUTS, LongThree::OUTPUTS),
            Self::LongRow5 => (one, LongFive::OUTPUTS),
            Self::LongColumn5 => (LongFive::OUTPUTS, one),
        }
    }
}
