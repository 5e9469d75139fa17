//! Depth that bends no more than the images ask for.

use candle_core::Device;
use dro_core::{Point, vectorized};

use super::{
    pyramid::{enlarged, reduced},
    survey::gains,
};
use crate::{
    Map, Result,
    cost::{CensusCost, INVERSE_DEPTH},
    sorted::Sorted,
};

/// How many pixels apart those are that a level looks at, coarse to fine, and the contrast of an image edge there.
const LEVELS: [(usize, f32); 2] = [(4, 0.05), (2, 0.03)];
/// Weight of bends at the finest level.
const STIFF: f32 = 300.0;
/// A bend there that may be an edge: a part of the median inverse depth, and pixels of parallax at most. Of neighbours in films, which
/// are near, a bend of few pixels is much.
const BEND: f64 = 0.002;
const BEND_PX: f64 = 0.1;
/// How much less images agree about [a little other depth](gains) where a depth is held fully.
const HELD_GAIN: f32 = 0.02;
/// How much every depth is held.
const HELD: f32 = 0.01;
/// From how far away a depth that was found no longer holds, pixels of parallax.
const LOST_PX: f32 = 4.0;
/// Systems to solve per level, and steps of each.
const SYSTEMS: usize = 4;
const STEPS: usize = 60;

/// The depth of `point` made flat where images say little: a search takes, pixel by pixel, what costs least, which on a wall with
/// little to compare is noise.
///
/// With d, the inverse depth in pixels of parallax, it takes the u that makes `Σ wᵢ ρ(uᵢ − dᵢ) + λ Σ eᵢ σ(uᵢ₋₁ − 2uᵢ + uᵢ₊₁)` small,
/// along rows and along columns, where w is how sure d is, e falls with image edges, and ρ (Geman & McClure) and σ (Cauchy) hardly
/// count what is far off: second-order smoothness (Woodford et al., *Global Stereo Reconstruction under Second-Order Smoothness
/// Priors*, PAMI 2009), by reweighted least squares and conjugate gradients from coarse to fine. Planes cost nothing, however slanted.
///
/// # Errors
/// If a tensor operation fails.
pub(super) fn flattened(cost: &CensusCost, image: &Map, point: &Point) -> Result<Point> {
    let held: Vec<f32> = gains(cost, point)?.into_iter().map(|gain| gain / HELD_GAIN).collect();
    let found = Map::from_tensor(point.get(INVERSE_DEPTH))?;
    let flat = flat(&found, image, &held, cost.camera().fx as f32)?;
    Ok(point.with(INVERSE_DEPTH, flat.to_tensor(&Device::Cpu)?)?)
}

/// `px`: pixels of parallax for an inverse depth of 1. The answer is within the range of `found`.
fn flat(found: &Map, image: &Map, held: &[f32], px: f32) -> Result<Map> {
    let size = (found.height(), found.width());
    let middle = f64::from(px) * Sorted::new(found.values().iter().copied()).median().unwrap_or(0.0);
    // More than nothing, as it is divided by.
    let bend = (BEND * middle).clamp(1e-6, BEND_PX) as f32;
    let mut change = vec![0f32; size.0 * size.1];
    for (apart, contrast) in LEVELS {
        let (height, width) = (size.0 / apart, size.1 / apart);
        if height < 3 || width < 3 {
            continue;
        }
        let image = reduced(image, (height, width))?;
        let middle = |i: usize| (i / width * apart + apart / 2) * size.1 + i % width * apart + apart / 2;
        let pixels: Vec<usize> = (0..height * width).map(middle).collect();
        let finer = (apart / 2) as f32;
        let level = Level {
            width,
            found: pixels.iter().map(|&p| px * found.values()[p]).collect(),
            held: pixels.iter().map(|&p| held[p].clamp(0.0, 1.0) + HELD).collect(),
            edges: [1, width].map(|step| edges(image.values(), width, step, contrast)),
            stiff: STIFF / finer.powi(4),
            bend: bend * finer.powi(2),
        };
        let mut x: Vec<f32> = level.found.iter().zip(&pixels).map(|(x, &p)| x + change[p]).collect();
        (0..SYSTEMS).for_each(|_| level.solve(&mut x));
        let moved = x.iter().zip(&level.found).map(|(x, found)| x - found).collect();
        let moved = Map::new(height, width, moved)?.to_tensor(&Device::Cpu)?;
        change = enlarged(&moved, size)?.flatten_all()?.to_vec1()?;
    }
    let values = || found.values().iter().copied();
    let (least, most) = (values().fold(f32::INFINITY, f32::min), values().fold(0.0, f32::max));
    Map::new(size.0, size.1, values().zip(change).map(|(x, c)| (x + c / px).max(least).min(most)).collect())
}

/// e: how alike three pixels in a row are, of which the middle one is in each place; 0 where one is outside. `step` leads to the next.
fn edges(image: &[f32], width: usize, step: usize, contrast: f32) -> Vec<f32> {
    let alike = |i: usize| {
        let column = i % width;
        let outside = step == 1 && (column == 0 || column + 1 == width);
        let (Some(before), Some(after), false) = (i.checked_sub(step), image.get(i + step), outside) else {
            return 0.0;
        };
        (-((image[before] - image[i]).abs() + (after - image[i]).abs()) / contrast).exp()
    };
    (0..image.len()).map(alike).collect()
}

