//! Which way a convolution is computed.

use super::winograd::{Axis, Five, One, Three};

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
}

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

    /// The number of matrix products.
    pub fn points(self) -> usize {
        match self {
            Self::Patches => 1,
            Self::Square3 => Three::POINTS * Three::POINTS,
            Self::Row5 | Self::Column5 => Five::POINTS,
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
        }
    }
}
