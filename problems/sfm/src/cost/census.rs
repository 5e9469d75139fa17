//! How badly the neighbours, warped to the target, disagree with it: a cost made of comparisons, without a gradient.
//!
//! A neighbour is sampled where each target pixel `(u, v)` of inverse depth `x` is seen by it,
//! `q ~ K (R K⁻¹ (u, v, 1)ᵀ + x t)` (Hartley & Zisserman, *Multiple View Geometry*, section 13), and the picture so
//! warped is compared with the target by the *census transform* (Zabih & Woodfill, ECCV 1994): for each of 24
//! surrounding pixels only whether it is brighter than the centre, darker, or neither counts (the three-way form of
//! Stein, DAGM 2004). Gain and offset of the camera do not matter; the cost moves in steps, so its gradient is zero or
//! undefined everywhere.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use dro_core::{Block, BlockId, Cost, CostFunction, Point, Space, vectorized};
use dro_vision::Pinhole;
use nalgebra::Isometry3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{EdgeFilter, EpipolarCost, warp::Warp};
use super::{INVERSE_DEPTH, POSES};
use crate::{Error, Map, Result, patchmatch::PoseChart};

/// Grey values are held as integers in steps of 1/GREY, so that comparisons run eight at a time.
const GREY: f32 = 16384.0;
/// How far the compared pixels reach.
const RADIUS: usize = 3;
/// Every second pixel of 7 by 7, as a chess board.
const OFFSETS: [(usize, usize); 24] = chess_board();

const fn chess_board() -> [(usize, usize); 24] {
    let mut offsets = [(0, 0); 24];
    let (mut i, mut n) = (0, 0);
    while i < 49 {
        if i % 2 == 0 && i != 24 {
            offsets[n] = (i / 7, i % 7);
            n += 1;
        }
        i += 1;
    }
    offsets
}

/// What an inverse depth costs at most that is not the likely one.
const UNLIKELY: f32 = 0.1;
/// It begins to cost where parallax is off by so many pixels, and costs most so many later: not in parts of depth, as few pixels
/// of parallax tell little of it.
const LIKELY_PX: f32 = 1.0;
const UNLIKELY_PX: f32 = 24.0;

/// Settings of [`CensusCost`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CensusConfig {
    /// Grey differences (0 to 1) up to this count as "neither brighter nor darker".
    pub tolerance: f64,
    /// Cost of a pixel that a neighbour does not see, as a part (0 to 1) of its comparisons that found a difference. By chance
    /// about half of those disagree: at more than that, what is past the border takes any depth at which it would be seen;
    /// and a pixel without texture, which costs nothing anywhere, must not cost more where it is not seen.
    pub unseen: f64,
    /// How far the depth block's map is smoothed, pixels.
    pub reach_px: f64,
    /// Grey difference (0 to 1) that stops the smoothing.
    pub contrast: f64,
}

impl Default for CensusConfig {
    fn default() -> Self {
        Self { tolerance: 0.008, unseen: 0.4, reach_px: 4.0, contrast: 0.1 }
    }
}

impl CensusConfig {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        let between = |name: &str, value: f64, low: f64, high: f64| {
            // Written so that NaN fails too.
            if value >= low && value <= high {
                Ok(())
            } else {
                Err(Error::argument(format!("census.{name}"), format!("a number in [{low}, {high}]"), value))
            }
        };
        between("tolerance", self.tolerance, 0.0, 0.5)?;
        between("unseen", self.unseen, 0.0, 1.0)?;
        between("reach_px", self.reach_px, 0.1, 1000.0)?;
        between("contrast", self.contrast, 1e-3, 1e3)
    }
}

