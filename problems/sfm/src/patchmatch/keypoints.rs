//! Corners of an image at several sizes, and descriptors by which they are found again in another image.

use std::sync::LazyLock;

use nalgebra::Vector2;
use rayon::prelude::*;

use super::{pyramid::reduced, shape::Shape};
use crate::{Map, Result};

/// Numbers in a descriptor: 4 by 4 cells of 8 directions.
pub(super) const LENGTH: usize = 128;
/// Each size is the one before over √2.
const SIZES: usize = 4;
/// Pixels between the 16 by 16 places that a descriptor samples.
const SPACING: f32 = 1.25;
/// Corners nearer to the border have no descriptor.
const MARGIN: usize = 12;

/// Corners of an image at several sizes (least eigenvalue of the structure tensor; Shi & Tomasi, CVPR 1994).
pub(super) struct Corners {
    sizes: Vec<Size>,
}

struct Size {
    slopes: Slopes,
    /// Column and row, pixels of this size.
    corners: Vec<[f32; 2]>,
    /// Width and height of the image over those of this size.
    scale: [f32; 2],
}

/// Corners with SIFT descriptors (Lowe, IJCV 2004) as square roots (Arandjelović & Zisserman, CVPR 2012).
///
/// Descriptors are not turned to a main direction, each by itself: cameras that are carried roll little, and what does not turn with
/// the picture tells more. Where one rolls, all are turned alike. A corner may have several, of different shapes.
#[derive(Debug, Default)]
pub(super) struct Keypoints {
    /// Column and row, pixels of the image.
    pub(super) places: Vec<[f32; 2]>,
    /// [`LENGTH`] numbers each, of length 1.
    pub(super) descriptors: Vec<f32>,
}

impl Corners {
    /// At most about `most`, spread over the picture.
    pub(super) fn new(grey: &Map, most: usize) -> Result<Self> {
        let mut sizes = Vec::new();
        let (height, width) = (grey.height(), grey.width());
        for size in 0..SIZES {
            let factor = 0.5f64.powf(0.5 * size as f64);
            let side = |n: usize| (n as f64 * factor).round() as usize;
            let (rows, columns) = (side(height), side(width));
            if rows.min(columns) <= 2 * MARGIN + 2 {
                break;
            }
            let slopes = Slopes::new(&reduced(grey, (rows, columns))?);
            // As many as the area says: half as many at every size.
            let corners = slopes.corners(most / (2 << size));
            let scale = [width as f32 / columns as f32, height as f32 / rows as f32];
            sizes.push(Size { slopes, corners, scale });
        }
        Ok(Self { sizes })
    }

    /// Each described as often as there are shapes of its surroundings.
    pub(super) fn described(&self, shapes: &[Shape]) -> Keypoints {
        let mut found = Keypoints::default();
        for shape in shapes {
            for Size { slopes, corners, scale: [sx, sy] } in &self.sizes {
                let described: Vec<_> = corners.par_iter().map(|&at| slopes.descriptor(at, shape)).collect();
                let places = corners.iter().map(|[x, y]| [(x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5]);
                found.places.extend(places);
                found.descriptors.extend(described.into_iter().flatten());
            }
        }
        found
    }
}

impl Keypoints {
    pub(super) fn descriptor(&self, i: usize) -> &[f32] {
        &self.descriptors[i * LENGTH..(i + 1) * LENGTH]
    }

