//! Depth of a frame by what all frames around it say.

use nalgebra::Point2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::PosedFrame;
use crate::{Error, Map, Result};

/// How [`fuse_depth`] works.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DepthFusionOptions {
    /// Frames up to this number before and after are asked.
    pub reach: usize,
    /// The frame's own depth counts as often as this.
    pub own: usize,
}

impl Default for DepthFusionOptions {
    fn default() -> Self {
        Self { reach: 12, own: 3 }
    }
}

/// Inverse depth of a frame, in its window's unit: at each pixel the median of its own and of what other frames say, whose points
/// are moved into it. What only others see is filled; where nobody says anything it stays 0.
///
/// Every window is off in its own way, mostly where its neighbours see little; the median leaves out the few that are off most.
///
/// # Errors
/// If there is no such frame.
pub fn fuse_depth(frames: &[PosedFrame<'_>], target: usize, options: &DepthFusionOptions) -> Result<Map> {
    let Some(own) = frames.get(target) else {
        return Err(Error::argument("frame", format!("below {}", frames.len()), target));
    };
    let around =
        target.saturating_sub(options.reach)..frames.len().min(target.saturating_add(options.reach + 1));
    let told: Vec<Vec<f32>> = around
        .into_par_iter()
        .filter(|other| *other != target)
        .map(|other| moved(&frames[other], own))
        .collect();
    let pixel = |values: &mut Vec<f32>, (i, own): (usize, &f32)| {
        values.clear();
        values.extend(std::iter::repeat_n(*own, options.own).chain(told.iter().map(|map| map[i])));
        values.retain(|x| *x > 0.0 && x.is_finite());
        let middle = values.len() / 2;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
    };
    let fused = own.inv_depth.values().par_iter().enumerate().map_init(Vec::new, pixel).collect();
    Map::new(own.inv_depth.height(), own.inv_depth.width(), fused)
}

/// Inverse depth that another frame gives each pixel of the target, in the unit of the target's window; 0 where it says nothing.
fn moved(other: &PosedFrame<'_>, target: &PosedFrame<'_>) -> Vec<f32> {
    let (height, width) = (target.inv_depth.height(), target.inv_depth.width());
    let target_from_other = target.world_from_camera.inv_mul(&other.world_from_camera);
    let mut nearest = vec![0f32; height * width];
    for row in 0..other.inv_depth.height() {
        for column in 0..other.inv_depth.width() {
            let inverse = other.inv_depth.at(row, column).filter(|x| *x > 0.0 && x.is_finite());
            let Some(inverse) = inverse else { continue };
            let at = Point2::new(column as f64, row as f64);
            let point = target_from_other * other.camera.backproject(&at, other.scale / f64::from(inverse));
            let Some(seen) = target.camera.project(&point) else { continue };
            let (x, y) = (seen.x.round(), seen.y.round());
            if (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y) {
                let place = &mut nearest[y as usize * width + x as usize];
                *place = place.max((target.scale / point.z) as f32);
            }
        }
    }
    filled(&nearest, height, width)
}

/// Pixels that no point fell on, between others that one did: the nearest of those beside them.
fn filled(values: &[f32], height: usize, width: usize) -> Vec<f32> {
    let beside = |i: usize| {
        let (row, column) = (i / width, i % width);
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        let columns = column.saturating_sub(1)..(column + 2).min(width);
        rows.flat_map(|y| columns.clone().map(move |x| values[y * width + x])).fold(0.0, f32::max)
    };
    values.iter().enumerate().map(|(i, &x)| if x > 0.0 { x } else { beside(i) }).collect()
}
