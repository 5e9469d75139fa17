//! Bᵀ d B of the input tiles of one panel.

use super::Axis;
use super::points::MAX;
use super::shuffle::{MAX_LANES, PART, load_pixels, load_rows};
use crate::conv::shapes::ConvShape;
use crate::conv::source::Source;
use crate::conv::tiles::{PACK, Runs};
use crate::simd::{Simd, block_of};

/// The pixels of one row under the tiles of all runs, run by run. What whole vectors and parts read beyond the end is
/// never used.
type Row = [f32; PACK * MAX + MAX_LANES];

/// Writes the transformed tiles of `runs` to panels: each is `[points, channels, lanes]`, points row by row.
#[inline(always)]
pub(in crate::conv) fn pack_inputs<S: Simd, Y: Axis, X: Axis>(
    simd: S,
    source: &Source,
    shape: &ConvShape,
    runs: &Runs,
    panels: &mut [f32],
) {
    let columns = block_of::<S>().columns;
    let panel_size = Y::POINTS * X::POINTS * shape.inputs * columns;
    let starts = starts::<X>(runs);
    let mut rows: [Row; MAX] = [[0.0; PACK * MAX + MAX_LANES]; MAX];
    for channel in 0..shape.inputs {
        let pixels = load_channel::<Y, X>(source, shape, channel, runs, &mut rows);
        if X::POINTS > 1 && Y::POINTS > 1 {
            // On pixels in the order of the map: neighbouring tiles share these sums.
            for at in 0..pixels.div_ceil(S::F32_LANES) {
                let d = Y::input(simd, load_rows::<S>(simd, &rows, Y::POINTS, at));
                for i in 0..Y::POINTS {
                    S::as_mut_simd_f32s(&mut rows[i]).0[at] = d[i];
                }
            }
        }
        for (i, panel) in panels.chunks_exact_mut(panel_size).enumerate() {
            for vector in 0..columns / S::F32_LANES {
                let at = i * (columns / S::F32_LANES) + vector;
                let place = Place { channel, channels: shape.inputs, columns, vector };
                if X::POINTS == 1 {
                    let d = Y::input(simd, load_rows::<S>(simd, &rows, Y::POINTS, at));
                    for i in 0..Y::POINTS {
                        place.store::<S>(panel, i, d[i]);
                    }
                } else {
                    let starts = &starts[at * S::F32_LANES..];
                    for i in 0..Y::POINTS {
                        let d = X::input(simd, load_tiles::<S, X>(simd, &rows[i], starts));
                        for j in 0..X::POINTS {
                            place.store::<S>(panel, i * X::POINTS + j, d[j]);
                        }
                    }
                }
            }
        }
    }
}

/// Where in a [`Row`] each tile begins.
#[inline(always)]
fn starts<X: Axis>(runs: &Runs) -> [usize; PACK] {
    let (mut starts, mut first) = ([0; PACK], 0);
    for run in runs.iter() {
        for (i, start) in starts[run.lane..][..run.length].iter_mut().enumerate() {
            *start = first + i * X::OUTPUTS;
        }
        first += run_width::<X>(run.length);
    }
    starts
}

/// Pixels of one row under tiles beside each other.
#[inline(always)]
const fn run_width<X: Axis>(tiles: usize) -> usize {
    tiles * X::OUTPUTS + X::TAPS - 1
}

/// Copies the rows of one channel and gives their length.
#[inline(always)]
fn load_channel<Y: Axis, X: Axis>(
    source: &Source,
    shape: &ConvShape,
    channel: usize,
    runs: &Runs,
    rows: &mut [Row; MAX],
) -> usize {
    let mut first = 0;
    for run in runs.iter() {
        let plane = source.plane(run.image, channel);
        let y = run.y as isize - shape.geometry.pad_y as isize;
        let x = run.x as isize - shape.geometry.pad_x as isize;
        let width = run_width::<X>(run.length);
        for i in 0..Y::POINTS {
            source.copy_row(plane, y + i as isize, x, &mut rows[i][first..first + width]);
        }
        first += width;
    }
    first
}

/// The pixels of `LANES` tiles, by place in the tile; entries from `POINTS` on mean nothing.
#[inline(always)]
fn load_tiles<S: Simd, X: Axis>(simd: S, row: &Row, starts: &[usize]) -> [S::f32s; MAX] {
    let mut d = [simd.splat_f32s(0.0); MAX];
    [d[0], d[1], d[2], d[3]] = load_pixels(simd, row, starts, 0);
    [d[4], d[5], d[6], d[7]] = load_pixels(simd, row, starts, PART);
    if X::POINTS > 2 * PART {
        [d[8], d[9], ..] = load_pixels(simd, row, starts, 2 * PART);
    }
    d
}

/// Where a vector of a channel's numbers is in a panel.
#[derive(Debug, Clone, Copy)]
struct Place {
    channel: usize,
    channels: usize,
    columns: usize,
    vector: usize,
}

impl Place {
    /// Writes the vector of one point.
    #[inline(always)]
    fn store<S: Simd>(self, panel: &mut [f32], point: usize, value: S::f32s) {
        let start = (point * self.channels + self.channel) * self.columns + self.vector * S::F32_LANES;
        S::as_mut_simd_f32s(&mut panel[start..start + S::F32_LANES]).0[0] = value;
    }
}
