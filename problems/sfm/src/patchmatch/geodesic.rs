//! Distances within an image along which its edges make a way longer.

use super::pyramid::reduced;
use crate::{Map, Result};

/// How much longer a step of one cell is where the grey value changes from black to white.
const EDGE: f32 = 100.0;
/// Cells along a row of the image.
const COLUMNS: usize = 40;
/// More passes are not worth it: ways with more turns are long ones.
const PASSES: usize = 8;

/// An image in square cells, and what a step from each to those beside it costs, in parts of the image's width.
pub(super) struct Geodesic {
    rows: usize,
    columns: usize,
    size: (usize, usize),
    grey: Vec<f32>,
}

impl Geodesic {
    pub(super) fn new(image: &Map) -> Result<Self> {
        let size = (image.height(), image.width());
        let columns = COLUMNS.min(size.1);
        let rows = (size.0 * columns).div_ceil(size.1).min(size.0);
        Ok(Self { rows, columns, size, grey: reduced(image, (rows, columns))?.values().to_vec() })
    }

    /// Rows and columns of cells.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    pub(super) fn len(&self) -> usize {
        self.grey.len()
    }

    /// The cell of a place in the image, pixels; the nearest one if it is outside.
    pub(super) fn cell(&self, [x, y]: [f64; 2]) -> usize {
        let along = |at: f64, side: usize, count: usize| {
            (((at + 0.5) / side as f64 * count as f64).max(0.0) as usize).min(count - 1)
        };
        along(y, self.size.0, self.rows) * self.columns + along(x, self.size.1, self.columns)
    }

    /// Pixel coordinates of the middle of a cell.
    pub(super) fn middle(&self, cell: usize) -> [f64; 2] {
        let along = |i: usize, side: usize, count: usize| (i as f64 + 0.5) / count as f64 * side as f64 - 0.5;
        [
            along(cell % self.columns, self.size.1, self.columns),
            along(cell / self.columns, self.size.0, self.rows),
        ]
    }

    /// The shortest way from a cell to every cell, by passes over the image forth and back (Toivanen, *New geodesic
    /// distance transforms for gray-scale images*, Pattern Recognition Letters 1996).
    pub(super) fn from(&self, cell: usize) -> Vec<f32> {
        let mut far = vec![f32::INFINITY; self.len()];
        far[cell] = 0.0;
        for _ in 0..PASSES {
            let forth = self.pass(&mut far, false);
            if !(self.pass(&mut far, true) || forth) {
                break;
            }
        }
        far
    }

    /// One pass over all cells; whether a way became shorter.
    fn pass(&self, far: &mut [f32], back: bool) -> bool {
        let mut shorter = false;
        let straight = 1.0 / self.columns as f32;
        for i in 0..self.len() {
            let i = if back { self.len() - 1 - i } else { i };
            let (row, column) = (i / self.columns, i % self.columns);
            // Those that the pass has been at.
            let (line, first) = if back {
                (row + 1 < self.rows, i + self.columns)
            } else {
                (row > 0, i.wrapping_sub(self.columns))
            };
            let beside =
                if back { (column + 1 < self.columns).then_some(i + 1) } else { (column > 0).then(|| i - 1) };
            let mut least = far[i];
            let mut step = |j: usize, length: f32| {
                let way = far[j] + length * straight * (1.0 + EDGE * (self.grey[i] - self.grey[j]).abs());
                least = least.min(way);
            };
            if let Some(j) = beside {
                step(j, 1.0);
            }
            if line {
                step(first, 1.0);
                if column > 0 {
                    step(first - 1, std::f32::consts::SQRT_2);
                }
                if column + 1 < self.columns {
                    step(first + 1, std::f32::consts::SQRT_2);
                }
            }
            shorter |= least < far[i];
            far[i] = least;
        }
        shorter
    }
}
