//! A point cloud from all frames, kept where frames agree.

use image::RgbImage;
use nalgebra::Point2;
use rand::{SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{PosedFrame, ratio::sampled};
use crate::{Error, Result, export::points::ColouredPoint};

/// How [`fuse`] works.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FuseOptions {
    /// Depths agree if they differ by less than this share.
    pub max_relative_depth: f64,
    /// Pixels agree if a point, moved to the neighbour, replaced by the neighbour's own depth there and moved back,
    /// arrives within this many pixels of its origin.
    pub max_reprojection_px: f64,
    /// Frames up to this number before and after are asked.
    pub reach: usize,
    /// This many of them must agree.
    pub min_agreeing: usize,
    /// More points than this are thinned out at random.
    pub max_points: usize,
    /// For the thinning.
    pub seed: u64,
}

impl Default for FuseOptions {
    fn default() -> Self {
        Self {
            max_relative_depth: 0.015,
            max_reprojection_px: 1.5,
            reach: 2,
            min_agreeing: 1,
            max_points: 1_000_000,
            seed: 0,
        }
    }
}

/// Four times as many pixels are tried as points are wanted: most sequences lose fewer than three quarters.
const TRIED_PER_POINT: f64 = 4.0;

/// The world points of all pixels that neighbouring frames confirm, with the colours of the frames' pictures, ordered by frame
/// and pixel.
///
/// # Errors
/// If there is not one picture of its map's size for each frame, or a scale is not positive.
pub fn fuse(
    frames: &[PosedFrame<'_>],
    pictures: &[RgbImage],
    options: &FuseOptions,
) -> Result<Vec<ColouredPoint>> {
    if pictures.len() != frames.len() {
        return Err(Error::argument("pictures", format!("{}, one per frame", frames.len()), pictures.len()));
    }
    let mut pixels = 0;
    for (index, (frame, picture)) in frames.iter().zip(pictures).enumerate() {
        let size = (frame.inv_depth.width(), frame.inv_depth.height());
        let (width, height) = picture.dimensions();
        if (width as usize, height as usize) != size {
            let expected = format!("{}x{} pixels, as its depth has", size.0, size.1);
            return Err(Error::argument(format!("picture {index}"), expected, format!("{width}x{height}")));
        }
        if !(frame.scale > 0.0 && frame.scale.is_finite()) {
            return Err(Error::argument(format!("scale of frame {index}"), "a positive number", frame.scale));
        }
        pixels += size.0 * size.1;
    }
    let share = TRIED_PER_POINT * options.max_points as f64 / pixels.max(1) as f64;
    let mut points = Vec::new();
    for (index, (frame, picture)) in frames.iter().zip(pictures).enumerate() {
        let tried = chosen(frame, index, share, options.seed);
        let around =
            index.saturating_sub(options.reach)..frames.len().min(index.saturating_add(options.reach + 1));
        let neighbours: Vec<&PosedFrame<'_>> =
            around.filter(|other| *other != index).filter_map(|other| frames.get(other)).collect();
        points.par_extend(tried.into_par_iter().filter_map(|(row, column)| {
            let position = confirmed(frame, (row, column), &neighbours, options)?;
            let colour = picture.get_pixel_checked(column as u32, row as u32)?.0;
            Some(ColouredPoint { position, colour })
        }));
    }
    if points.len() > options.max_points {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let mut kept = index::sample(&mut rng, points.len(), options.max_points).into_vec();
        kept.sort_unstable();
        points = kept.into_iter().filter_map(|index| points.get(index).copied()).collect();
    }
    Ok(points)
}

/// `(row, column)` of the pixels to try: all, or a random share of them.
fn chosen(frame: &PosedFrame<'_>, index: usize, share: f64, seed: u64) -> Vec<(usize, usize)> {
    let (height, width) = (frame.inv_depth.height(), frame.inv_depth.width());
    let count = height * width;
    let place = |pixel: usize| (pixel / width, pixel % width);
    if share >= 1.0 {
        return (0..count).map(place).collect();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64 + 1);
    let wanted = ((share * count as f64).ceil() as usize).min(count);
    let mut pixels = index::sample(&mut rng, count, wanted).into_vec();
    pixels.sort_unstable();
    pixels.into_iter().map(place).collect()
}

/// The pixel's world point, if enough neighbours agree with it.
fn confirmed(
    frame: &PosedFrame<'_>,
    (row, column): (usize, usize),
    neighbours: &[&PosedFrame<'_>],
    options: &FuseOptions,
) -> Option<[f32; 3]> {
    let inverse = frame.inv_depth.at(row, column).filter(|x| *x > 0.0 && x.is_finite())?;
    let pixel = Point2::new(column as f64, row as f64);
    let p_in_world =
        frame.world_from_camera * frame.camera.backproject(&pixel, frame.scale / f64::from(inverse));
    let agrees = |other: &PosedFrame<'_>| -> Option<bool> {
        let p_in_other = other.world_from_camera.inverse_transform_point(&p_in_world);
        let at = other.camera.project(&p_in_other)?;
        let depth = other.scale / sampled(other.inv_depth, &at)?;
        let theirs_in_world = other.world_from_camera * other.camera.backproject(&at, depth);
        let back =
            frame.camera.project(&frame.world_from_camera.inverse_transform_point(&theirs_in_world))?;
        let depth_fits = (p_in_other.z - depth).abs() < options.max_relative_depth * depth;
        Some(depth_fits && (back - pixel).norm() < options.max_reprojection_px)
    };
    let agreeing = neighbours.iter().filter(|other| agrees(other) == Some(true)).count();
    (agreeing >= options.min_agreeing).then(|| p_in_world.coords.cast::<f32>().into())
}