/// The census cost of one target against its neighbours, batch 1.
///
/// Blocks:
/// - `"inverse_depth"` `[1, h, w]`, bounded. Its cost map is `[1, 1, h, w]`: at each pixel the cost combined over the
///   neighbours, smoothed within image edges, so that a candidate map may be judged pixel by pixel.
/// - `"poses"` `[N, 6]`, `neighbour_from_target` in the [`PoseChart`]. Its cost map is `[N, 1, h, w]`, one map per
///   neighbour, not smoothed.
///
/// What comparisons cost is in [0, 1]. `total` is the mean over pixels of the cost combined over the neighbours (half their mean,
/// half the least of them, because a pixel is often hidden from one neighbour and seen by another), before smoothing,
/// for either block. Where matched points are known, what they cost is added to each neighbour's map
/// for poses, and its mean to the total; where depths are likely, so is what others cost, to the depth's map and the total.
#[derive(Debug, Clone)]
pub struct CensusCost {
    space: Space,
    height: usize,
    width: usize,
    camera: Pinhole,
    config: CensusConfig,
    /// What each pixel costs that is not seen.
    unseen: Vec<f32>,
    /// Signs of the target's differences, −1, 0, 1: row, offset, column.
    signs: Vec<i8>,
    /// Neighbours' grey, times [`GREY`].
    neighbours: Vec<Vec<f32>>,
    smoothing: Arc<EdgeFilter>,
    bounds: (f32, f32),
    target: Arc<Vec<f32>>,
    /// One per neighbour, or none at all.
    matches: Arc<Vec<Option<Matches>>>,
    /// Inverse depths that are likely, pixel by pixel, or none.
    likely: Arc<Vec<f32>>,
    /// The pixels that each neighbour probably does not see, or none at all.
    hidden: Arc<Vec<Vec<bool>>>,
}

/// What matched points of one neighbour cost.
#[derive(Debug)]
struct Matches {
    cost: EpipolarCost,
    reach_px: f64,
    weight: f64,
}

impl CensusCost {
    /// Grey images in [0, 1], all of the same size, at least 8 by 8; the camera at that size; the least and greatest
    /// inverse depth.
    ///
    /// # Errors
    /// If sizes differ or are too small, there is no neighbour, or a setting is out of range.
    pub fn new(
        target: &Map,
        neighbours: &[Map],
        camera: Pinhole,
        inverse_depth: (f64, f64),
        config: &CensusConfig,
    ) -> Result<Self> {
        config.validate()?;
        let (height, width) = (target.height(), target.width());
        if height < 8 || width < 8 {
            return Err(Error::argument("target", "an image of at least 8x8", format!("{height}x{width}")));
        }
        if neighbours.is_empty() {
            return Err(Error::argument("neighbours", "at least one", "none"));
        }
        for n in neighbours {
            if (n.height(), n.width()) != (height, width) {
                return Err(Error::argument(
                    "neighbour",
                    format!("the target's size {height}x{width}"),
                    format!("{}x{}", n.height(), n.width()),
                ));
            }
        }
        let (lower, upper) = inverse_depth;
        if !(lower > 0.0 && lower < upper && upper.is_finite()) {
            return Err(Error::argument(
                "inverse_depth",
                "0 < least < greatest",
                format!("{inverse_depth:?}"),
            ));
        }
        let space = Space::new(vec![
            Block::bounded("inverse_depth", [1, height, width], lower, upper),
            Block::manifold("poses", [neighbours.len(), 6], Arc::new(PoseChart)),
        ])?;
        let grey = |m: &Map| m.values().iter().map(|v| v * GREY).collect::<Vec<f32>>();
        let smoothing =
            EdgeFilter::new(target.values(), width, config.reach_px as f32, config.contrast as f32);
        let mut cost = Self {
            space,
            height,
            width,
            camera,
            config: config.clone(),
            unseen: Vec::new(),
            signs: Vec::new(),
            neighbours: neighbours.iter().map(grey).collect(),
            smoothing: Arc::new(smoothing),
            bounds: (lower as f32, upper as f32),
            target: Arc::new(target.values().to_vec()),
            matches: Arc::default(),
            likely: Arc::default(),
            hidden: Arc::default(),
        };
        cost.signs = cost.target_signs(&grey(target));
        cost.unseen = cost.texture();
        cost.unseen.iter_mut().for_each(|texture| *texture *= config.unseen as f32);
        Ok(cost)
    }

    /// With points matched between the target and neighbours, in their order: their mean cost, which is half where they are
    /// `reach_px` from where a pose says, is added `weight` times.
    pub(crate) fn with_matches(
        mut self,
        matches: Vec<Option<EpipolarCost>>,
        reach_px: f64,
        weight: f64,
    ) -> Self {
        let matches = matches.into_iter().map(|cost| cost.map(|cost| Matches { cost, reach_px, weight }));
        self.matches = Arc::new(matches.collect());
        self
    }

