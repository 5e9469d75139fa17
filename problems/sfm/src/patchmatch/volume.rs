//! What every displacement of every pixel costs, computed once so that poses can be judged by looking up.

use dro_core::vectorized;
use dro_vision::Pinhole;
use nalgebra::{Isometry3, UnitQuaternion};
use rayon::prelude::*;

use crate::{
    Map, Result,
    cost::census::{chess_codes, turned},
    cost::warp::whole,
};

/// Costs are summed over this many pixels to each side.
const WINDOW: usize = 2;

/// Census costs of sampled target pixels against one neighbour, at every displacement up to a radius.
///
/// The neighbour is first turned by `base`, so that displacements are what rotation leaves.
pub(super) struct Volume {
    camera: Pinhole,
    base: UnitQuaternion<f64>,
    radius: usize,
    /// Sampled pixels in a row.
    pub(super) columns: usize,
    /// Column and row of each sampled pixel.
    pixels: Vec<(f32, f32)>,
    /// Per pixel `(2 radius + 1)²` costs, row by row, in bits of the census code.
    costs: Vec<u8>,
    /// What a displacement costs that cannot be judged: the pixel's mean over all displacements. A pixel without
    /// texture costs the same everywhere and so says nothing.
    unseen: Vec<f32>,
}

impl Volume {
    /// Samples every `stride`-th pixel of both axes.
    pub(super) fn new(
        (target, neighbour): (&Map, &Map),
        camera: Pinhole,
        tolerance: f32,
        base: UnitQuaternion<f64>,
        (radius, stride): (usize, usize),
    ) -> Result<Self> {
        let (height, width) = (target.height(), target.width());
        let turn = Isometry3::from_parts(Default::default(), base);
        let (warped, seen) = turned(neighbour, &camera, &turn);
        let codes = chess_codes(target.values(), width, tolerance);
        let others = chess_codes(&warped, width, tolerance);
        let side = 2 * radius + 1;
        let rows: Vec<usize> = (stride / 2..height).step_by(stride).collect();
        let columns: Vec<usize> = (stride / 2..width).step_by(stride).collect();
        let mut costs = vec![0u8; rows.len() * columns.len() * side * side];
        costs.par_chunks_mut(columns.len() * side * side).zip(&rows).for_each(|(costs, &y)| {
            let mut sums = vec![0u16; width];
            let band = y.saturating_sub(WINDOW)..(y + WINDOW + 1).min(height);
            for d in 0..side * side {
                let (dy, dx) = (d / side, d % side);
                sums.fill(0);
                for row in band.clone() {
                    let other = (row + dy).wrapping_sub(radius);
                    // Columns whose displaced pixel lies inside.
                    let (from, to) = (radius.saturating_sub(dx).min(width), (width + radius - dx).min(width));
                    if other >= height || from >= to {
                        sums.iter_mut().for_each(|s| *s += UNSEEN);
                        continue;
                    }
                    sums[..from].iter_mut().for_each(|s| *s += UNSEEN);
                    sums[to..].iter_mut().for_each(|s| *s += UNSEEN);
                    let at = other * width + from + dx - radius;
                    let (a, b) = (&codes[row * width + from..row * width + to], &others[at..at + to - from]);
                    let seen = &seen[at..at + to - from];
                    vectorized(
                        #[inline(always)]
                        || {
                            for (((s, a), b), &seen) in sums[from..to].iter_mut().zip(a).zip(b).zip(seen) {
                                let bits = (a ^ b).count_ones() as u16;
                                *s += if seen { bits } else { UNSEEN };
                            }
                        },
                    );
                }
                for (i, &x) in columns.iter().enumerate() {
                    let near = &sums[x.saturating_sub(WINDOW)..(x + WINDOW + 1).min(width)];
                    let n = near.len() * band.len();
                    let sum: u32 = near.iter().map(|&s| u32::from(s)).sum();
                    // Four steps per bit.
                    costs[i * side * side + d] = (4 * sum as usize / n).min(255) as u8;
                }
            }
        });
        let mean = |c: &[u8]| c.iter().map(|&v| u32::from(v)).sum::<u32>() as f32 / c.len() as f32;
        Ok(Self {
            camera,
            base,
            radius,
            columns: columns.len(),
            pixels: rows.iter().flat_map(|&y| columns.iter().map(move |&x| (x as f32, y as f32))).collect(),
            unseen: costs.chunks(side * side).map(mean).collect(),
            costs,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.pixels.len()
    }

    /// What a pixel costs where nothing can be judged.
    pub(super) fn unseen(&self, pixel: usize) -> f32 {
        self.unseen[pixel]
    }

    /// What the whole picture costs where nothing can be judged.
    pub(super) fn ceiling(&self) -> f64 {
        self.unseen.iter().map(|&u| f64::from(u)).sum()
    }

    /// The costs of `pixel` at each of `inv_depths`, added to `out`.
    pub(super) fn add(&self, warp: &Linear, pixel: usize, inv_depths: &[f32], out: &mut [f32]) {
        let side = 2 * self.radius + 1;
        let (u, v) = self.pixels[pixel];
        let costs = &self.costs[pixel * side * side..(pixel + 1) * side * side];
        let unseen = self.unseen[pixel];
        let (a, b) = (warp.at(u, v), warp.b);
        let (du, dv) = (self.radius as f32 - u, self.radius as f32 - v);
        let limit = (side - 1) as f32;
        vectorized(
            #[inline(always)]
            || {
                let parts = inv_depths.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE));
                for (inv_depths, out) in parts {
                    let (mut at, mut across, mut down) = ([0i32; AT_ONCE], [0f32; AT_ONCE], [0f32; AT_ONCE]);
                    let places = at.iter_mut().zip(&mut across).zip(&mut down);
                    for (&x, ((at, across), down)) in inv_depths.iter().zip(places) {
                        let inverse = (a[2] + x * b[2]).max(1e-3).recip();
                        let s = (a[0] + x * b[0]) * inverse + du;
                        let t = (a[1] + x * b[1]) * inverse + dv;
                        // Written so that NaN is outside.
                        let inside = (s >= 0.0) & (t >= 0.0) & (s < limit) & (t < limit);
                        let (s, t) = if inside { (s, t) } else { (0.0, 0.0) };
                        let (j, i) = (whole(s), whole(t));
                        *at = if inside { i * side as i32 + j } else { -1 };
                        (*across, *down) = (s - j as f32, t - i as f32);
                    }
                    for (((out, at), across), down) in out.iter_mut().zip(at).zip(across).zip(down) {
                        let Ok(at) = usize::try_from(at) else {
                            *out += unseen;
                            continue;
                        };
                        let from = &costs[at..][..side + 2];
                        let mix = |l: &[u8]| f32::from(l[0]) + across * (f32::from(l[1]) - f32::from(l[0]));
                        let (above, below) = (mix(from), mix(&from[side..]));
                        *out += (above + down * (below - above)).min(unseen);
                    }
                }
            },
        );
    }