/// The problem on some of the pixels, in pixels of parallax.
struct Level {
    width: usize,
    found: Vec<f32>,
    held: Vec<f32>,
    /// Along rows and along columns.
    edges: [Vec<f32>; 2],
    stiff: f32,
    bend: f32,
}

/// A system of linear equations, of which the solution is the u of given weights.
struct System {
    held: Vec<f32>,
    /// How stiff three pixels in a row are, and how far apart in memory.
    bends: [(Vec<f32>, usize); 2],
}

impl Level {
    /// Some steps towards the u of the weights that `x` has (Hestenes & Stiefel 1952, with the diagonal as preconditioner).
    fn solve(&self, x: &mut [f32]) {
        let system = self.system(x);
        let scale = system.diagonal();
        let mut product = vec![0f32; x.len()];
        let mut bent = vec![0f32; x.len()];
        system.apply(x, &mut bent, &mut product);
        let right = system.held.iter().zip(&self.found).map(|(held, found)| held * found);
        let mut rest: Vec<f32> = right.zip(&product).map(|(right, product)| right - product).collect();
        let mut way: Vec<f32> = rest.iter().zip(&scale).map(|(rest, scale)| rest / scale).collect();
        let mut left = dot(&rest, &way);
        let mut scaled = way.clone();
        for _ in 0..STEPS {
            system.apply(&way, &mut bent, &mut product);
            let curvature = dot(&way, &product);
            if !(curvature > 0.0 && left > 0.0) {
                return;
            }
            let step = (left / curvature) as f32;
            x.iter_mut().zip(&way).for_each(|(x, way)| *x += step * way);
            rest.iter_mut().zip(&product).for_each(|(rest, product)| *rest -= step * product);
            scaled.iter_mut().zip(&rest).zip(&scale).for_each(|((s, rest), scale)| *s = rest / scale);
            let before = std::mem::replace(&mut left, dot(&rest, &scaled));
            let kept = (left / before) as f32;
            way.iter_mut().zip(&scaled).for_each(|(way, scaled)| *way = scaled + kept * *way);
        }
    }

    fn system(&self, x: &[f32]) -> System {
        let lost = |(x, found): (&f32, &f32)| (1.0 + ((x - found) / LOST_PX).powi(2)).powi(2);
        let held = self.held.iter().zip(x.iter().zip(&self.found).map(lost));
        let stiff = |edges: &[f32], step: usize| {
            let bend = |i: usize| (x[i - step] - 2.0 * x[i] + x[i + step]) / self.bend;
            let weight = |(i, &edge): (usize, &f32)| match edge {
                0.0 => 0.0,
                _ => self.stiff * edge / (1.0 + bend(i).powi(2)),
            };
            edges.iter().enumerate().map(weight).collect()
        };
        let [along, down] = &self.edges;
        System {
            held: held.map(|(held, lost)| held / lost).collect(),
            bends: [(stiff(along, 1), 1), (stiff(down, self.width), self.width)],
        }
    }
}

impl System {
    /// The matrix times `x`; `bent` is room to work in.
    fn apply(&self, x: &[f32], bent: &mut [f32], product: &mut [f32]) {
        product.iter_mut().zip(&self.held).zip(x).for_each(|((product, held), x)| *product = held * x);
        for (stiff, step) in &self.bends {
            let (step, inner) = (*step, x.len() - 2 * step);
            vectorized(
                #[inline(always)]
                || {
                    // At the ends it is 0, as is the stiffness.
                    let middles = bent[step..][..inner].iter_mut().zip(&stiff[step..]).zip(&x[step..]);
                    for (((bent, stiff), middle), (before, after)) in
                        middles.zip(x.iter().zip(&x[2 * step..]))
                    {
                        *bent = stiff * (before - 2.0 * middle + after);
                    }
                    bent[..step].fill(0.0);
                    bent[step + inner..].fill(0.0);
                    product.iter_mut().zip(bent.iter()).for_each(|(product, bent)| *product -= 2.0 * bent);
                    product.iter_mut().zip(&bent[step..]).for_each(|(product, bent)| *product += bent);
                    product[step..].iter_mut().zip(bent.iter()).for_each(|(product, bent)| *product += bent);
                },
            );
        }
    }

