//! A plane sweep whose costs are aggregated before every pixel takes its best.

use candle_core::Tensor;
use dro_core::{Cost, Optimizer, Turn, vectorized};
use rayon::prelude::*;

/// Semi-global matching on a depth block: asks for `planes` constant maps and answers the last one with the map that
/// nearly minimizes their costs plus penalties for depths that differ between neighbouring pixels (Hirschmüller,
/// *Stereo Processing by Semi-Global Matching and Mutual Information*, PAMI 2008, along four directions).
#[derive(Debug)]
pub struct SweepSgm {
    inv_depths: Vec<f32>,
    penalties: (f32, f32),
    width: usize,
    costs: Vec<Vec<f32>>,
}

impl SweepSgm {
    /// `penalties` for steps of one plane and of more.
    pub fn new(inv_depths: Vec<f32>, penalties: (f32, f32), width: usize) -> Self {
        Self { inv_depths, penalties, width, costs: Vec::new() }
    }

    fn answer(&self) -> Vec<f32> {
        let (n, k) = (self.costs.first().map_or(0, Vec::len), self.costs.len());
        // Pixel by pixel, planes side by side.
        let mut volume = vec![0f32; n * k];
        volume.par_chunks_mut(k).enumerate().for_each(|(p, v)| {
            v.iter_mut().zip(&self.costs).for_each(|(v, c)| *v = c[p]);
        });
        let height = n / self.width;
        let paths: Vec<Vec<f32>> = [(true, false), (true, true), (false, false), (false, true)]
            .into_par_iter()
            .map(|(rows, back)| self.path(&volume, k, height, rows, back))
            .collect();
        (0..n)
            .into_par_iter()
            .map(|p| {
                let at = |i: usize| paths.iter().map(|s| s[p * k + i]).sum::<f32>();
                let sums: Vec<f32> = (0..k).map(at).collect();
                self.best(&sums)
            })
            .collect()
    }

    /// The vertex of the parabola through the least cost and its neighbours.
    fn best(&self, sums: &[f32]) -> f32 {
        let i = (0..sums.len()).min_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0);
        let here = self.inv_depths[i];
        let (Some(&before), Some(&after)) = (i.checked_sub(1).and_then(|j| sums.get(j)), sums.get(i + 1))
        else {
            return here;
        };
        let bend = before + after - 2.0 * sums[i];
        let offset = if bend > 1e-9 { 0.5 * (before - after) / bend } else { 0.0 };
        here + offset.clamp(-0.5, 0.5) * (self.inv_depths[i + 1] - here)
    }

    fn path(&self, volume: &[f32], k: usize, height: usize, rows: bool, back: bool) -> Vec<f32> {
        let mut sums = volume.to_vec();
        let (lines, along) = if rows { (height, self.width) } else { (self.width, height) };
        let (small, large) = self.penalties;
        // With nothing beyond the first and the last plane.
        let mut last = vec![f32::INFINITY; k + 2];
        for line in 0..lines {
            for i in 0..along {
                let i = if back { along - 1 - i } else { i };
                let p = if rows { line * self.width + i } else { i * self.width + line };
                let here = &mut sums[p * k..(p + 1) * k];
                if i != if back { along - 1 } else { 0 } {
                    vectorized(
                        #[inline(always)]
                        || {
                            let least = least(&last[1..=k]);
                            for (here, near) in here.iter_mut().zip(last.windows(3)) {
                                let beside = near[0].min(near[2]) + small;
                                *here += near[1].min(least + large).min(beside) - least;
                            }
                        },
                    );
                }
                last[1..=k].copy_from_slice(here);
            }
        }
        sums
    }
}

/// The least of some costs, several at a time.
#[inline(always)]
fn least(costs: &[f32]) -> f32 {
    let (parts, rest) = costs.as_chunks::<16>();
    let lesser = |a: f32, b: f32| if b < a { b } else { a };
    let mut least = [f32::INFINITY; 16];
    for part in parts {
        for (least, cost) in least.iter_mut().zip(part) {
            *least = lesser(*least, *cost);
        }
    }
    least.iter().chain(rest).copied().fold(f32::INFINITY, lesser)
}

impl Optimizer for SweepSgm {
    fn ask(&mut self, turn: &Turn<'_>) -> dro_core::Result<Tensor> {
        let x = self.inv_depths.get(turn.inner).copied().unwrap_or(0.1);
        Ok(Tensor::full(x, turn.value().dims(), turn.value().device())?)
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> dro_core::Result<Tensor> {
        self.costs.push(cost.map_for("inverse_depth")?.flatten_all()?.to_vec1()?);
        if self.costs.len() < self.inv_depths.len() {
            return Ok(turn.value().clone());
        }
        let map = self.answer();
        self.costs.clear();
        Ok(Tensor::from_vec(map, candidate.dims(), candidate.device())?)
    }
}
