//! Planes on which known places lie.

use candle_core::{Device, Tensor};
use nalgebra::{Matrix3, Vector3};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{geodesic::Geodesic, likely::Known, search::mixed};
use crate::Result;

/// Planes that are proposed.
const PROPOSALS: usize = 400;
/// Places around one that a plane is fitted to: little things and large ones.
const AROUND: [usize; 3] = [60, 150, 400];
/// Refinements of a plane.
const REFINED: usize = 3;
/// By how much an explained place may be off: parallax in pixels for a baseline of 1, and a part of its inverse depth.
const OFF_PX: f64 = 3.0;
const OFF: f64 = 0.02;
/// Weight of slopes against that of all places: what places on a line do not say is level.
const LEVEL: f64 = 1e-4;

/// Distance beyond which a known place soon counts for little, as a part of the image's width, along ways around edges.
const REACH: f32 = 0.2;
/// It falls with the fifth power of the distance: where it falls with the third, a large wall that is far away has as many votes, of all that is
/// known of it, as the floor right beside.
const FALL: f32 = 2.5;

/// Known places by the cells that they are in.
pub(super) struct Grouped {
    /// Of each cell with known places, which they are.
    pub(super) members: Vec<Vec<usize>>,
    /// Of the same cell, the ways to all cells.
    pub(super) far: Vec<Vec<f32>>,
    /// Of each known place, which of the above its cell is.
    group: Vec<usize>,
    /// Of each of them, the cell.
    cell: Vec<usize>,
}

impl Grouped {
    pub(super) fn new(known: &[Known], cells: &Geodesic) -> Self {
        let mut of_cell = vec![None; cells.len()];
        let (mut members, mut cell) = (Vec::<Vec<usize>>::new(), Vec::new());
        let mut group = Vec::with_capacity(known.len());
        for (i, place) in known.iter().enumerate() {
            let at = cells.cell(place.at);
            let g = *of_cell[at].get_or_insert(members.len());
            if g == members.len() {
                members.push(Vec::new());
                cell.push(at);
            }
            members[g].push(i);
            group.push(g);
        }
        let far = cell.par_iter().map(|&cell| cells.from(cell)).collect();
        Self { members, far, group, cell }
    }

    /// About `count` known places nearest to one: whole cells.
    fn around(&self, place: usize, count: usize) -> Vec<usize> {
        let far = &self.far[self.group[place]];
        let mut groups: Vec<usize> = (0..self.cell.len()).collect();
        groups.sort_by(|&a, &b| far[self.cell[a]].total_cmp(&far[self.cell[b]]));
        let mut around = Vec::with_capacity(2 * count);
        for g in groups {
            around.extend(&self.members[g]);
            if around.len() >= count {
                break;
            }
        }
        around
    }
}

/// Inverse depth as it is on a plane: linear in the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane {
    /// At the image's corner, and its change over one width to the right and down.
    values: Vector3<f64>,
    width_px: f64,
    off: f64,
}

impl Plane {
    fn place(&self, [x, y]: [f64; 2]) -> Vector3<f64> {
        Vector3::new(1.0, x / self.width_px, y / self.width_px)
    }

    pub(super) fn inverse(&self, at: [f64; 2]) -> f64 {
        self.values.dot(&self.place(at))
    }

    /// How well it explains a known place, at most 1.
    pub(super) fn explains(&self, known: &Known) -> f64 {
        let off = (self.inverse(known.at) - known.inverse) / self.tolerance(known);
        (1.0 + off * off).powi(-2)
    }

    fn tolerance(&self, known: &Known) -> f64 {
        self.off + OFF * known.inverse
    }

    /// The plane through three places; level at the first if they are on a line.
    fn through(self, places: [&Known; 3]) -> Self {
        let rows = places.map(|known| self.place(known.at).transpose());
        let right = Vector3::from(places.map(|known| known.inverse));
        let level = Vector3::new(right.x, 0.0, 0.0);
        Self { values: Matrix3::from_rows(&rows).lu().solve(&right).unwrap_or(level), ..self }
    }

    /// Nearer to the places that it explains (iteratively reweighted least squares).
    fn refined(self, known: &[Known], around: &[usize]) -> Self {
        let mut left = Matrix3::zeros();
        let mut right = Vector3::zeros();
        for known in around.iter().map(|&i| &known[i]) {
            let place = self.place(known.at);
            let weight = self.explains(known) / self.tolerance(known).powi(2);
            left += weight * place * place.transpose();
            right += weight * known.inverse * place;
        }
        let level = LEVEL * left.trace();
        left += Matrix3::from_diagonal(&Vector3::new(0.0, level, level));
        Self { values: left.lu().solve(&right).unwrap_or(self.values), ..self }
    }
}

/// Planes through three known places that are near each other, fitted to more around them (RANSAC; Fischler & Bolles 1981).
pub(super) fn proposed(
    known: &[Known],
    grouped: &Grouped,
    width_px: usize,
    focal_px: f64,
    seed: u64,
) -> Vec<Plane> {
    let none = Plane { values: Vector3::zeros(), width_px: width_px as f64, off: OFF_PX / focal_px };
    let propose = |i: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(mixed(seed, i as u64));
        let first = rng.random_range(0..known.len());
        let around = grouped.around(first, AROUND[i % AROUND.len()]);
        let mut other = || &known[around.choose(&mut rng).copied().unwrap_or(first)];
        let plane = none.through([&known[first], other(), other()]);
        (0..REFINED).fold(plane, |plane, _| plane.refined(known, &around))
    };
    (0..PROPOSALS).into_par_iter().map(propose).collect()
}

/// How much a known place counts at the end of a way d from it: `(1 + (d/0.2)²)^−2.5`.
pub(super) fn weight(d: f32) -> f32 {
    (1.0 + (d / REACH).powi(2)).powf(-FALL)
}

/// What planes have in each cell, and plane by plane: the sum over known places of `(1 + (d/0.2)²)^−2.5 · e`, d the way to the place and e how
/// well the plane explains it.
pub(super) fn votes(
    grouped: &Grouped,
    cells: &Geodesic,
    known: &[Known],
    planes: &[Plane],
) -> Result<Vec<Vec<f32>>> {
    let near: Vec<f32> = grouped.far.par_iter().flat_map_iter(|far| far.iter().map(|&d| weight(d))).collect();
    // How well each plane explains what is known in each cell.
    let explained: Vec<f32> = grouped
        .members
        .par_iter()
        .flat_map_iter(|members| {
            planes.iter().map(|plane| members.iter().map(|&i| plane.explains(&known[i]) as f32).sum())
        })
        .collect();
    let near = Tensor::from_vec(near, (grouped.far.len(), cells.len()), &Device::Cpu)?;
    let explained = Tensor::from_vec(explained, (grouped.far.len(), planes.len()), &Device::Cpu)?;
    Ok(near.t()?.matmul(&explained)?.to_vec2::<f32>()?)
}
