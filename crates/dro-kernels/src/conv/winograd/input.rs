//! Bᵀ d B of the input tiles of one panel.

use super::Axis;
use super::points::MAX;
use crate::conv::shapes::ConvShape;
use crate::conv::source::Source;
use crate::conv::tiles::{Run, Runs};
use crate::simd::{MAX_COLUMNS, Simd, block_of};

/// Tiles that are moved from rows to lanes at once; buffers are longer by this, so that the last move may spill.
const GROUP: usize = 8;

const ROW: usize = (MAX_COLUMNS + GROUP) * 4 + MAX;

/// Input pixels at one place of a tile, by lane.
type Lanes = [f32; MAX_COLUMNS + GROUP];

/// Writes the transformed tiles of `runs`: `panel` is `[points, channels, lanes]`, points row by row.
#[inline(always)]
pub(in crate::conv) fn pack_inputs<S: Simd, Y: Axis, X: Axis>(
    simd: S,
    source: &Source,
    shape: &ConvShape,
    runs: &Runs,
    panel: &mut [f32],
) {
    let columns = block_of::<S>().columns;
    let mut rows = [[0f32; ROW]; MAX];
    let mut lanes = [[0f32; MAX_COLUMNS + GROUP]; MAX * MAX];
    for channel in 0..shape.inputs {
        for run in runs.iter() {
            let plane = source.plane(run.image, channel);
            load_run::<S, Y, X>(simd, source, shape, plane, run, &mut rows, &mut lanes);
        }
        let mut store = |point: usize, at: usize, value: S::f32s| {
            let start = (point * shape.inputs + channel) * columns;
            S::as_mut_simd_f32s(&mut panel[start..start + columns]).0[at] = value;
        };
        for at in 0..columns / S::F32_LANES {
            if X::POINTS == 1 {
                let d = load_all::<S>(simd, &lanes, Y::POINTS, at);
                let d = Y::input(simd, d);
                for i in 0..Y::POINTS {
                    store(i, at, d[i]);
                }
            } else {
                for i in 0..Y::POINTS {
                    let d = load_all::<S>(simd, &lanes[i * X::POINTS..], X::POINTS, at);
                    let d = X::input(simd, d);
                    for j in 0..X::POINTS {
                        store(i * X::POINTS + j, at, d[j]);
                    }
                }
            }
        }
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
    rows: &mut [[f32; ROW]; MAX],
    lanes: &mut [Lanes; MAX * MAX],
) {
    let (y, x) =
        (run.y as isize - shape.geometry.pad_y as isize, run.x as isize - shape.geometry.pad_x as isize);
    if X::POINTS == 1 {
        for i in 0..Y::POINTS {
            source.copy_row(plane, y + i as isize, x, &mut lanes[i][run.lane..run.lane + run.length]);
        }
        return;
    }
    let width = (run.length - 1) * X::OUTPUTS + X::POINTS;
    for i in 0..Y::POINTS {
        source.copy_row(plane, y + i as isize, x, &mut rows[i][..width]);
    }
    if Y::POINTS > 1 {
        // On whole rows, where neighbouring tiles share their columns.
        for at in 0..width.div_ceil(S::F32_LANES) {
            let d = Y::input(simd, load_all::<S>(simd, rows, Y::POINTS, at));
            for i in 0..Y::POINTS {
                S::as_mut_simd_f32s(&mut rows[i]).0[at] = d[i];
            }
        }
    }
    for i in 0..Y::POINTS {
        for first in (0..run.length).step_by(GROUP) {
            for j in 0..X::POINTS {
                let out = &mut lanes[i * X::POINTS + j][run.lane + first..][..GROUP];
                let row = &rows[i][first * X::OUTPUTS + j..][..(GROUP - 1) * X::OUTPUTS + 1];
                for u in 0..GROUP {
                    out[u] = row[u * X::OUTPUTS];
                }
            }
        }
    }
}

/// Vector number `at` of each of the first `count` rows.
#[inline(always)]
fn load_all<S: Simd>(simd: S, rows: &[impl AsRef<[f32]>], count: usize, at: usize) -> [S::f32s; MAX] {
    let mut d = [simd.splat_f32s(0.0); MAX];
    for i in 0..count {
        d[i] = S::as_simd_f32s(rows[i].as_ref()).0[at];
    }
    d
}
