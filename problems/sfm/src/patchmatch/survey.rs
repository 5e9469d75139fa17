//! A coarse sweep, which finds in what range depths are, and where they are sure.

use candle_core::{Device, Tensor};
use dro_core::{CostFunction, Point};
use dro_vision::Pinhole;
use nalgebra::Isometry3;
use rayon::prelude::*;

use super::{
    PatchMatchConfig,
    free_space::{Frame, FreeSpace},
    likely::{self, Known},
    pose::poses_of,
    pyramid::{Pictures, flat},
    search::Search,
};
use crate::{
    Map, Result,
    cost::{Beside, CensusCost, INVERSE_DEPTH},
    sorted::Sorted,
    watch::unwrapped,
};

/// How much smaller its images are.
const SMALLER: usize = 2;
/// Parallax that must matter for a depth to be sure, pixels, and how much less the images must then agree.
const SURE_PX: f64 = 1.5;
const SURE_GAIN: f32 = 0.05;
/// Side of the cells of which the surest pixel counts.
const SURE_CELL_PX: usize = 4;
/// How much nearer to a neighbour things may be, as a factor.
const NEARER: f64 = 3.0;

/// The greatest inverse depth to reckon with, as a multiple of the median.
const WIDE: f64 = 10.0;

/// The greatest inverse depth to reckon with, for a longest baseline of 1, where the median is `middle`: what is near without many
/// corners counts too, but not what would be seen a whole picture of `width_px` aside.
pub(crate) fn nearest(middle: f64, camera: &Pinhole, width_px: usize) -> f64 {
    (WIDE * middle).min(width_px as f64 / camera.fx).max(1.5 * middle)
}

pub(super) struct Survey {
    /// Least and greatest inverse depth that pixels have, generously.
    pub(super) range: (f64, f64),
    /// The inverse depth to expect at every pixel, by what was matched and by where the sweep is sure.
    pub(super) likely: Option<Map>,
    /// Of each neighbour, the pixels (at the pictures' size) about which its own depth says something else.
    pub(super) hidden: Vec<Vec<bool>>,
    /// What they look through.
    pub(super) free: FreeSpace,
    pub(super) evaluations: usize,
}

/// Looks at all inverse depths of a `wide` range, at given poses; `matched` is known before.
pub(super) fn survey(
    pictures: &Pictures,
    config: &PatchMatchConfig,
    poses: &[Isometry3<f64>],
    wide: (f64, f64),
    matched: &[Known],
) -> Result<Survey> {
    let (full, target) = (pictures.size(), &pictures.target);
    let pictures = pictures.limited(full.1 / SMALLER)?;
    let scale = pictures.size().1 as f64 / full.1 as f64;
    let here: Vec<Known> = matched.iter().map(|known| known.scaled(scale)).collect();
    let cost = pictures.cost(wide, &config.census)?;
    let focal_px = pictures.camera.fx;
    let cost = cost.with_likely(likely::inverse_depth(&here, &pictures.target, focal_px, None, config.seed)?);
    let search = Search { config, cost: &cost };
    let swept = search.sweep(&flat(&cost, wide.0, poses)?, wide, &mut [])?;
    let sure = sure(&cost, &swept)?;
    let sure = sure.into_iter().map(|known| known.scaled(1.0 / scale));
    let known: Vec<Known> = matched.iter().copied().chain(sure).collect();
    let inverse = swept.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
    let frame = Frame { camera: pictures.camera, size: pictures.size() };
    let mut free = FreeSpace::new(frame, scale, pictures.target.clone());
    let mut evaluations = search.planes(wide) + 3;
    for (pose, neighbour) in poses.iter().zip(&pictures.neighbours) {
        let (own, gains, planes) = backwards(&pictures, config, (neighbour, pose), &inverse, wide)?;
        free.add((pose, neighbour), own, |pixel| gains[pixel] > SURE_GAIN, &inverse);
        evaluations += planes + 3;
    }
    let hidden = free.hidden(&inverse, pictures.size());
    let hidden = hidden.iter().map(|map| at_size(map, pictures.size(), full)).collect();
    let likely = likely::inverse_depth(&known, target, focal_px / scale, Some(&free), config.seed)?;
    let agreed = agreed(&known, full.1 as f64, focal_px / scale);
    let range = range(&known, &agreed, likely.as_ref(), wide);
    Ok(Survey { range, likely, hidden, free, evaluations })
}

