//! How far what is in front of known planes reaches: a neighbour often contradicts a plane at a part of a thing only.

use rayon::prelude::*;

use super::{geodesic::Geodesic, planes};

/// A cell that is in front counts as so many known places.
const VOTES: f32 = 3.0;
/// So many of the eight cells around it must be in front too.
const SECONDED: usize = 2;

/// What is expected in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    pub(super) inverse: f64,
    /// The votes for the plane that has most, after what the pictures say.
    pub(super) votes: f32,
    /// Whether it is something in front of a plane that pictures contradict.
    pub(super) in_front: bool,
}

/// Cells around those that are in front, along ways that image edges make longer, are of the same thing where that has more votes than any plane:
/// as a plane is continued to where it ends, see [`planes::weight`]. The inverse depth is the mean, and never less than what was expected.
pub(super) fn spread(expected: &mut [Expected], cells: &Geodesic) {
    let fronts: Vec<usize> = (0..expected.len()).filter(|&cell| seconded(expected, cells, cell)).collect();
    let ways: Vec<Vec<f32>> = fronts.par_iter().map(|&cell| cells.from(cell)).collect();
    let inverses: Vec<f64> = fronts.iter().map(|&cell| expected[cell].inverse).collect();
    for (cell, expected) in expected.iter_mut().enumerate().filter(|(_, expected)| !expected.in_front) {
        let weights = || ways.iter().map(|far| planes::weight(far[cell]));
        let sum: f32 = weights().sum();
        if VOTES * sum > expected.votes {
            let inverse: f64 = weights().zip(&inverses).map(|(weight, x)| f64::from(weight) * x).sum();
            expected.inverse = expected.inverse.max(inverse / f64::from(sum));
        }
    }
}

/// Whether a cell is in front and enough around it are.
fn seconded(expected: &[Expected], cells: &Geodesic, cell: usize) -> bool {
    expected[cell].in_front
        && cells.around(cell).filter(|&other| expected[other].in_front).count() >= SECONDED
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Map;

    /// 30 rows of 40 cells; a thing in columns 10 to 19 is as bright as nothing around it.
    fn cells() -> Geodesic {
        let grey = |i: usize| if (10..20).contains(&(i % 40)) { 0.8 } else { 0.3 };
        Geodesic::new(&Map::new(30, 40, (0..1200).map(grey).collect()).unwrap()).unwrap()
    }

    const PLANE: Expected = Expected { inverse: 0.2, votes: 0.5, in_front: false };
    const FRONT: Expected = Expected { inverse: 0.9, votes: 0.1, in_front: true };

    fn at(row: usize, column: usize) -> usize {
        row * 40 + column
    }

    #[test]
    fn a_thing_is_in_front_as_far_as_it_reaches() {
        let cells = cells();
        let mut expected = vec![PLANE; cells.len()];
        (12..16).for_each(|row| expected[at(row, 19)] = FRONT);
        // A part of it is surely something else.
        expected[at(14, 12)] = Expected { inverse: 0.4, votes: 50.0, in_front: false };
        let before = expected.clone();
        spread(&mut expected, &cells);
        for (row, column) in [(14, 18), (14, 11), (10, 15), (18, 16)] {
            let found = expected[at(row, column)].inverse;
            assert!((found - 0.9).abs() < 1e-6, "{row}, {column}: {found}");
        }
        for (row, column) in [(14, 21), (14, 8), (14, 12), (14, 39)] {
            assert_eq!(expected[at(row, column)], before[at(row, column)], "{row}, {column}");
        }
    }

    #[test]
    fn one_cell_alone_is_not_believed() {
        let cells = cells();
        let mut expected = vec![PLANE; cells.len()];
        for cell in [at(5, 15), at(14, 15), at(15, 16), at(0, 10), at(29, 19)] {
            expected[cell] = FRONT;
        }
        let before = expected.clone();
        spread(&mut expected, &cells);
        assert_eq!(expected, before);
    }

    /// Nothing that is nearer already is moved away, and nothing in front is no error.
    #[test]
    fn nothing_moves_away() {
        let cells = cells();
        let mut expected = vec![Expected { inverse: 2.0, ..PLANE }; cells.len()];
        spread(&mut expected, &cells);
        (12..16).for_each(|row| expected[at(row, 19)] = FRONT);
        let before = expected.clone();
        spread(&mut expected, &cells);
        assert_eq!(expected, before);
    }
}
