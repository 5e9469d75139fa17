//! Depth of a frame by what all frames around it say.

use nalgebra::{Matrix3, Point2, Vector3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::PosedFrame;
use crate::{Error, Map, Result};

/// Smaller things than this, from their middle, may be specks.
const SPECKLE_PX: usize = 2;

/// How [`fuse_depth`] works.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DepthFusionOptions {
    /// Frames up to this number before and after are asked.
    pub reach: usize,
    /// The frame's own depth counts as often as this.
    pub own: usize,
    /// Depths agree if they differ by less than this share, above 0.
    pub agreement: f32,
    /// What a frame counts that speaks against a depth, in parts of one that agrees.
    pub against: f32,
}

impl Default for DepthFusionOptions {
    fn default() -> Self {
        Self { reach: 12, own: 2, agreement: 0.1, against: 0.5 }
    }
}

/// Inverse depth of a frame, in its window's unit: at each pixel the depth that most frames agree with. What only others
/// see is filled; where nobody says anything it stays 0.
///
/// A pixel's candidates are its own depth and the points of other frames that fall on it. A frame agrees with a candidate if
/// its own depth is about the same where the candidate appears in it, and speaks against it if it looks through it there, or
/// has a point before it as the target sees it: agreement, free space and occlusion as weighed by Merrell et al., "Real-time
/// visibility-based fusion of depth maps", ICCV 2007. The best candidate becomes the median of what is like it, and the map, as
/// pixels are fused one by one, the median of 5x5 pixels.
///
/// Every window is off in its own way, mostly where its neighbours see little, so most frames are right where one is not.
///
/// # Errors
/// If there is no such frame, or a scale is not positive.
pub fn fuse_depth(frames: &[PosedFrame<'_>], target: usize, options: &DepthFusionOptions) -> Result<Map> {
    let Some(own) = frames.get(target) else {
        return Err(Error::argument("frame", format!("below {}", frames.len()), target));
    };
    let around =
        target.saturating_sub(options.reach)..frames.len().min(target.saturating_add(options.reach + 1));
    if let Some(odd) = around.clone().find(|&i| !(frames[i].scale > 0.0 && frames[i].scale.is_finite())) {
        let found = frames[odd].scale;
        return Err(Error::argument(format!("scale of frame {odd}"), "a positive number", found));
    }
    let others: Vec<Other<'_>> = around
        .into_par_iter()
        .filter(|other| *other != target)
        .map(|other| Other::new(&frames[other], own))
        .collect();
    if others.is_empty() {
        return Ok(own.inv_depth.mapped(|x| if known(x).is_some() { x } else { 0.0 }));
    }
    let (height, width) = (own.inv_depth.height(), own.inv_depth.width());
    let pixel = |votes: &mut Votes, (i, &inverse): (usize, &f32)| {
        let at = Point2::new((i % width) as f64, (i / width) as f64);
        votes.gather(&others, i, own.camera.backproject(&at, 1.0).coords.cast(), known(inverse));
        votes.best(&others, options).map_or(0.0, f32::recip)
    };
    let fused: Vec<f32> =
        own.inv_depth.values().par_iter().enumerate().map_init(Votes::default, pixel).collect();
    let speckless = |around: &mut Vec<f32>, i: usize| median_around(&fused, (height, width), i, around);
    Map::new(height, width, (0..fused.len()).into_par_iter().map_init(Vec::new, speckless).collect())
}

/// The median of what is known within [`SPECKLE_PX`] of a pixel; 0 where the pixel itself is not.
fn median_around(map: &[f32], (height, width): (usize, usize), i: usize, around: &mut Vec<f32>) -> f32 {
    let (row, column) = (i / width, i % width);
    let near = |at: usize, end: usize| at.saturating_sub(SPECKLE_PX)..(at + SPECKLE_PX + 1).min(end);
    around.clear();
    for row in near(row, height).map(|row| row * width) {
        around.extend(near(column, width).map(|column| map[row + column]).filter(|&x| x > 0.0));
    }
    let middle = around.len() / 2;
    if map[i] > 0.0 { *around.select_nth_unstable_by(middle, f32::total_cmp).1 } else { 0.0 }
}

/// The depth of an inverse depth, where there is one.
fn known(inverse: f32) -> Option<f32> {
    Some(inverse.recip()).filter(|depth| *depth > 0.0 && depth.is_finite())
}

/// What is said of one pixel.
#[derive(Default)]
struct Votes {
    own: Option<f32>,
    /// Depths that other frames tell, from near to far.
    told: Vec<f32>,
    /// For each other frame: its pixel of the target's at depth 1, without the translation.
    turned: Vec<Vector3<f32>>,
}

impl Votes {
    /// Of pixel `i`, whose point at depth 1 is `ray`.
    fn gather(&mut self, others: &[Other<'_>], i: usize, ray: Vector3<f32>, own: Option<f32>) {
        self.own = own;
        self.told.clear();
        self.told.extend(others.iter().map(|other| other.told[i]).filter(|&depth| depth > 0.0));
        self.told.sort_unstable_by(f32::total_cmp);
        self.turned.clear();
        self.turned.extend(others.iter().map(|other| other.turned * ray));
    }

    /// The candidate that most speaks for, in the middle of all that agree with it.
    fn best(&mut self, others: &[Other<'_>], options: &DepthFusionOptions) -> Option<f32> {
        let mut best = self.own.map(|own| (own, self.score(own, others, options)));
        // Candidates that are closer than half of what counts as the same are not told apart.
        let apart = 1.0 + 0.5 * options.agreement;
        let mut last = 0.0;
        for &depth in &self.told {
            if depth > apart * last {
                last = depth;
                let score = self.score(depth, others, options);
                if best.is_none_or(|(_, most)| score > most) {
                    best = Some((depth, score));
                }
            }
        }
        best.map(|(depth, _)| self.middle(depth, options))
    }

    fn score(&self, depth: f32, others: &[Other<'_>], options: &DepthFusionOptions) -> f32 {
        let far = 1.0 + options.agreement;
        let beyond =
            others.iter().zip(&self.turned).filter_map(|(other, turned)| other.beyond(turned, depth));
        let seen = beyond.map(|ratio| match ratio {
            _ if ratio >= far => -options.against,
            _ if ratio * far > 1.0 => 1.0,
            // Something hides the place from that frame.
            _ => 0.0,
        });
        let own = match self.own {
            None => 0.0,
            Some(own) if alike(own, depth, options) => options.own as f32,
            Some(_) => -options.against * options.own as f32,
        };
        let before = self.told.iter().take_while(|&&told| told * far <= depth).count();
        own + seen.sum::<f32>() - options.against * before as f32
    }

    /// The median of all that is like this depth.
    fn middle(&mut self, depth: f32, options: &DepthFusionOptions) -> f32 {
        let own = self.own.into_iter().flat_map(|own| std::iter::repeat_n(own, options.own));
        self.told.extend(own);
        self.told.retain(|&told| alike(told, depth, options));
        let middle = self.told.len() / 2;
        if self.told.is_empty() { depth } else { *self.told.select_nth_unstable_by(middle, f32::total_cmp).1 }
    }
}

fn alike(a: f32, b: f32, options: &DepthFusionOptions) -> bool {
    a.max(b) < (1.0 + options.agreement) * a.min(b)
}

/// What another frame knows, in the unit of the target's window.
struct Other<'a> {
    /// The depth that its points give each of the target's pixels; 0 where it gives none.
    told: Vec<f32>,
    inv_depth: &'a Map,
    /// Its unit in the target's.
    unit: f32,
    /// Its homogeneous pixel of the target's point at depth d on a ray r: `turned` r d + `moved`.
    turned: Matrix3<f32>,
    moved: Vector3<f32>,
}

impl<'a> Other<'a> {
    fn new(frame: &PosedFrame<'a>, target: &PosedFrame<'_>) -> Self {
        let frame_from_target = frame.world_from_camera.inv_mul(&target.world_from_camera);
        let seen = frame.camera.matrix();
        let rotation = frame_from_target.rotation.to_rotation_matrix();
        Self {
            told: told(frame, target),
            inv_depth: frame.inv_depth,
            unit: (frame.scale / target.scale) as f32,
            turned: (seen * rotation.matrix()).cast(),
            moved: (seen * frame_from_target.translation.vector / target.scale).cast(),
        }
    }

    /// Its own depth where the point at `depth` of a target's pixel appears in it, in parts of that point's; `None` if it does not see it.
    fn beyond(&self, turned: &Vector3<f32>, depth: f32) -> Option<f32> {
        let point = turned * depth + self.moved;
        if point.z <= 0.0 {
            return None;
        }
        let (x, y) = ((point.x / point.z).round(), (point.y / point.z).round());
        let (height, width) = (self.inv_depth.height(), self.inv_depth.width());
        if !((0.0..width as f32).contains(&x) && (0.0..height as f32).contains(&y)) {
            return None;
        }
        let inverse = self.inv_depth.values()[y as usize * width + x as usize];
        Some(self.unit * known(inverse)? / point.z)
    }
}

/// Depth that another frame's points give each pixel of the target, in the unit of the target's window; 0 where there are none.
fn told(other: &PosedFrame<'_>, target: &PosedFrame<'_>) -> Vec<f32> {
    let (height, width) = (target.inv_depth.height(), target.inv_depth.width());
    let target_from_other = target.world_from_camera.inv_mul(&other.world_from_camera);
    let mut nearest = vec![f32::INFINITY; height * width];
    for row in 0..other.inv_depth.height() {
        for column in 0..other.inv_depth.width() {
            let Some(depth) = other.inv_depth.at(row, column).and_then(known) else { continue };
            let at = Point2::new(column as f64, row as f64);
            let point = target_from_other * other.camera.backproject(&at, other.scale * f64::from(depth));
            let Some(seen) = target.camera.project(&point) else { continue };
            let (x, y) = (seen.x.round(), seen.y.round());
            if (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y) {
                let place = &mut nearest[y as usize * width + x as usize];
                *place = place.min((point.z / target.scale) as f32);
            }
        }
    }
    filled(&nearest, height, width)
}

/// Pixels that no point fell on, between others that one did: the nearest of those beside them, or 0.
fn filled(values: &[f32], height: usize, width: usize) -> Vec<f32> {
    let beside = |i: usize| {
        let (row, column) = (i / width, i % width);
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        let columns = column.saturating_sub(1)..(column + 2).min(width);
        rows.flat_map(|y| columns.clone().map(move |x| values[y * width + x])).fold(f32::INFINITY, f32::min)
    };
    let nearest = |(i, &x): (usize, &f32)| Some(x).filter(|x| x.is_finite()).unwrap_or_else(|| beside(i));
    values.iter().enumerate().map(nearest).map(|x| if x.is_finite() { x } else { 0.0 }).collect()
}
