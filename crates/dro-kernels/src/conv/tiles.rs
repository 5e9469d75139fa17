//! How the outputs of a convolution are cut into tiles, and the tiles into panels.

use std::ops::{Deref, Range};

use super::shapes::ConvShape;

/// Tiles that are packed together, a few panels: the more there are, the longer are the rows that are read.
pub(crate) const PACK: usize = 64;

/// The tiles of some images, numbered image by image and row by row. A tile has `tile` (height, width) outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiling {
    pub tile: (usize, usize),
    /// Rows and columns of tiles per image.
    pub grid: (usize, usize),
    pub images: usize,
}

/// Tiles beside each other in one row of tiles, at consecutive lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub image: usize,
    /// First output row and column.
    pub y: usize,
    pub x: usize,
    /// First lane.
    pub lane: usize,
    /// Number of tiles.
    pub length: usize,
}

impl Tiling {
    pub fn new(shape: &ConvShape, images: usize, tile: (usize, usize)) -> Self {
        Self { tile, grid: (shape.out_height.div_ceil(tile.0), shape.out_width.div_ceil(tile.1)), images }
    }

    /// Tiles of all images.
    pub fn count(&self) -> usize {
        self.images * self.grid.0 * self.grid.1
    }

    /// Image, first output row and first output column of a tile.
    pub fn place(&self, tile: usize) -> (usize, usize, usize) {
        let (row, column) = (tile / self.grid.1, tile % self.grid.1);
        (row / self.grid.0, row % self.grid.0 * self.tile.0, column * self.tile.1)
    }

    /// The runs of the tiles in `range`, of which there are at most [`PACK`].
    pub fn runs(&self, range: Range<usize>) -> Runs {
        let mut runs = Runs { list: [Run::default(); PACK], count: 0 };
        let mut next = range.start;
        for run in &mut runs.list {
            if next >= range.end {
                break;
            }
            let (image, y, x) = self.place(next);
            let length = (self.grid.1 - x / self.tile.1).min(range.end - next);
            *run = Run { image, y, x, lane: next - range.start, length };
            next += run.length;
            runs.count += 1;
        }
        runs
    }
}

/// The runs of some tiles.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    list: [Run; PACK],
    count: usize,
}

impl Deref for Runs {
    type Target = [Run];

    fn deref(&self) -> &[Run] {
        &self.list[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_rows() {
        let tiling = Tiling { tile: (4, 4), grid: (2, 3), images: 2 };
        let runs: Vec<_> = tiling.runs(2..8).iter().map(|r| (r.image, r.y, r.x, r.lane, r.length)).collect();
        assert_eq!(runs, [(0, 0, 8, 0, 1), (0, 4, 0, 1, 3), (1, 0, 0, 4, 2)]);
        assert_eq!(tiling.count(), 12);
    }
}
