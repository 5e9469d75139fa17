//! Bᵀ d B of the input tiles of one panel.

use super::Axis;
use super::points::MAX;
use super::shuffle::{MAX_LANES, TILE, load_pixels, load_rows, to_tiles};
use crate::conv::shapes::ConvShape;
use crate::conv::source::Source;
use crate::conv::tiles::{PACK, Run, Runs};
use crate::simd::{Simd, block_of};

/// Buffers are longer than needed by one vector, because whole vectors are moved.
const SPILL: usize = MAX_LANES;

/// A row of pixels under the tiles of some panels.
type Row = [f32; (PACK + SPILL) * TILE + MAX];

/// One number per tile.
type Lanes = [f32; PACK + 2 * SPILL];

/// Memory of one call.
struct Buffers {
    rows: [Row; MAX],
    /// By row and by place in the tile, in the order of a run.
    tiles: [[Lanes; TILE]; MAX],
    /// By input of the tile, in the order of the panels.
    lanes: [Lanes; MAX * MAX],
}

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
    let points = Y::POINTS * X::POINTS;
    let panel_size = points * shape.inputs * columns;
    let mut buffers = Buffers {
        rows: [[0.0; (PACK + SPILL) * TILE + MAX]; MAX],
        tiles: [[[0.0; PACK + 2 * SPILL]; TILE]; MAX],
        lanes: [[0.0; PACK + 2 * SPILL]; MAX * MAX],
    };
    for channel in 0..shape.inputs {
        for run in runs.iter() {
            let plane = source.plane(run.image, channel);
            load_run::<S, Y, X>(simd, source, shape, plane, run, &mut buffers);
        }
        for (i, panel) in panels.chunks_exact_mut(panel_size).enumerate() {
            let lanes = &buffers.lanes;
            for vector in 0..columns / S::F32_LANES {
                let from = i * (columns / S::F32_LANES) + vector;
                let place = Place { channel, channels: shape.inputs, columns, vector };
                if X::POINTS == 1 {
                    let d = Y::input(simd, load_rows::<S>(simd, lanes, Y::POINTS, from));
                    for i in 0..Y::POINTS {
                        place.store::<S>(panel, i, d[i]);
                    }
                } else {
                    for i in 0..Y::POINTS {
                        let d = load_rows::<S>(simd, &lanes[i * X::POINTS..], X::POINTS, from);
                        let d = X::input(simd, d);
                        for j in 0..X::POINTS {
                            place.store::<S>(panel, i * X::POINTS + j, d[j]);
                        }
                    }
                }
            }
        }
    }
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

/// Moves the tiles of one run to their lanes, already transformed along y where x is transformed too.
#[inline(always)]
fn load_run<S: Simd, Y: Axis, X: Axis>(
    simd: S,
    source: &Source,
    shape: &ConvShape,
    plane: &[f32],
    run: &Run,
    buffers: &mut Buffers,
) {
    let Buffers { rows, tiles, lanes } = buffers;
    let (y, x) =
        (run.y as isize - shape.geometry.pad_y as isize, run.x as isize - shape.geometry.pad_x as isize);
    if X::POINTS == 1 {
        for i in 0..Y::POINTS {
            source.copy_row(plane, y + i as isize, x, &mut lanes[i][run.lane..run.lane + run.length]);
        }
        return;
    }
    // One tile more: what a tile reads beyond its own four pixels are the first ones of the next tile.
    let width = (run.length + 1) * TILE;
    for i in 0..Y::POINTS {
        source.copy_row(plane, y + i as isize, x, &mut rows[i][..width]);
    }
    for first in (0..run.length + 1).step_by(S::F32_LANES) {
        let zero = simd.splat_f32s(0.0);
        let mut pixels = [[zero; MAX]; TILE];
        for i in 0..Y::POINTS {
            let loaded = load_pixels(simd, &rows[i][first * TILE..]);
            for j in 0..TILE {
                pixels[j][i] = loaded[j];
            }
        }
        // On pixels in any order, before they are shuffled: neighbouring tiles share these sums.
        for pixels in &mut pixels {
            *pixels = Y::input(simd, *pixels);
        }
        for i in 0..Y::POINTS {
            let shuffled = to_tiles(simd, [pixels[0][i], pixels[1][i], pixels[2][i], pixels[3][i]]);
            for j in 0..TILE {
                S::as_mut_simd_f32s(&mut tiles[i][j][first..]).0[0] = shuffled[j];
            }
        }
    }
    // Lanes beyond the run are overwritten by the next one.
    for i in 0..Y::POINTS {
        for j in 0..X::POINTS {
            let from = &tiles[i][j % TILE][j / TILE..];
            let to = &mut lanes[i * X::POINTS + j][run.lane..];
            for first in (0..run.length).step_by(S::F32_LANES) {
                let vector = S::as_simd_f32s(&from[first..]).0[0];
                S::as_mut_simd_f32s(&mut to[first..]).0[0] = vector;
            }
        }
    }
}