    /// Where a pose takes pixels, in the turned neighbour.
    pub(super) fn linear(&self, pose: &Isometry3<f64>) -> Linear {
        let c = &self.camera;
        let pose = self.base.inverse() * pose;
        let k = c.matrix();
        let (f, o) = ([c.fx.recip(), c.fy.recip()], [c.cx, c.cy]);
        let back = nalgebra::Matrix3::new(f[0], 0.0, -o[0] * f[0], 0.0, f[1], -o[1] * f[1], 0.0, 0.0, 1.0);
        let a = (k * pose.rotation.to_rotation_matrix().matrix() * back).cast::<f32>();
        let b = (k * pose.translation.vector).cast::<f32>();
        Linear { a, b: [b.x, b.y, b.z] }
    }
}

/// Depths whose places are computed before any is looked at.
const AT_ONCE: usize = 32;

/// Bits that differ where one of the two pixels is not in the picture: as many as by chance.
const UNSEEN: u16 = 16;

/// `q ~ A (u, v, 1)ᵀ + x b`.
pub(super) struct Linear {
    a: nalgebra::Matrix3<f32>,
    b: [f32; 3],
}

impl Linear {
    fn at(&self, u: f32, v: f32) -> [f32; 3] {
        [0, 1, 2].map(|r| self.a[(r, 0)] * u + self.a[(r, 1)] * v + self.a[(r, 2)])
    }
}