    /// With the inverse depth of each pixel that is likely before anything is compared, for a longest baseline of about 1: others
    /// cost up to 0.1, if they are many pixels of parallax away.
    pub(crate) fn with_likely(mut self, likely: Option<Map>) -> Self {
        self.likely = Arc::new(likely.map(|map| map.values().to_vec()).unwrap_or_default());
        self
    }

    /// With the pixels that each neighbour, in their order, probably does not see, whatever their depth is.
    pub(crate) fn with_hidden(mut self, hidden: Vec<Vec<bool>>) -> Self {
        self.hidden = Arc::new(hidden);
        self
    }

    /// Whether a pixel of the target is taken to be hidden from all neighbours.
    pub(crate) fn is_hidden(&self, pixel: usize) -> bool {
        !self.hidden.is_empty() && self.hidden.iter().all(|hidden| hidden.get(pixel) == Some(&true))
    }

    /// What each neighbour's matched points cost.
    fn of_matches(&self, poses: &[Isometry3<f64>]) -> Vec<f64> {
        let of = |(n, pose): (usize, &Isometry3<f64>)| {
            let matches = self.matches.get(n).and_then(Option::as_ref);
            matches.map_or(0.0, |m| m.weight * m.cost.at(pose, m.reach_px))
        };
        poses.iter().enumerate().map(of).collect()
    }

    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The camera at this size.
    pub fn camera(&self) -> &Pinhole {
        &self.camera
    }

    /// Least and greatest inverse depth.
    pub(crate) fn bounds(&self) -> (f32, f32) {
        self.bounds
    }

    /// The target's grey, row by row.
    pub(crate) fn target(&self) -> &[f32] {
        &self.target
    }

    /// The share of comparisons at each pixel of the target that found a difference: how much it can say.
    pub(crate) fn texture(&self) -> Vec<f32> {
        let mut texture = vec![0f32; self.height * self.width];
        for (row, signs) in texture.chunks_mut(self.width).zip(self.signs.chunks(self.width * OFFSETS.len()))
        {
            for plane in signs.chunks(self.width) {
                for (t, s) in row.iter_mut().zip(plane) {
                    *t += f32::from(s.abs()) / OFFSETS.len() as f32;
                }
            }
        }
        texture
    }

    fn tolerance(&self) -> i16 {
        (self.config.tolerance as f32 * GREY) as i16
    }

    fn target_signs(&self, grey: &[f32]) -> Vec<i8> {
        let mut padded = self.padding();
        for (y, row) in grey.chunks(self.width).enumerate() {
            for (to, from) in self.inner_mut(&mut padded, y).iter_mut().zip(row) {
                *to = *from as i16;
            }
        }
        self.fill_border(&mut padded);
        let (tolerance, pitch) = (self.tolerance(), self.pitch());
        let mut signs = Vec::with_capacity(self.height * self.width * OFFSETS.len());
        for y in 0..self.height {
            let centre = &padded[(y + RADIUS) * pitch + RADIUS..][..self.width];
            for (dy, dx) in OFFSETS {
                let other = &padded[(y + dy) * pitch + dx..][..self.width];
                signs.extend(
                    other.iter().zip(centre).map(|(&o, &c)| sign(o.wrapping_sub(c), tolerance) as i8),
                );
            }
        }
        signs
    }

    fn pitch(&self) -> usize {
        self.width + 2 * RADIUS
    }

    fn padding(&self) -> Vec<i16> {
        vec![0; self.pitch() * (self.height + 2 * RADIUS)]
    }