    /// Only so many, the first.
    pub(super) fn first(&self, count: usize) -> Self {
        let places = self.places.iter().take(count).copied().collect();
        let descriptors = self.descriptors.iter().take(count * LENGTH).copied().collect();
        Self { places, descriptors }
    }
}

/// Slopes of a smoothed image.
struct Slopes {
    height: usize,
    width: usize,
    across: Vec<f32>,
    down: Vec<f32>,
}

impl Slopes {
    fn new(image: &Map) -> Self {
        let (height, width) = (image.height(), image.width());
        let smooth = smoothed(image.values(), width);
        let (mut across, mut down) = (vec![0.0; smooth.len()], vec![0.0; smooth.len()]);
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                let i = y * width + x;
                across[i] = 0.5 * (smooth[i + 1] - smooth[i - 1]);
                down[i] = 0.5 * (smooth[i + width] - smooth[i - width]);
            }
        }
        Self { height, width, across, down }
    }

    /// At most about `most` columns and rows, to parts of a pixel.
    fn corners(&self, most: usize) -> Vec<[f32; 2]> {
        let (height, width) = (self.height, self.width);
        let product = |a: &[f32], b: &[f32]| {
            let product: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
            smoothed(&product, width)
        };
        let (xx, xy, yy) = (
            product(&self.across, &self.across),
            product(&self.across, &self.down),
            product(&self.down, &self.down),
        );
        let least = |i: usize| 0.5 * (xx[i] + yy[i]) - (0.5 * (xx[i] - yy[i])).hypot(xy[i]);
        let score: Vec<f32> = (0..xx.len()).map(least).collect();
        // Below the least, slopes are of rounding.
        let floor = score.iter().copied().fold(1e-4, f32::max) * 1e-3;
        let mut found = Vec::new();
        for y in MARGIN..height - MARGIN {
            for x in MARGIN..width - MARGIN {
                let own = score[y * width + x];
                let highest =
                    |row: usize| score[row * width + x - 2..=row * width + x + 2].iter().all(|s| *s <= own);
                if own > floor && (y - 2..=y + 2).all(highest) {
                    found.push((own, x, y));
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Three times a cell's share at most, so that no part of the picture has all of them.
        let mut room = vec![(3 * most).div_ceil(CELLS * CELLS); CELLS * CELLS];
        found.retain(|&(_, x, y)| {
            let left = &mut room[(y * CELLS / height) * CELLS + x * CELLS / width];
            *left = left.saturating_sub(1);
            *left > 0
        });
        found.truncate(most);
        let finer = |(_, x, y): (f32, usize, usize)| {
            let i = y * width + x;
            let vertex = |before: f32, here: f32, after: f32| {
                let bend = before - 2.0 * here + after;
                if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 }
            };
            [
                x as f32 + vertex(score[i - 1], score[i], score[i + 1]),
                y as f32 + vertex(score[i - width], score[i], score[i + width]),
            ]
        };
        found.into_iter().map(finer).collect()
    }

    fn descriptor(&self, [x, y]: [f32; 2], shape: &Shape) -> [f32; LENGTH] {
        let mut cells = [0f32; LENGTH];
        for Sample { at: [u, v], weight, shares } in SAMPLES.iter() {
            let at = SPACING * shape * Vector2::new(*u, *v);
            // The chain rule: slopes along the descriptor's coordinates.
            let slope = shape.tr_mul(&self.at(x + at.x, y + at.y));
            let weight = slope.norm() * weight;
            let direction = slope.y.atan2(slope.x) * (4.0 / std::f32::consts::PI) + 8.0;
            // Each sample is shared by the two nearest directions and the four nearest cells.
            let (turn, part) = (direction as usize, direction.fract());
            for (cell, [wy, wx]) in shares {
                let share = weight * wy * wx;
                cells[cell + turn % 8] += share * (1.0 - part);
                cells[cell + (turn + 1) % 8] += share * part;
            }
        }
        let length = cells.iter().map(|c| c * c).sum::<f32>().sqrt().max(1e-12);
        cells.iter_mut().for_each(|c| *c = (*c / length).min(0.2));
        let sum = cells.iter().sum::<f32>().max(1e-12);
        cells.map(|c| (c / sum).sqrt())
    }

    /// Slopes between pixels; places at the border are held inside.
    fn at(&self, x: f32, y: f32) -> Vector2<f32> {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 1.001), y.clamp(0.0, self.height as f32 - 1.001));
        let (left, top) = (x as usize, y as usize);
        let (u, v) = (x - left as f32, y - top as f32);
        let i = top * self.width + left;
        let mix = |s: &[f32]| {
            (1.0 - v) * ((1.0 - u) * s[i] + u * s[i + 1])
                + v * ((1.0 - u) * s[i + self.width] + u * s[i + self.width + 1])
        };
        Vector2::new(mix(&self.across), mix(&self.down))
    }
}

/// A place that descriptors sample.
struct Sample {
    /// Right and down from the corner, in units of [`SPACING`].
    at: [f32; 2],
    weight: f32,
    /// Which cells it counts in, and how much by rows and by columns.
    shares: Vec<(usize, [f32; 2])>,
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let sample = |i: usize| {
        let [row, column] = [i / 16, i % 16].map(|i| i as f32);
        let [u, v] = [column - 7.5, row - 7.5];
        let beside = |at: f32| {
            let at = (at + 0.5) / 4.0 - 0.5;
            [(at.floor(), 1.0 - (at - at.floor())), (at.floor() + 1.0, at - at.floor())]
        };
        let inside = |(cell, _): &(f32, f32)| (0.0..4.0).contains(cell);
        let shares = beside(row).into_iter().filter(inside).flat_map(|(cy, wy)| {
            beside(column)
                .into_iter()
                .filter(inside)
                .map(move |(cx, wx)| (8 * (4 * cy as usize + cx as usize), [wy, wx]))
        });
        Sample { at: [u, v], weight: (-(u * u + v * v) / 128.0).exp(), shares: shares.collect() }
    };
    (0..256).map(sample).collect()
});

/// The picture is cut into this many cells each way.
const CELLS: usize = 8;