/// The nearest pixels of a map of another size.
fn at_size(map: &[bool], from: (usize, usize), (height, width): (usize, usize)) -> Vec<bool> {
    let at = |y: usize, x: usize| map[y * from.0 / height * from.1 + x * from.1 / width];
    (0..height).flat_map(|y| (0..width).map(move |x| at(y, x))).collect()
}

/// A neighbour's own inverse depth, found by the same sweep, how much it gains everywhere, and of how many planes the sweep is.
fn backwards(
    pictures: &Pictures,
    config: &PatchMatchConfig,
    (neighbour, pose): (&Map, &Isometry3<f64>),
    inverse: &[f32],
    wide: (f64, f64),
) -> Result<(Vec<f32>, Vec<f32>, usize)> {
    let back = Pictures {
        target: neighbour.clone(),
        neighbours: vec![pictures.target.clone()],
        camera: pictures.camera,
    };
    let frame = Frame { camera: pictures.camera, size: pictures.size() };
    let there = |pixel: usize| frame.seen(frame.place(pixel), f64::from(inverse[pixel]), pose);
    // What is near may be nearer still to the neighbour.
    let nearest = (0..frame.len()).filter_map(there).map(|(_, x)| x).fold(wide.1, f64::max);
    let range = (0.7 * wide.0, nearest.min(NEARER * wide.1));
    let cost = back.cost(range, &config.census)?;
    let search = Search { config, cost: &cost };
    let swept = search.sweep(&flat(&cost, range.0, &[pose.inverse()])?, range, &mut [])?;
    let inverse = swept.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
    Ok((inverse, gains(&cost, &swept)?, search.planes(range)))
}

/// The inverse depth to expect at every pixel by a finer sweep: by what was `matched`, by where the sweep is sure, and by what neighbours
/// look through.
pub(super) fn expected(
    pictures: &Pictures,
    config: &PatchMatchConfig,
    cost: &CensusCost,
    swept: &Point,
    matched: &[Known],
    free: &FreeSpace,
) -> Result<Option<Map>> {
    let known: Vec<Known> = matched.iter().copied().chain(sure(cost, swept)?).collect();
    likely::inverse_depth(&known, &pictures.target, pictures.camera.fx, Some(free), config.seed)
}

/// How much less the images agree where there is a little more or less parallax, as of a camera that moves sideways, at every pixel.
pub(super) fn gains(cost: &CensusCost, at: &Point) -> Result<Vec<f32>> {
    let step = (SURE_PX / cost.camera().fx) as f32;
    changes(cost, at, &Tensor::new(step, &Device::Cpu)?)
}

/// How much less the images agree a step nearer or farther.
fn changes(cost: &CensusCost, at: &Point, step: &Tensor) -> Result<Vec<f32>> {
    let costs = |by: f64| -> Result<Vec<f32>> {
        let moved = at.get(INVERSE_DEPTH).broadcast_add(&(step * by)?)?;
        let moved = at.with(INVERSE_DEPTH, moved)?;
        let cost = cost.evaluate(&moved, INVERSE_DEPTH).map_err(unwrapped)?;
        Ok(cost.map_for("inverse_depth").map_err(unwrapped)?.flatten_all()?.to_vec1()?)
    };
    let (here, nearer, farther) = (costs(0.0)?, costs(1.0)?, costs(-1.0)?);
    let sides = nearer.iter().zip(&farther).zip(here);
    Ok(sides.map(|((nearer, farther), here)| nearer.min(*farther) - here).collect())
}

/// The inverse depth that is as much parallax, in the neighbour that sees most of it, as must matter for a depth to be sure.
fn sure_steps(cost: &CensusCost, at: &Point) -> Result<Tensor> {
    let (frame, poses) = (Frame { camera: *cost.camera(), size: cost.size() }, poses_of(at)?);
    let map = at.get(INVERSE_DEPTH);
    let step = |(pixel, x): (usize, &f32)| {
        let place = frame.place(pixel);
        let parallax_px = poses.iter().map(|pose| frame.parallax_px(place, f64::from(*x), pose));
        (SURE_PX / parallax_px.fold(f64::MIN_POSITIVE, f64::max)) as f32
    };
    let steps = map.flatten_all()?.to_vec1::<f32>()?.iter().enumerate().map(step).collect();
    Ok(Tensor::from_vec(steps, map.dims(), map.device())?)
}

