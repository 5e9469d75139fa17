//! Planes that pictures contradict: where a neighbour shows the place and it looks different, something is in front of it.

use std::ops::RangeInclusive;

use super::{
    free_space::{FreeSpace, View},
    likely::Known,
    planes::Plane,
    sight::Sight,
};
use crate::{Map, sorted::Sorted};

/// What is so much alike, or less, has nothing in common, and what is so much alike looks the same.
const ALIKE: (f32, f32) = (0.2, 0.6);
/// Parallax by which a plane may be off, pixels.
const OFF_PX: i32 = 2;
/// What is so much alike at another depth is there, which is looked for over at most so many pixels of parallax.
const ELSEWHERE: f32 = 0.75;
const MOST_PX: f64 = 400.0;
/// Grey values outside are clipped, or no picture at all, as beyond the border of an undistorted one: gains do not hold for them.
const EXPOSED: std::ops::Range<f32> = 0.03..0.97;
/// Differences of grey values that mean nothing.
const NOISE: f32 = 0.02;
/// Where grey values have a smaller standard deviation, looking the same says little: white looks like any white.
const TEXTURE: f32 = 2.0 * NOISE;
/// A difference of brightness says something where it is greater than at so many thousandths of the known places.
const EXPLAINED: usize = 900;
/// The part of a patch that a neighbour must show.
const SHOWN: f32 = 0.6;
/// By how many pixels of parallax something must be nearer to hide a place.
const NEARER_PX: f64 = 2.0;

/// A square part of the target, in pixels of the images that are asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) middle: [f64; 2],
    pub(super) side: f64,
}

/// Something that hides a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InFront {
    /// How surely, 0 to 1.
    pub(super) surely: f32,
    /// The inverse depth beyond which no neighbour shows it, or it would be seen.
    pub(super) beyond: f64,
}

/// What the pictures say about planes.
pub(super) struct Contradiction<'a> {
    free: &'a FreeSpace,
    least: f64,
    /// Of each neighbour.
    exposures: Vec<Exposure>,
}

/// A picture's grey value between pixels; `None` outside, and where it says nothing.
fn between(picture: &Map, at: [f64; 2]) -> Option<f32> {
    picture.between(at, |grey| EXPOSED.contains(&grey)).map(|grey| grey as f32)
}

/// How much brighter a neighbour's picture is than the target's, and how far grey values of the same places are from that.
#[derive(Debug, Clone, Copy)]
struct Exposure {
    gain: f32,
    spread: f32,
}

impl Exposure {
    /// By the places that are known.
    fn new(free: &FreeSpace, view: &View, known: &[Known]) -> Self {
        let grey = |known: &Known| {
            let here = free.here(known.at);
            let there = Sight::new(&free.frame, here, &view.pose).at(known.inverse)?;
            Some((between(&free.target, here)?, between(&view.picture, there)?))
        };
        let grey: Vec<(f32, f32)> = known.iter().filter_map(grey).collect();
        let median = |of: &dyn Fn(&(f32, f32)) -> f32| Sorted::new(grey.iter().map(of)).median();
        let (Some(here), Some(there)) = (median(&|g| g.0), median(&|g| g.1)) else {
            return Self { gain: 1.0, spread: 1.0 };
        };
        let gain = if here > 0.0 { (there / here).clamp(0.25, 4.0) as f32 } else { 1.0 };
        let off = Sorted::new(grey.iter().map(|(here, there)| (there - gain * here).abs()));
        let spread = off.permille(EXPLAINED).map_or(1.0, |off| off as f32);
        Self { gain, spread: spread.max(NOISE) }
    }
}

impl<'a> Contradiction<'a> {
    /// `known` is in pixels of the images that are asked about; `least` is the least inverse depth that something may have.
    pub(super) fn new(free: &'a FreeSpace, known: &[Known], least: f64) -> Self {
        let exposures = free.views.iter().map(|view| Exposure::new(free, view, known)).collect();
        Self { free, least, exposures }
    }