    fn diagonal(&self) -> Vec<f32> {
        let mut diagonal = self.held.clone();
        for (stiff, step) in &self.bends {
            diagonal.iter_mut().zip(stiff).for_each(|(diagonal, stiff)| *diagonal += 4.0 * stiff);
            diagonal.iter_mut().zip(&stiff[*step..]).for_each(|(diagonal, stiff)| *diagonal += stiff);
            diagonal[*step..].iter_mut().zip(stiff).for_each(|(diagonal, stiff)| *diagonal += stiff);
        }
        diagonal
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SIZE: (usize, usize) = (96, 128);
    const PX: f32 = 100.0;

    fn map(value: impl Fn(usize, usize) -> f32) -> Map {
        let pixel = |i: usize| value(i / SIZE.1, i % SIZE.1);
        Map::new(SIZE.0, SIZE.1, (0..SIZE.0 * SIZE.1).map(pixel).collect()).unwrap()
    }

    /// Mean difference in pixels of parallax.
    fn apart(a: &Map, b: &Map, which: impl Fn(usize) -> bool) -> f32 {
        let pairs = a.values().iter().zip(b.values()).enumerate().filter(|(i, _)| which(*i));
        let all: Vec<f32> = pairs.map(|(_, (a, b))| PX * (a - b).abs()).collect();
        all.iter().sum::<f32>() / all.len() as f32
    }

    fn slanted(wave: impl Fn(usize, usize) -> f32) -> Map {
        map(|y, x| 0.3 + 0.002 * x as f32 + 0.001 * y as f32 + wave(y, x))
    }

    /// Two pixels of parallax up and down, within about 60.
    fn wave(y: usize, x: usize) -> f32 {
        0.01 * ((x as f32 / 9.0).sin() + (y as f32 / 9.0).cos())
    }

    /// A wall of which only the rim is sure: where nothing is, waves go, and the rim stays.
    #[test]
    fn a_wall_is_flat() {
        let wall = slanted(|_, _| 0.0);
        let rim = |i: usize| i / SIZE.1 < 12 || i / SIZE.1 >= 84 || i % SIZE.1 < 12 || i % SIZE.1 >= 116;
        let found = slanted(|y, x| if rim(y * SIZE.1 + x) { 0.0 } else { wave(y, x) });
        let held: Vec<f32> = (0..SIZE.0 * SIZE.1).map(|i| f32::from(u8::from(rim(i)))).collect();
        let flat = flat(&found, &map(|_, _| 0.5), &held, PX).unwrap();
        let (before, after) = (apart(&found, &wall, |i| !rim(i)), apart(&flat, &wall, |i| !rim(i)));
        assert!(after < 0.25 * before && apart(&flat, &wall, rim) < 0.1, "{before} {after}");
    }

    /// Where the same waves are sure they move less than half as much.
    #[test]
    fn what_is_sure_stays() {
        let found = slanted(wave);
        let moved = |held: f32| {
            let flat = flat(&found, &map(|_, _| 0.5), &vec![held; SIZE.0 * SIZE.1], PX).unwrap();
            apart(&flat, &found, |_| true)
        };
        assert!(moved(1.0) < 0.5 * moved(0.0), "{} {}", moved(1.0), moved(0.0));
    }

    /// So does a step where the image has an edge, though neither side is sure.
    #[test]
    fn edges_stay() {
        let step = map(|_, x| if x < 64 { 0.3 } else { 0.6 });
        let image = map(|_, x| if x < 64 { 0.2 } else { 0.8 });
        let same = flat(&step, &image, &vec![0.0; SIZE.0 * SIZE.1], PX).unwrap();
        assert!(apart(&same, &step, |_| true) < 0.01, "{}", apart(&same, &step, |_| true));
        let blurred = map(|_, x| 0.3 + 0.3 / (1.0 + ((63.5 - x as f32) / 6.0).exp()));
        let moved = flat(&blurred, &map(|_, _| 0.5), &vec![0.0; SIZE.0 * SIZE.1], PX).unwrap();
        assert!(apart(&moved, &blurred, |_| true) > 0.1, "{}", apart(&moved, &blurred, |_| true));
    }

    /// The same small step of parallax is one where there is little parallax, as between frames of a film, and a bend where there is much.
    #[test]
    fn what_is_a_step_depends_on_parallax() {
        let moved = |px_apart: f32| {
            let step = map(|_, x| (px_apart + if x < 64 { 0.0 } else { 1.0 }) / PX);
            let flat = flat(&step, &map(|_, _| 0.5), &vec![0.2; SIZE.0 * SIZE.1], PX).unwrap();
            apart(&flat, &step, |i| (48..80).contains(&(i % SIZE.1)))
        };
        let (little, much) = (moved(4.0), moved(60.0));
        assert!(little < 0.5 * much, "{little} {much}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Any depth stays within its range, on images of any size.
        #[test]
        fn stays_within(
            size in (1..40usize, 1..40usize),
            (from, to) in (1e-4..1f32, 1f32..50.0),
            px in 1f32..2000.0,
            seed in any::<u64>(),
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut many = |range: std::ops::Range<f32>| -> Vec<f32> {
                (0..size.0 * size.1).map(|_| rng.random_range(range.clone())).collect()
            };
            let found = Map::new(size.0, size.1, many(from..to)).unwrap();
            let image = Map::new(size.0, size.1, many(0.0..1.0)).unwrap();
            let held = many(-1.0..2.0);
            let flat = flat(&found, &image, &held, px).unwrap();
            prop_assert!(flat.values().iter().all(|x| (from..to).contains(x)));
        }
    }
}