    fn inner_mut<'a>(&self, padded: &'a mut [i16], y: usize) -> &'a mut [i16] {
        &mut padded[(y + RADIUS) * self.pitch() + RADIUS..][..self.width]
    }

    /// Repeats the outermost pixels.
    fn fill_border(&self, padded: &mut [i16]) {
        let pitch = self.pitch();
        for row in padded.chunks_mut(pitch).skip(RADIUS).take(self.height) {
            let (first, last) = (row[RADIUS], row[RADIUS + self.width - 1]);
            row[..RADIUS].fill(first);
            row[RADIUS + self.width..].fill(last);
        }
        for y in 0..RADIUS {
            padded.copy_within(RADIUS * pitch..(RADIUS + 1) * pitch, y * pitch);
            let last = (RADIUS + self.height - 1) * pitch;
            padded.copy_within(last..last + pitch, (RADIUS + self.height + y) * pitch);
        }
    }

    /// The cost of neighbour `n` at every pixel, put into `cost`.
    fn disagreement(&self, n: usize, pose: &Isometry3<f64>, inv_depth: &[f32], cost: &mut [f32]) {
        let (neighbour, hidden) = (&self.neighbours[n], self.hidden.get(n));
        let (width, pitch, tolerance) = (self.width, self.pitch(), self.tolerance());
        let warp = Warp::new(&self.camera, pose);
        let mut warped = self.padding();
        // First the warped picture; `cost` holds whether a pixel is seen.
        warped[RADIUS * pitch..]
            .par_chunks_mut(pitch)
            .with_min_len(8)
            .zip(cost.par_chunks_mut(width))
            .zip(inv_depth.par_chunks(width))
            .enumerate()
            .for_each(|(y, ((row, seen), x))| {
                let row = &mut row[RADIUS..RADIUS + width];
                warp.sample_row(neighbour, (self.height, width), y, x, row, seen);
                let hidden = hidden.and_then(|hidden| hidden.get(y * width..(y + 1) * width));
                let hidden = hidden.unwrap_or_default();
                seen.iter_mut().zip(hidden).filter(|(_, hidden)| **hidden).for_each(|(seen, _)| *seen = 0.0);
            });
        self.fill_border(&mut warped);
        let scale = 0.5 / OFFSETS.len() as f32;
        cost.par_chunks_mut(width)
            .with_min_len(8)
            .zip(self.signs.par_chunks(width * OFFSETS.len()))
            .zip(self.unseen.par_chunks(width))
            .enumerate()
            .for_each_init(
                || vec![0i16; width],
                |sum, (y, ((row, signs), unseen))| {
                    let centre = &warped[(y + RADIUS) * pitch + RADIUS..][..width];
                    vectorized(
                        #[inline(always)]
                        || {
                            sum.fill(0);
                            for ((dy, dx), signs) in OFFSETS.into_iter().zip(signs.chunks(width)) {
                                let other = &warped[(y + dy) * pitch + dx..][..width];
                                for (((sum, &o), &c), &s) in sum.iter_mut().zip(other).zip(centre).zip(signs)
                                {
                                    // Wrapping, because overflow checks would keep this loop from being vectorised; nothing
                                    // here can overflow.
                                    let unlike =
                                        sign(o.wrapping_sub(c), tolerance).wrapping_sub(i16::from(s));
                                    *sum = sum.wrapping_add(unlike.wrapping_abs());
                                }
                            }
                            for ((cost, &sum), &unseen) in row.iter_mut().zip(sum.iter()).zip(unseen) {
                                *cost = if *cost > 0.5 { f32::from(sum) * scale } else { unseen };
                            }
                        },
                    );
                },
            );
    }

    /// Half the mean over the neighbours and half the least, and what depths cost that are not likely; and the sum of all.
    fn combine(&self, costs: &[f32], inv_depth: &[f32]) -> (Vec<f32>, f64) {
        let (width, pixels) = (self.width, inv_depth.len());
        let count = (costs.len() / pixels) as f32;
        let mut combined = vec![0f32; inv_depth.len()];
        let focal_px = self.camera.fx as f32;
        let of_row = |least: &mut Vec<f32>, (y, row): (usize, &mut [f32])| {
            let part = y * width..(y + 1) * width;
            let likely = self.likely.get(part.clone()).unwrap_or_default();
            vectorized(
                #[inline(always)]
                || {
                    least.fill(f32::INFINITY);
                    for costs in costs.chunks(pixels) {
                        for ((sum, least), &cost) in
                            row.iter_mut().zip(least.iter_mut()).zip(&costs[part.clone()])
                        {
                            *sum += cost;
                            *least = least.min(cost);
                        }
                    }
                    for (combined, least) in row.iter_mut().zip(least.iter()) {
                        *combined = 0.5 * (*combined / count + least);
                    }
                    for ((cost, &x), &likely) in row.iter_mut().zip(&inv_depth[part.clone()]).zip(likely) {
                        let off_px = (x - likely).abs() * focal_px;
                        *cost += UNLIKELY * ((off_px - LIKELY_PX) / UNLIKELY_PX).clamp(0.0, 1.0);
                    }
                    row.iter().map(|&c| f64::from(c)).sum::<f64>()
                },
            )
        };
        let rows = combined.par_chunks_mut(width).with_min_len(16).enumerate();
        let rows = rows.map_init(|| vec![0f32; width], of_row);
        // In the order of the rows, whatever the number of threads.
        let sums: Vec<f64> = rows.collect();
        (combined, sums.into_iter().sum())
    }
}

