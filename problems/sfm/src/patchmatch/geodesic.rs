//! Distances within an image along which its edges make a way longer.

use dro_core::vectorized;

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
    /// Of each cell, from the one to the left, above to the left, above, and above to the right: with a border of one cell, as ways have.
    steps: [Vec<f32>; 4],
}

impl Geodesic {
    pub(super) fn new(image: &Map) -> Result<Self> {
        let size = (image.height(), image.width());
        let columns = COLUMNS.min(size.1);
        let rows = (size.0 * columns).div_ceil(size.1).min(size.0);
        let grey = reduced(image, (rows, columns))?;
        let pitch = columns + 2;
        let straight = 1.0 / columns as f32;
        let grey = |i: usize| {
            let (row, column) = (i / pitch, i % pitch);
            grey.values()[row.clamp(1, rows) * columns - columns + column.clamp(1, columns) - 1]
        };
        let steps = |(back, length): (usize, f32)| {
            let step =
                |i: usize| length * straight * (1.0 + EDGE * (grey(i) - grey(i.saturating_sub(back))).abs());
            (0..pitch * (rows + 2)).map(step).collect()
        };
        let diagonal = std::f32::consts::SQRT_2;
        let steps = [(1, 1.0), (pitch + 1, diagonal), (pitch, 1.0), (pitch - 1, diagonal)].map(steps);
        Ok(Self { rows, columns, size, steps })
    }

    /// Rows and columns of cells.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    pub(super) fn len(&self) -> usize {
        self.rows * self.columns
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

    /// The up to eight cells around one.
    pub(super) fn around(&self, cell: usize) -> impl Iterator<Item = usize> {
        let (row, column) = (cell / self.columns, cell % self.columns);
        let beside = |at: usize, count: usize| at.saturating_sub(1)..(at + 2).min(count);
        let (columns, width) = (beside(column, self.columns), self.columns);
        let rows = beside(row, self.rows);
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
            .filter(move |&other| other != cell)
    }

    /// The shortest way from a cell to every cell, by passes over the image forth and back (Toivanen, *New geodesic
    /// distance transforms for gray-scale images*, Pattern Recognition Letters 1996).
    pub(super) fn from(&self, cell: usize) -> Vec<f32> {
        let pitch = self.columns + 2;
        // A border that no way leads from.
        let mut far = vec![f32::INFINITY; pitch * (self.rows + 2)];
        far[(cell / self.columns + 1) * pitch + cell % self.columns + 1] = 0.0;
        for _ in 0..PASSES {
            let forth = self.forth(&mut far);
            if !(self.back(&mut far) || forth) {
                break;
            }
        }
        far.chunks(pitch).skip(1).take(self.rows).flat_map(|row| &row[1..=self.columns]).copied().collect()
    }

    /// One pass over all cells from the first; whether a way became shorter.
    fn forth(&self, far: &mut [f32]) -> bool {
        let pitch = self.columns + 2;
        let [left, above_left, above, above_right] = &self.steps;
        let mut shorter = false;
        for start in (1..=self.rows).map(|row| row * pitch + 1) {
            let (done, rest) = far.split_at_mut(start);
            let row = &mut rest[..self.columns];
            let steps = [&above_left[start..], &above[start..], &above_right[start..]];
            shorter |= shorten_from(row, &done[start - pitch - 1..], steps);
            shorter |= shorten_along(row.iter_mut().zip(&left[start..]));
        }
        shorter
    }

    /// The same from the last.
    fn back(&self, far: &mut [f32]) -> bool {
        let pitch = self.columns + 2;
        let [left, above_left, above, above_right] = &self.steps;
        let mut shorter = false;
        for start in (1..=self.rows).rev().map(|row| row * pitch + 1) {
            let below = start + pitch;
            let (rest, done) = far.split_at_mut(below - 1);
            let row = &mut rest[start..start + self.columns];
            // Steps are those of the cells they lead from.
            let steps = [&above_right[below - 1..], &above[below..], &above_left[below + 1..]];
            shorter |= shorten_from(row, done, steps);
            shorter |= shorten_along(row.iter_mut().zip(&left[start + 1..]).rev());
        }
        shorter
    }
}

/// Ways to a row's cells from the three beside each in the next row, which begins one cell before; whether one became shorter.
fn shorten_from(row: &mut [f32], beside: &[f32], [a, b, c]: [&[f32]; 3]) -> bool {
    let mut shorter = false;
    vectorized(
        #[inline(always)]
        || {
            for (((far, beside), a), (b, c)) in
                row.iter_mut().zip(beside.windows(3)).zip(a).zip(b.iter().zip(c))
            {
                let least = lesser(lesser(beside[0] + a, beside[1] + b), beside[2] + c);
                shorter |= least < *far;
                *far = lesser(least, *far);
            }
        },
    );
    shorter
}

/// Ways to cells from the one before each, with the step from there; whether one became shorter.
fn shorten_along<'a>(cells: impl Iterator<Item = (&'a mut f32, &'a f32)>) -> bool {
    let (mut shorter, mut last) = (false, f32::INFINITY);
    for (far, step) in cells {
        shorter |= last + step < *far;
        last = lesser(last + step, *far);
        *far = last;
    }
    shorter
}

/// Of numbers, in one instruction.
#[inline(always)]
fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No step makes a way shorter, and each way but one's own has a step that it comes by.
        #[test]
        fn ways_are_shortest(grey in prop::collection::vec(0.0..1.0f32, 72), columns in 1..9usize, from in 0..64usize) {
            let rows = grey.len() / columns;
            let cells = Geodesic::new(&Map::new(rows, columns, grey[..rows * columns].to_vec()).unwrap()).unwrap();
            prop_assert_eq!(cells.shape(), (rows, columns));
            let from = from % cells.len();
            let far = cells.from(from);
            for i in 0..cells.len() {
                let (row, column) = (i / columns, i % columns);
                let beside = (0..cells.len()).filter(|&j| {
                    j != i && (j / columns).abs_diff(row) <= 1 && (j % columns).abs_diff(column) <= 1
                });
                let ways = beside.map(|j| {
                    let diagonal = j / columns != row && j % columns != column;
                    let length = if diagonal { std::f32::consts::SQRT_2 } else { 1.0 };
                    far[j] + length / columns as f32 * (1.0 + EDGE * (grey[i] - grey[j]).abs())
                });
                let least = ways.fold(f32::INFINITY, f32::min);
                if i == from {
                    prop_assert_eq!(far[i], 0.0);
                } else {
                    prop_assert!((far[i] - least).abs() <= 1e-5 * least, "{}: {} and {}", i, far[i], least);
                }
            }
        }
    }
}