/// Where depth is sure: a little parallax more or less and the images agree far less. Of each cell the surest pixel, if it is
/// and no neighbour disputes it.
fn sure(cost: &CensusCost, at: &Point) -> Result<Vec<Known>> {
    let gains = changes(cost, at, &sure_steps(cost, at)?)?;
    let inverse = at.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
    let (height, width) = cost.size();
    let surest = |(top, left): (usize, usize)| {
        let rows = top..(top + SURE_CELL_PX).min(height);
        let pixels = rows.flat_map(|y| (left..(left + SURE_CELL_PX).min(width)).map(move |x| (y, x)));
        let index = |(y, x): (usize, usize)| y * width + x;
        let best = pixels.max_by(|a, b| gains[index(*a)].total_cmp(&gains[index(*b)]))?;
        let known = Known { at: [best.1 as f64, best.0 as f64], inverse: f64::from(inverse[index(best)]) };
        (gains[index(best)] > SURE_GAIN && !cost.is_hidden(index(best))).then_some(known)
    };
    let lefts = |top: usize| (0..width).step_by(SURE_CELL_PX).map(move |left| (top, left));
    Ok((0..height).step_by(SURE_CELL_PX).flat_map(lefts).filter_map(surest).collect())
}

/// Known places that another one agrees with, near it in the image: few that are wrong.
fn agreed(known: &[Known], width_px: f64, focal_px: f64) -> Vec<Known> {
    let beside = Beside::new(0.0, width_px, focal_px);
    let agrees = |a: &Known, b: &Known| {
        beside.agree((a.at[0] - b.at[0]).hypot(a.at[1] - b.at[1]), a.inverse, b.inverse)
    };
    // Itself is one.
    let seconded = |a: &&Known| known.iter().filter(|b| agrees(a, b)).nth(1).is_some();
    known.par_iter().filter(seconded).copied().collect()
}

/// The range that most of what is `known` and what is to be expected are in, within a wide one. Near things are often small, so that
/// of places that are `agreed` all but the nearest two in a thousand count.
fn range(known: &[Known], agreed: &[Known], likely: Option<&Map>, wide: (f64, f64)) -> (f64, f64) {
    let sorted = |known: &[Known]| Sorted::new(known.iter().map(|known| known.inverse));
    let (known, agreed) = (sorted(known), sorted(agreed));
    let nearest =
        likely.and_then(|map| Sorted::new(map.values().iter().copied()).permille(980)).unwrap_or(0.0);
    let at = |below| known.permille(below);
    let (Some(few), Some(middle), Some(most)) = (at(30), at(500), at(980)) else { return wide };
    let near = (1.25 * most).max(1.5 * agreed.permille(998).unwrap_or(middle));
    // Farther than 2.5 medians parallax is mostly noise, and a depth that is far too great is the worst error.
    let low = (0.5 * few).max(0.4 * middle).max(wide.0);
    (low, near.max(1.5 * middle).max(nearest).min(wide.1).max(1.1 * low))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two places that agree are a small thing near the camera; one alone is wrong, and so is one that agrees with another far away
    /// in the image.
    #[test]
    fn small_near_things_are_in_the_range() {
        let place = |x: f64, y: f64, inverse: f64| Known { at: [x, y], inverse };
        let mut known: Vec<Known> =
            (0..300).map(|i| place(f64::from(i % 20) * 12.0, f64::from(i / 20) * 12.0, 0.1)).collect();
        known.extend([place(40.0, 50.0, 0.4), place(45.0, 52.0, 0.41)]);
        known.extend([place(100.0, 100.0, 2.0), place(200.0, 20.0, 3.0), place(300.0, 20.0, 3.0)]);
        let agreed = agreed(&known, 320.0, 300.0);
        assert_eq!(agreed.len(), 302);
        let (low, high) = range(&known, &agreed, None, (0.01, 5.0));
        assert!(low < 0.1 && high > 0.45 && high < 1.0, "{low} to {high}");
        assert_eq!(range(&[], &[], None, (0.01, 5.0)), (0.01, 5.0));
    }
}