    /// A cell, in the pictures that are compared.
    pub(super) fn patch(&self, cell: Cell) -> Patch<'_> {
        let free = self.free;
        let (height, width) = free.frame.size;
        let middle = free.here(cell.middle);
        let half = 0.5 * cell.side * free.scale;
        let along = |i: usize, most: usize| {
            let border = |at: f64| (at.ceil().max(0.0) as usize).min(most);
            border(middle[i] - half)..border(middle[i] + half)
        };
        let (rows, columns) = (along(1, height), along(0, width));
        let places = rows.flat_map(|y| columns.clone().map(move |x| (y, x)));
        let pixel =
            |(y, x): (usize, usize)| (free.target.values()[y * width + x], free.asked([x as f64, y as f64]));
        let pixels: Vec<(f32, [f64; 2])> = places.clone().map(pixel).collect();
        let count = pixels.len().max(1) as f32;
        let mean = pixels.iter().map(|(grey, _)| grey).sum::<f32>() / count;
        let variance = pixels.iter().map(|(grey, _)| (grey - mean).powi(2)).sum::<f32>() / count;
        let sights = |view: &View| {
            let sight = |(y, x): (usize, usize)| Sight::new(&free.frame, [x as f64, y as f64], &view.pose);
            places.clone().map(sight).collect()
        };
        Patch {
            contradiction: self,
            middle,
            pixels,
            textured: variance > TEXTURE * TEXTURE,
            sights: free.views.iter().map(sights).collect(),
        }
    }
}

/// Pixels of a cell, and their lines of sight in each neighbour.
pub(super) struct Patch<'a> {
    contradiction: &'a Contradiction<'a>,
    middle: [f64; 2],
    /// Grey value, and the place in the images that are asked about.
    pixels: Vec<(f32, [f64; 2])>,
    textured: bool,
    sights: Vec<Vec<Sight>>,
}

impl Patch<'_> {
    /// What hides a plane here: all neighbours that show where the plane would be show something else there, and the cell nowhere at
    /// another depth. Those that show the same do not count where it has no texture.
    pub(super) fn hides(&self, plane: &Plane) -> Option<InFront> {
        let free = self.contradiction.free;
        let middle = plane.inverse(free.asked(self.middle));
        let inverse: Vec<f64> = self.pixels.iter().map(|(_, place)| plane.inverse(*place)).collect();
        let views = free.views.iter().zip(&self.contradiction.exposures).zip(&self.sights);
        let by = |((view, exposure), sights): ((_, _), &Vec<Sight>)| {
            self.by(middle, &Compared { view, exposure, sights, pixels: &self.pixels, inverse: &inverse })
        };
        let all = views
            .filter_map(by)
            .reduce(|a, b| InFront { surely: a.surely.min(b.surely), beyond: a.beyond.max(b.beyond) });
        all.filter(|front| front.surely > 0.0)
    }

    /// The same by one neighbour: `None` if it says nothing, not surely at all if nothing is in front.
    fn by(&self, inverse: f64, compared: &Compared<'_>) -> Option<InFront> {
        let (frame, view) = (&self.contradiction.free.frame, compared.view);
        let nothing = InFront { surely: 0.0, beyond: 0.0 };
        let (pixel, there) = frame.seen(self.middle, inverse, &view.pose)?;
        let px = frame.camera.fx * view.pose.translation.vector.norm();
        let unlike = (ALIKE.1 - compared.most(-OFF_PX..=OFF_PX, px)?) / (ALIKE.1 - ALIKE.0);
        if unlike <= 0.0 {
            return self.textured.then_some(nothing);
        }
        let sight = Sight::new(frame, self.middle, &view.pose);
        let Some(beyond) = sight.exit(inverse) else { return Some(nothing) };
        // Hidden by something that both show.
        let nearer_px = (view.inverse[pixel] - there) * px;
        if nearer_px.is_finite() && nearer_px > NEARER_PX {
            return Some(nothing);
        }
        let shift = |to: f64| ((to - inverse) * px).clamp(-MOST_PX, MOST_PX) as i32;
        let elsewhere = compared.most(shift(self.contradiction.least)..=shift(beyond), px);
        let surely = if elsewhere.is_some_and(|alike| alike >= ELSEWHERE) { 0.0 } else { unlike.min(1.0) };
        Some(InFront { surely, beyond })
    }
}

/// A patch beside what a neighbour shows where a plane would be.
struct Compared<'a> {
    view: &'a View,
    exposure: &'a Exposure,
    pixels: &'a [(f32, [f64; 2])],
    sights: &'a [Sight],
    /// Of the plane at each pixel.
    inverse: &'a [f64],
}

