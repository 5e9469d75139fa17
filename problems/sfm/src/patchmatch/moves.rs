//! Candidate inverse-depth maps of a depth turn.

use rand_chacha::ChaCha8Rng;

use super::pose::standard_normal;
use crate::cost::EdgeFilter;

/// How a candidate map comes from the current one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// The current map again: its cost changes when poses move.
    Keep,
    /// One inverse depth everywhere (plane sweep; Collins, CVPR 1996).
    Plane(f32),
    /// The current map moved by columns and rows: what is right at a pixel is often right beside it (the propagation of
    /// Barnes et al., *PatchMatch*, SIGGRAPH 2009; for stereo, Bleyer et al., BMVC 2011).
    Shift(isize, isize),
    /// The current map plus a constant.
    Offset(f32),
    /// The current map plus smooth Gaussian noise of this standard deviation, with this many cells along the longer
    /// side (the random search of PatchMatch, kept smooth so that a window sees one surface).
    Noise(f32, usize),
    /// The current map smoothed within image edges, textured pixels counting more; accepted with some slack.
    Smooth,
}

/// A plane sweep: `planes` inverse depths from `lower` to `upper`, evenly spaced, then one propagation round.
pub fn sweep(lower: f32, upper: f32, planes: usize) -> Vec<Move> {
    let step = (upper - lower) / planes.saturating_sub(1).max(1) as f32;
    let mut moves = vec![Move::Keep];
    moves.extend((0..planes).map(|i| Move::Plane(lower + step * i as f32)));
    moves.push(Move::Smooth);
    moves
}

/// Propagation and local search around the current map, from steps of `step` (in inverse depth) down to a quarter of it.
pub fn refine(step: f32) -> Vec<Move> {
    let mut moves = vec![Move::Keep];
    for (reach, scale) in [(6, 1.0), (3, 0.5), (1, 0.25)] {
        moves.extend([(reach, 0), (-reach, 0), (0, reach), (0, -reach)].map(|(dx, dy)| Move::Shift(dx, dy)));
        moves.extend([Move::Offset(step * scale), Move::Offset(-step * scale)]);
        moves.extend([Move::Noise(step * scale, 4), Move::Noise(step * scale, 10)]);
        moves.push(Move::Smooth);
    }
    moves
}

/// What moves need to know of the image.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) lower: f32,
    pub(super) upper: f32,
    pub(super) smoothing: EdgeFilter,
    /// Weight of each pixel in smoothing: never zero, so that a picture without texture smooths evenly.
    pub(super) weight: Vec<f32>,
}

impl Ground {
    pub(super) fn new(
        size: (usize, usize),
        bounds: (f32, f32),
        texture: &[f32],
        smoothing: EdgeFilter,
    ) -> Self {
        let weight = texture.iter().map(|t| t + 0.01).collect();
        Self { height: size.0, width: size.1, lower: bounds.0, upper: bounds.1, smoothing, weight }
    }

    /// The candidate, inside the bounds. `costs` are those of the current map, empty if not known.
    pub(super) fn apply(&self, step: Move, now: &[f32], costs: &[f32], rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut map = match step {
            Move::Keep => now.to_vec(),
            Move::Plane(x) => vec![x; now.len()],
            Move::Shift(dx, dy) => self.shifted(now, dx, dy),
            Move::Offset(by) => now.iter().map(|x| x + by).collect(),
            Move::Noise(deviation, cells) => self.noisy(now, deviation, cells, rng),
            Move::Smooth => self.smoothed(now, costs),
        };
        map.iter_mut().for_each(|x| *x = x.max(self.lower).min(self.upper));
        map
    }

    fn shifted(&self, now: &[f32], dx: isize, dy: isize) -> Vec<f32> {
        let clamp = |i: usize, by: isize, n: usize| i.saturating_add_signed(-by).min(n - 1);
        let columns: Vec<usize> = (0..self.width).map(|x| clamp(x, dx, self.width)).collect();
        let rows = (0..self.height).map(|y| &now[clamp(y, dy, self.height) * self.width..][..self.width]);
        rows.flat_map(|row| columns.iter().map(|&x| row[x])).collect()
    }

    fn noisy(&self, now: &[f32], deviation: f32, cells: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let cell = (self.width.max(self.height) as f32 / cells.max(1) as f32).max(1.0);
        let (columns, rows) =
            ((self.width as f32 / cell) as usize + 2, (self.height as f32 / cell) as usize + 2);
        let grid: Vec<f32> = (0..columns * rows).map(|_| deviation * standard_normal(rng) as f32).collect();
        let mut map = now.to_vec();
        for (y, row) in map.chunks_mut(self.width).enumerate() {
            let v = y as f32 / cell;
            let (i, fv) = (v as usize, v.fract());
            let (above, below) = (&grid[i * columns..][..columns], &grid[(i + 1) * columns..][..columns]);
            for (x, value) in row.iter_mut().enumerate() {
                let u = x as f32 / cell;
                let (j, fu) = (u as usize, u.fract());
                let mix = |line: &[f32]| line[j] + fu * (line[j + 1] - line[j]);
                *value += mix(above) + fv * (mix(below) - mix(above));
            }
        }
        map
    }

    fn smoothed(&self, now: &[f32], costs: &[f32]) -> Vec<f32> {
        let mut weight = self.weight.clone();
        // A pixel that fits badly learns from its surroundings and not the other way round.
        weight.iter_mut().zip(costs).for_each(|(w, cost)| *w *= (-20.0 * cost).exp());
        let mut map: Vec<f32> = now.iter().zip(&weight).map(|(x, w)| x * w).collect();
        self.smoothing.apply(&mut map);
        self.smoothing.apply(&mut weight);
        map.iter_mut().zip(&weight).for_each(|(x, w)| *x /= w);
        map
    }
}