impl CostFunction for CensusCost {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let values =
            |id| at.get(id).to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let (inv_depth, poses) = (values(INVERSE_DEPTH)?, values(POSES)?);
        let poses: Vec<Isometry3<f64>> = poses.chunks(6).map(PoseChart::decode).collect();
        let pixels = inv_depth.len();
        let mut costs = vec![0f32; pixels * self.neighbours.len().min(poses.len())];
        for (n, (cost, pose)) in costs.chunks_mut(pixels).zip(&poses).enumerate() {
            self.disagreement(n, pose, &inv_depth, cost);
        }
        let (mut combined, sum) = self.combine(&costs, &inv_depth);
        let of_matches = self.of_matches(&poses);
        let total = sum / combined.len() as f64 + of_matches.iter().sum::<f64>() / poses.len() as f64;
        let total = Tensor::new(&[total as f32], at.device())?;
        let (h, w) = (self.height, self.width);
        let map = if block == INVERSE_DEPTH {
            self.smoothing.apply(&mut combined);
            Tensor::from_vec(combined, (1, 1, h, w), at.device())?
        } else {
            for (costs, own) in costs.chunks_mut(pixels).zip(of_matches).filter(|(_, own)| *own > 0.0) {
                costs.iter_mut().for_each(|cost| *cost += own as f32);
            }
            let count = costs.len() / pixels;
            Tensor::from_vec(costs, (count, 1, h, w), at.device())?
        };
        Ok(Cost { total, map: Some(map) })
    }
}

/// −1, 0 or 1.
#[inline(always)]
fn sign(difference: i16, tolerance: i16) -> i16 {
    i16::from(difference > tolerance).wrapping_sub(i16::from(difference < tolerance.wrapping_neg()))
}

/// The census of every pixel as two bits per comparison, brighter and darker, so that costs are counts of unlike bits.
/// Pixels past the border repeat it. `grey` is in 0 to 1.
pub(crate) fn chess_codes(grey: &[f32], width: usize, tolerance: f32) -> Vec<u64> {
    let height = grey.len() / width.max(1);
    let code = |i: usize| {
        let (y, x) = (i / width, i % width);
        OFFSETS.iter().enumerate().fold(0u64, |code, (n, (dy, dx))| {
            let row = (y + dy).saturating_sub(RADIUS).min(height - 1);
            let column = (x + dx).saturating_sub(RADIUS).min(width - 1);
            let difference = grey[row * width + column] - grey[i];
            code | u64::from(difference > tolerance) << (2 * n)
                | u64::from(difference < -tolerance) << (2 * n + 1)
        })
    };
    (0..height * width).into_par_iter().with_min_len(1024).map(code).collect()
}

/// The image a camera turned by `pose` (its translation does not matter) would see in place of `image`'s, 0 to 1, and
/// which of its pixels are seen.
pub(crate) fn turned(image: &Map, camera: &Pinhole, pose: &Isometry3<f64>) -> (Vec<f32>, Vec<bool>) {
    let size = (image.height(), image.width());
    let grey: Vec<f32> = image.values().iter().map(|v| v * GREY).collect();
    let warp = Warp::new(camera, pose);
    let (mut out, mut seen) = (vec![0i16; grey.len()], vec![0f32; grey.len()]);
    let far = vec![0f32; size.1];
    for (y, (out, seen)) in out.chunks_mut(size.1).zip(seen.chunks_mut(size.1)).enumerate() {
        warp.sample_row(&grey, size, y, &far, out, seen);
    }
    (out.into_iter().map(|v| f32::from(v) / GREY).collect(), seen.into_iter().map(|s| s > 0.5).collect())
}
