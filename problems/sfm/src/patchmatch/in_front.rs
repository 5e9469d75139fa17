//! How far what is in front of known planes reaches: a neighbour often contradicts a plane at a part of a thing only.

use rayon::prelude::*;

use super::{geodesic::Geodesic, planes};

/// A cell that is in front counts as so many known places.
const VOTES: f32 = 3.0;
/// So many of the eight cells around one must be in front too for it to be believed.
const SECONDED: usize = 2;

/// What is expected in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Expected {
    /// Of the plane that is expected.
    pub(super) inverse: f64,
    /// The votes for the plane that has most, after what the pictures say.
    pub(super) votes: f32,
    /// What has more votes than any plane, if that is something in front of those that pictures contradict.
    pub(super) front: Option<f64>,
}

/// The inverse depth of every cell. Something in front is believed where it is in enough cells beside each other. Cells around those, along ways
/// that image edges make longer, are of the same thing where that has more votes than any plane: as a plane is continued to where it
/// ends, see [`planes::weight`]. There it is the mean, and never less than what was expected.
pub(super) fn spread(expected: &[Expected], cells: &Geodesic) -> Vec<f64> {
    let believed: Vec<Option<f64>> =
        (0..expected.len()).map(|cell| believed(expected, cells, cell)).collect();
    let way = |(cell, front): (usize, &Option<f64>)| front.map(|front| (cells.from(cell), front));
    let fronts: Vec<(Vec<f32>, f64)> = believed.par_iter().enumerate().filter_map(way).collect();
    let inverse = |(cell, (expected, front)): (usize, (&Expected, &Option<f64>))| {
        if let Some(front) = front {
            return *front;
        }
        let (mut sum, mut inverse) = (0f32, 0f64);
        for (far, front) in &fronts {
            let weight = planes::weight(far[cell]);
            sum += weight;
            inverse += f64::from(weight) * front;
        }
        match VOTES * sum > expected.votes {
            true => expected.inverse.max(inverse / f64::from(sum)),
            false => expected.inverse,
        }
    };
    expected.iter().zip(&believed).enumerate().map(inverse).collect()
}

/// What is in front in a cell, if it is in enough cells around it.
fn believed(expected: &[Expected], cells: &Geodesic, cell: usize) -> Option<f64> {
    let around = cells.around(cell).filter(|&other| expected[other].front.is_some()).count();
    expected[cell].front.filter(|_| around >= SECONDED)
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

    const PLANE: Expected = Expected { inverse: 0.2, votes: 0.5, front: None };
    const FRONT: Expected = Expected { inverse: 0.2, votes: 0.1, front: Some(0.9) };

    fn at(row: usize, column: usize) -> usize {
        row * 40 + column
    }

    #[test]
    fn a_thing_is_in_front_as_far_as_it_reaches() {
        let cells = cells();
        let mut expected = vec![PLANE; cells.len()];
        (12..16).for_each(|row| expected[at(row, 19)] = FRONT);
        // A part of it is surely something else.
        expected[at(14, 12)] = Expected { inverse: 0.4, votes: 50.0, front: None };
        let found = spread(&expected, &cells);
        for (row, column) in [(14, 19), (14, 18), (14, 11), (10, 15), (18, 16)] {
            let found = found[at(row, column)];
            assert!((found - 0.9).abs() < 1e-6, "{row}, {column}: {found}");
        }
        for (row, column) in [(14, 21), (14, 8), (14, 12), (14, 39)] {
            assert_eq!(found[at(row, column)], expected[at(row, column)].inverse, "{row}, {column}");
        }
    }

    #[test]
    fn one_cell_alone_is_not_believed() {
        let cells = cells();
        let mut expected = vec![PLANE; cells.len()];
        for cell in [at(5, 15), at(14, 15), at(15, 16), at(0, 10), at(29, 19)] {
            expected[cell] = FRONT;
        }
        assert_eq!(spread(&expected, &cells), vec![0.2; cells.len()]);
    }

    /// Nothing that is nearer already is moved away, and nothing in front is no error.
    #[test]
    fn nothing_moves_away() {
        let cells = cells();
        let mut expected = vec![Expected { inverse: 2.0, ..PLANE }; cells.len()];
        assert_eq!(spread(&expected, &cells), vec![2.0; cells.len()]);
        let fronts: Vec<usize> = (12..16).map(|row| at(row, 19)).collect();
        fronts.iter().for_each(|&cell| expected[cell] = FRONT);
        let found = spread(&expected, &cells);
        for (cell, found) in found.into_iter().enumerate() {
            let expected: f64 = if fronts.contains(&cell) { 0.9 } else { 2.0 };
            assert!((found - expected).abs() < 1e-6, "{cell}: {found}");
        }
    }
}