impl Compared<'_> {
    /// How much alike they are at most where the plane is shifted by pixels of parallax; `None` where the neighbour shows too little of it.
    fn most(&self, shifts: RangeInclusive<i32>, px: f64) -> Option<f32> {
        let alike = |shift: i32| self.alike(f64::from(shift) / px.max(1e-9));
        shifts.filter_map(alike).max_by(f32::total_cmp)
    }

    /// The covariance of grey values over the greater variance, both with that of noise, and the squared difference of their means, where it
    /// is more than exposure explains, as more variance: 1 where they are the same or neither has texture.
    fn alike(&self, nearer: f64) -> Option<f32> {
        let (mut sums, mut count) = ([0f32; 5], 0f32);
        for (((grey, _), sight), inverse) in self.pixels.iter().zip(self.sights).zip(self.inverse) {
            let Some(at) = sight.at(inverse + nearer).filter(|_| EXPOSED.contains(grey)) else { continue };
            let Some(b) = between(&self.view.picture, at) else { continue };
            let a = self.exposure.gain * grey;
            for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += value;
            }
            count += 1.0;
        }
        if count < 4.0 || count < SHOWN * self.pixels.len() as f32 {
            return None;
        }
        let [a, b, aa, bb, ab] = sums.map(|sum| sum / count);
        let brighter = ((a - b).abs() - self.exposure.spread).max(0.0);
        let most = (aa - a * a).max(bb - b * b) + NOISE * NOISE + brighter * brighter;
        Some((ab - a * b + NOISE * NOISE) / most)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dro_vision::Pinhole;
    use nalgebra::Isometry3;

    use super::*;
    use crate::patchmatch::{
        free_space::Frame,
        geodesic::Geodesic,
        planes::{Grouped, proposed},
        search::mixed,
    };

    const SIZE: (usize, usize) = (60, 80);
    /// Inverse depth of a wall, and of a box before it.
    const WALL: f64 = 0.25;
    const BOX: f64 = 0.8;

    fn frame() -> Frame {
        Frame { camera: Pinhole::from_fov_deg(60.0, SIZE.0, SIZE.1).unwrap(), size: SIZE }
    }

    fn picture(grey: impl Fn(f64, f64) -> f64) -> Map {
        let at = |i: usize| grey((i % SIZE.1) as f64, (i / SIZE.1) as f64) as f32;
        Map::new(SIZE.0, SIZE.1, (0..SIZE.0 * SIZE.1).map(at).collect()).unwrap()
    }

    /// Noise of its own for each seed, bilinear between random values two pixels apart.
    fn noise(seed: u64, x: f64, y: f64) -> f64 {
        let (column, row) = ((x / 2.0).floor(), (y / 2.0).floor());
        let (right, down) = (x / 2.0 - column, y / 2.0 - row);
        let value = |row: f64, column: f64| {
            let part = ((row + 500.0) * 1000.0 + column + 500.0) as u64;
            (mixed(seed, part) % 1000) as f64 / 1000.0
        };
        let along = |row: f64| value(row, column) * (1.0 - right) + value(row, column + 1.0) * right;
        0.2 + 0.6 * (along(row) * (1.0 - down) + along(row + 1.0) * down)
    }

    fn wall(x: f64, y: f64) -> f64 {
        noise(1, x, y)
    }

    fn other(x: f64, y: f64) -> f64 {
        noise(2, x, y)
    }

    /// What hides the wall in cells with their middles at some columns. The target shows a box in columns 24 to 39, neighbours, one unit to the
    /// right, what they are given: everything on the wall is `WALL` in parallax farther left there.
    fn asked(
        shown: impl Fn(f64, f64) -> f64,
        neighbours: &[Map],
        own: &[f64],
        columns: [f64; 3],
    ) -> [Option<InFront>; 3] {
        let frame = frame();
        let target = picture(|x, y| if (24.0..40.0).contains(&x) { shown(x, y) } else { wall(x, y) });
        let places = (0..SIZE.0).step_by(5).flat_map(|y| (0..SIZE.1).step_by(4).map(move |x| (x, y)));
        let known: Vec<Known> = places
            .filter(|(x, _)| !(22..42).contains(x))
            .map(|(x, y)| Known { at: [x as f64, y as f64], inverse: WALL })
            .collect();
        let cells = Geodesic::new(&target).unwrap();
        let plane = proposed(&known, &Grouped::new(&known, &cells), SIZE.1, frame.camera.fx, 1)[0];
        let mut free = FreeSpace::new(frame, 1.0, target);
        free.views = neighbours
            .iter()
            .map(|picture| View {
                pose: Isometry3::translation(-1.0, 0.0, 0.0),
                picture: picture.clone(),
                inverse: own.to_vec(),
                own: Vec::new(),
            })
            .collect();
        let contradiction = Contradiction::new(&free, &known, 0.5 * WALL);
        columns.map(|x| contradiction.patch(Cell { middle: [x, 30.0], side: 8.0 }).hides(&plane))
    }

    fn moved(inverse: f64) -> f64 {
        inverse * frame().camera.fx
    }

    #[test]
    fn what_the_neighbour_does_not_show_is_in_front() {
        let unknown = vec![f64::INFINITY; SIZE.0 * SIZE.1];
        // However bright the picture is: the box would be at columns below 0.
        for gain in [1.0, 0.6] {
            let neighbour = picture(|x, y| gain * wall(x + moved(WALL), y));
            let [left, front, right] = asked(other, &[neighbour], &unknown, [20.0, 32.0, 60.0]);
            assert_eq!((left, right), (None, None), "gain {gain}");
            let front = front.unwrap();
            assert!(front.surely > 0.7, "{front:?}");
            assert!(
                (front.beyond - 32.0 / frame().camera.fx).abs() < 1e-6 && front.beyond < BOX,
                "{front:?}"
            );
        }
        // The neighbour surely sees something nearer there: that is what hides the wall.
        let neighbour = picture(|x, y| wall(x + moved(WALL), y));
        assert_eq!(asked(other, &[neighbour], &[0.5; SIZE.0 * SIZE.1], [20.0, 32.0, 60.0]), [None; 3]);
    }

    #[test]
    fn what_the_neighbour_shows_elsewhere_is_not_in_front() {
        // The box stands only a little before the wall.
        let (near, unknown) = (0.4, vec![f64::INFINITY; SIZE.0 * SIZE.1]);
        let neighbour = picture(|x, y| {
            let there = x + moved(near);
            if (24.0..40.0).contains(&there) { other(there, y) } else { wall(x + moved(WALL), y) }
        });
        assert_eq!(asked(other, &[neighbour], &unknown, [32.0, 60.0, 70.0]), [None; 3]);
    }

    /// A neighbour that shows the same on the wall is right about a box with texture; white looks like white.
    #[test]
    fn looking_the_same_says_little_without_texture() {
        let unknown = vec![f64::INFINITY; SIZE.0 * SIZE.1];
        let white = |_, _| 0.6;
        let fronts = |shown: &dyn Fn(f64, f64) -> f64| {
            let without = picture(|x, y| wall(x + moved(WALL), y));
            let same = picture(|x, y| {
                let there = x + moved(WALL);
                if (24.0..40.0).contains(&there) { shown(there, y) } else { wall(there, y) }
            });
            let front = |neighbours: &[Map]| asked(shown, neighbours, &unknown, [32.0, 60.0, 70.0])[0];
            [front(std::slice::from_ref(&same)), front(&[without, same])].map(|front| front.is_some())
        };
        assert_eq!(fronts(&other), [false, false]);
        assert_eq!(fronts(&white), [false, true]);
    }

    /// Without texture pictures look the same, unless one is much brighter.
    #[test]
    fn without_texture_brightness_counts() {
        let compared = |a: f32, b: f64| {
            let frame = frame();
            let pose = Isometry3::translation(-1.0, 0.0, 0.0);
            let places: Vec<[f64; 2]> =
                (0..64).map(|i| [f64::from(30 + i % 8), f64::from(20 + i / 8)]).collect();
            let sights: Vec<Sight> = places.iter().map(|place| Sight::new(&frame, *place, &pose)).collect();
            let pixels: Vec<(f32, [f64; 2])> = places.iter().map(|place| (a, *place)).collect();
            let compared = Compared {
                view: &View { pose, picture: picture(|_, _| b), inverse: Vec::new(), own: Vec::new() },
                exposure: &Exposure { gain: 1.0, spread: 0.03 },
                pixels: &pixels,
                sights: &sights,
                inverse: &[WALL; 64],
            };
            compared.most(-2..=2, frame.camera.fx)
        };
        assert!(compared(0.5, 0.5).unwrap() > 0.99 && compared(0.5, 0.52).unwrap() > 0.99);
        assert!(compared(0.5, 0.7).unwrap() < 0.1 && compared(0.7, 0.5).unwrap() < 0.1);
        // White may be whiter than white.
        for clipped in [0.0, 1.0] {
            assert_eq!((compared(clipped, 0.5), compared(0.5, clipped.into())), (None, None));
        }
    }
}
