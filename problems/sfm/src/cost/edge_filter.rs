//! Smoothing that stops at image edges, in time independent of its reach.

use dro_core::vectorized;
use rayon::prelude::*;

/// The recursive domain transform filter of a fixed guide image (Gastal & Oliveira, *Domain Transform for Edge-Aware
/// Image and Video Processing*, ACM TOG 2011, equations 11 and 21), one pass along rows and one along columns:
///
/// `J[n] = (1 − aᵈ) I[n] + aᵈ J[n−1]` forth and back, `a = exp(−√2/reach)`, `d = 1 + reach/contrast · |g[n] − g[n−1]|`.
#[derive(Debug, Clone)]
pub(crate) struct EdgeFilter {
    width: usize,
    /// `aᵈ` between a pixel and its left neighbour; 0 in the first column.
    left: Vec<f32>,
    /// `aᵈ` between a pixel and the one above; 0 in the first row.
    above: Vec<f32>,
}

impl EdgeFilter {
    /// `guide` has rows of `width`; `reach_px` is the spatial, `contrast` the range standard deviation.
    pub(crate) fn new(guide: &[f32], width: usize, reach_px: f32, contrast: f32) -> Self {
        let weight = |a: f32, b: f32| {
            let d = 1.0 + reach_px / contrast * (a - b).abs();
            (-std::f32::consts::SQRT_2 / reach_px * d).exp()
        };
        let before =
            |i: usize, step: usize, edge: bool| if edge { 0.0 } else { weight(guide[i], guide[i - step]) };
        let left = (0..guide.len()).map(|i| before(i, 1, i % width == 0)).collect();
        let above = (0..guide.len()).map(|i| before(i, width, i < width)).collect();
        Self { width, left, above }
    }

    /// Smooths `map`, row by row, in place.
    pub(crate) fn apply(&self, map: &mut [f32]) {
        let width = self.width;
        map.par_chunks_mut(width).with_min_len(16).zip(self.left.par_chunks(width)).for_each(
            |(row, weight)| {
                let mut last = row[0];
                for (x, &w) in row.iter_mut().zip(weight) {
                    last = *x + w * (last - *x);
                    *x = last;
                }
                // Going back, pixel n is joined to n+1 by the weight of n+1.
                let mut joint = 0.0;
                for (x, &w) in row.iter_mut().zip(weight).rev() {
                    last = *x + joint * (last - *x);
                    *x = last;
                    joint = w;
                }
            },
        );
        let rows = map.len() / width;
        for y in 1..rows {
            let (done, rest) = map.split_at_mut(y * width);
            blend(&mut rest[..width], &done[(y - 1) * width..], &self.above[y * width..]);
        }
        for y in (1..rows).rev() {
            let (rest, done) = map.split_at_mut(y * width);
            blend(&mut rest[(y - 1) * width..], &done[..width], &self.above[y * width..]);
        }
    }
}

fn blend(row: &mut [f32], from: &[f32], weight: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            for ((x, &other), &w) in row.iter_mut().zip(from).zip(weight) {
                *x += w * (other - *x);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_constants_and_stays_on_its_side_of_an_edge() {
        let (w, h) = (16, 12);
        let guide: Vec<f32> = (0..w * h).map(|i| if i % w < 8 { 0.0 } else { 1.0 }).collect();
        let filter = EdgeFilter::new(&guide, w, 5.0, 0.05);
        let mut constant = vec![0.7; w * h];
        filter.apply(&mut constant);
        assert!(constant.iter().all(|v| (v - 0.7).abs() < 1e-5));

        // A bump left of the edge spreads on its side, and nothing of it crosses.
        let mut bump = vec![0.0; w * h];
        bump[6 * w + 5] = 1.0;
        filter.apply(&mut bump);
        assert!(bump[6 * w + 2] > 1e-3 && bump[4 * w + 5] > 1e-3, "{bump:?}");
        assert!(bump.iter().enumerate().all(|(i, &v)| i % w < 8 || v < 1e-6));
    }
}
