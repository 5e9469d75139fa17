//! Which pixels are ink? A threshold that follows the light, scored by F1.

use dro_core::{Block, Space, search::Encoding};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Canvas, Toy};
use crate::Result;

/// Height and width.
const SIZE: (usize, usize) = (60, 90);

/// A page of strokes under uneven light, with noise. A pixel is called ink where it is darker than
/// `m·(1 + k·(s/0.5 − 1)) − offset`, m and s being mean and standard deviation in its neighbourhood (Sauvola & Pietikäinen 2000), after a
/// mean filter. Four variables of two kinds: both windows are integers. The cost is 1 − F1.
#[derive(Debug)]
pub struct Binarisation {
    encoding: Encoding,
    page: Vec<f64>,
    ink: Vec<bool>,
}

impl Binarisation {
    /// Another page for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ink = vec![false; SIZE.0 * SIZE.1];
        for row in 0..4 {
            let (mut x, mut y) = (4.0, 8.0 + 14.0 * f64::from(row));
            while x < SIZE.1 as f64 - 4.0 {
                let (angle, length): (f64, f64) = (rng.random_range(-1.4..=1.4), rng.random_range(3.0..=8.0));
                for t in 0..20 {
                    let t = f64::from(t) / 19.0 * length;
                    mark(&mut ink, x + t * angle.cos(), y + t * angle.sin());
                }
                x += length * angle.cos() + if rng.random_bool(0.3) { 4.0 } else { 0.5 };
                y = 8.0 + 14.0 * f64::from(row) + rng.random_range(-3.0..=3.0);
            }
        }
        let page = (0..ink.len())
            .map(|at| {
                let (x, y) = ((at % SIZE.1) as f64 / SIZE.1 as f64, (at / SIZE.1) as f64 / SIZE.0 as f64);
                let light = 0.35 + 0.6 * (-((x - 0.2).powi(2) + (y - 0.3).powi(2)) / 0.25).exp();
                let colour = if ink[at] { 0.55 } else { 1.0 };
                light * colour + rng.random_range(-0.09..=0.09)
            })
            .collect();
        let space = Space::new(vec![
            Block::integer("window", [1], 1, 25),
            Block::integer("filter", [1], 0, 4),
            Block::bounded("k", [1], -0.5, 0.5),
            Block::bounded("offset", [1], -0.3, 0.3),
        ])?;
        // Where a first guess would be: a large window and the mean.
        let encoding = Encoding::new(&space)?.start("window", &[25.0])?.start("filter", &[0.0])?;
        Ok(Self { encoding, page, ink })
    }

    /// The page, and pixels that are called ink.
    fn above(&self, found: &[bool]) -> Canvas {
        Canvas::from_fn(SIZE.1 as u32, 2 * SIZE.0 as u32, 2, |x, y| {
            let at = (y as usize % SIZE.0) * SIZE.1 + x as usize;
            if (y as usize) < SIZE.0 {
                [(255.0 * self.page.get(at).copied().unwrap_or(0.0)).clamp(0.0, 255.0) as u8; 3]
            } else {
                [if found.get(at) == Some(&true) { 0 } else { 255 }; 3]
            }
        })
    }

    fn binarised(&self, values: &[f64]) -> Option<Vec<bool>> {
        let &[window, filter, k, offset] = values else { return None };
        let smooth = Sums::new(&self.page).means((filter as usize).min(SIZE.1));
        let squares: Vec<f64> = smooth.iter().map(|x| x * x).collect();
        let means = Sums::new(&smooth).means((window as usize).min(SIZE.1));
        let squares = Sums::new(&squares).means((window as usize).min(SIZE.1));
        let threshold =
            |(m, q): (&f64, f64)| m * (1.0 + k * ((q - m * m).max(0.0).sqrt() / 0.5 - 1.0)) - offset;
        let thresholds = means.iter().zip(squares).map(threshold);
        Some(smooth.iter().zip(thresholds).map(|(x, t)| *x < t).collect())
    }
}

/// A dot of 2x2 pixels.
fn mark(ink: &mut [bool], x: f64, y: f64) {
    for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let (x, y) = ((x + dx).max(0.0) as usize, (y + dy).max(0.0) as usize);
        if x < SIZE.1
            && let Some(pixel) = ink.get_mut(y * SIZE.1 + x)
        {
            *pixel = true;
        }
    }
}

/// Sums over all rectangles from the corner, so that a mean costs the same for any window.
struct Sums(Vec<f64>);

impl Sums {
    fn new(page: &[f64]) -> Self {
        let mut sums = vec![0.0; (SIZE.0 + 1) * (SIZE.1 + 1)];
        let wide = SIZE.1 + 1;
        for (at, value) in page.iter().enumerate() {
            let corner = (at / SIZE.1 + 1) * wide + at % SIZE.1 + 1;
            sums[corner] = value + sums[corner - 1] + sums[corner - wide] - sums[corner - wide - 1];
        }
        Self(sums)
    }

    /// Means over windows of `2·half + 1` pixels a side, cut off at the border.
    fn means(&self, half: usize) -> Vec<f64> {
        let wide = SIZE.1 + 1;
        let mean = |at: usize| {
            let (x, y) = (at % SIZE.1, at / SIZE.1);
            let (left, top) = (x.saturating_sub(half), y.saturating_sub(half));
            let (right, bottom) = (SIZE.1.min(x + half + 1), SIZE.0.min(y + half + 1));
            let sum =
                self.0[bottom * wide + right] - self.0[top * wide + right] - self.0[bottom * wide + left]
                    + self.0[top * wide + left];
            sum / ((right - left) * (bottom - top)) as f64
        };
        (0..SIZE.0 * SIZE.1).map(mean).collect()
    }
}

impl Toy for Binarisation {
    fn name(&self) -> &'static str {
        "binarisation"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        let Some(found) = self.binarised(values) else { return f64::NAN };
        let both = found.iter().zip(&self.ink).filter(|(a, b)| **a && **b).count();
        let either = found.iter().chain(&self.ink).filter(|pixel| **pixel).count();
        1.0 - 2.0 * both as f64 / either as f64
    }

    fn evaluations(&self) -> usize {
        200
    }

    fn say(&self, values: &[f64]) -> String {
        format!("F1 = {:.3}", 1.0 - self.cost(values))
    }

    fn draw_truth(&self) -> Option<Canvas> {
        Some(self.above(&self.ink))
    }

    /// The page above, what is called ink below.
    fn draw(&self, values: &[f64]) -> Canvas {
        self.above(&self.binarised(values).unwrap_or_default())
    }
}