/// By 1 4 6 4 1 over 16 both ways; past the border pixels repeat.
fn smoothed(values: &[f32], width: usize) -> Vec<f32> {
    const WEIGHTS: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];
    let height = values.len() / width;
    let along = |values: &[f32], count: usize, at: &dyn Fn(usize) -> usize, here: usize| -> f32 {
        let place = |k: usize| (here + k).saturating_sub(2).min(count - 1);
        WEIGHTS.iter().enumerate().map(|(k, w)| w * values[at(place(k))]).sum()
    };
    let mut rows = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            rows.push(along(values, width, &|x| y * width + x, x));
        }
    }
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            out.push(along(&rows, height, &|y| y * width + x, y));
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        super::{matching::Rule, shape},
        *,
    };

    /// Smooth blobs without a pattern, at a place of an endless plane.
    fn picture(size: (usize, usize), by: f32, zoom: f32) -> Map {
        seen(size, |[x, y]| [x / zoom + by, y / zoom])
    }

    /// The plane as seen where `from` says.
    fn seen((height, width): (usize, usize), from: impl Fn([f32; 2]) -> [f32; 2]) -> Map {
        let value = |i: usize| {
            let [x, y] = from([(i % width) as f32, (i / width) as f32]);
            let wave = |k: u32| {
                let k = k as f32;
                (x * (0.11 + 0.03 * k) + 1.7 * k * k + (y * (0.07 + 0.02 * k)).sin() * 2.0).sin()
                    * (y * (0.13 + 0.021 * k) + 0.9 * k + (x * 0.05 * k).cos()).cos()
            };
            0.5 + 0.1 * (1..6).map(wave).sum::<f32>()
        };
        Map::new(height, width, (0..height * width).map(value).collect()).unwrap()
    }

    /// Matches whose second place is within a pixel and a half of where the picture moved, and all.
    fn right(other: &Map, shapes: &[Shape], to: impl Fn([f32; 2]) -> [f32; 2]) -> (usize, usize) {
        let own = Corners::new(&picture((120, 160), 0.0, 1.0), 300).unwrap().described(&[shape::upright()]);
        let there = Corners::new(other, 300).unwrap().described(shapes);
        let matches = own.matches(&there, Rule::ANYWHERE).unwrap();
        let near = |[p, q]: &[[f32; 2]; 2]| {
            let [x, y] = to(*p);
            (x - q[0]).hypot(y - q[1]) < 1.5
        };
        (matches.iter().filter(|pair| near(pair)).count(), matches.len())
    }

    #[test]
    fn a_moved_picture_is_found_again() {
        let (near, all) = right(&picture((120, 160), 7.5, 1.0), &[shape::upright()], |[x, y]| [x - 7.5, y]);
        assert!(all > 40 && near * 10 >= all * 9, "{near} of {all}");
    }

    #[test]
    fn a_larger_picture_is_found_again() {
        let (near, all) =
            right(&picture((180, 240), 0.0, 1.5), &[shape::upright()], |[x, y]| [1.5 * x, 1.5 * y]);
        assert!(all > 20 && near * 10 >= all * 8, "{near} of {all}");
    }

    /// Turned by 60 degrees about its middle: with descriptors turned by 45, but not with upright ones.
    #[test]
    fn a_turned_picture_is_found_again() {
        let turned = |[x, y]: [f32; 2], degrees: f32| {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (u, v) = (x - 79.5, y - 59.5);
            [cos * u - sin * v + 79.5, sin * u + cos * v + 59.5]
        };
        let other = seen((120, 160), |at| turned(at, -60.0));
        let (near, all) = right(&other, &[shape::rolled(45f32.to_radians())], |at| turned(at, 60.0));
        assert!(all > 40 && near * 10 >= all * 9, "{near} of {all}");
        let (near, all) = right(&other, &[shape::upright()], |at| turned(at, 60.0));
        assert!(near < 10, "{near} of {all}");
    }

    /// Columns half as far apart: with slanted descriptors, but not with upright ones.
    #[test]
    fn a_picture_from_aside_is_found_again() {
        let other = seen((120, 80), |[x, y]| [2.0 * x, y]);
        let to = |[x, y]: [f32; 2]| [0.5 * x, y];
        let (near, all) = right(&other, &shape::slanted(), to);
        let (upright, of) = right(&other, &[shape::upright()], to);
        assert!(
            near > 40 && near * 10 >= all * 6 && upright * 4 < near,
            "{near} of {all}, {upright} of {of}"
        );
    }

    #[test]
    fn pictures_of_nothing_have_no_matches() {
        let flat = Map::new(60, 80, vec![0.5; 4800]).unwrap();
        let nothing = Corners::new(&flat, 100).unwrap().described(&[shape::upright()]);
        assert!(nothing.places.is_empty() && nothing.matches(&nothing, Rule::ANYWHERE).unwrap().is_empty());
        let tiny = Corners::new(&Map::new(8, 8, vec![0.5; 64]).unwrap(), 100)
            .unwrap()
            .described(&[shape::upright()]);
        assert!(tiny.places.is_empty());
    }
}
