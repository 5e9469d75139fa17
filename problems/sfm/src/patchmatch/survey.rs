//! A coarse sweep, which finds in what range depths are, and where they are sure.

use dro_core::{CostFunction, Point};
use nalgebra::Isometry3;

use super::{
    PatchMatchConfig,
    likely::{self, Known},
    pyramid::{Pictures, flat},
    search::Search,
};
use crate::{
    Result,
    cost::{CensusCost, INVERSE_DEPTH},
    watch::unwrapped,
};

/// How much smaller its images are.
const SMALLER: usize = 2;
/// Parallax that must matter for a depth to be sure, pixels, and how much less the images must then agree.
const SURE_PX: f64 = 1.5;
const SURE_GAIN: f32 = 0.05;
/// Side of the cells of which the surest pixel counts.
const SURE_CELL_PX: usize = 4;

pub(super) struct Survey {
    /// Least and greatest inverse depth that pixels have, generously.
    pub(super) range: (f64, f64),
    /// Where depth is known: what was matched, and where the sweep is sure.
    pub(super) known: Vec<Known>,
    pub(super) evaluations: usize,
}

/// Looks at all inverse depths of a `wide` range, at given poses; `matched` are known before.
pub(super) fn survey(
    pictures: &Pictures,
    config: &PatchMatchConfig,
    poses: &[Isometry3<f64>],
    wide: (f64, f64),
    mut known: Vec<Known>,
) -> Result<Survey> {
    let width = pictures.size().1;
    let pictures = pictures.limited(width / SMALLER)?;
    let scale = pictures.size().1 as f64 / width as f64;
    let here: Vec<Known> = known.iter().map(|known| known.scaled(scale)).collect();
    let cost = pictures.cost(wide, &config.census)?;
    let cost = cost.with_likely(likely::inverse_depth(&here, pictures.size())?);
    let search = Search { config, cost: &cost };
    let swept = search.sweep(&flat(&cost, wide.0, poses)?, wide, &mut [])?;
    let sure = sure(&cost, &swept)?;
    known.extend(sure.into_iter().map(|known| known.scaled(1.0 / scale)));
    Ok(Survey { range: range(&known, wide), known, evaluations: search.planes(wide) + 3 })
}

/// Where depth is sure: a little parallax more or less and the images agree far less. Of each cell the surest pixel, if it is.
fn sure(cost: &CensusCost, at: &Point) -> Result<Vec<Known>> {
    let step = SURE_PX / cost.camera().fx;
    let costs = |by: f64| -> Result<Vec<f32>> {
        let moved = at.with(INVERSE_DEPTH, (at.get(INVERSE_DEPTH) + by)?)?;
        let cost = cost.evaluate(&moved, INVERSE_DEPTH).map_err(unwrapped)?;
        Ok(cost.map_for("inverse_depth").map_err(unwrapped)?.flatten_all()?.to_vec1()?)
    };
    let (here, nearer, farther) = (costs(0.0)?, costs(step)?, costs(-step)?);
    let inverse = at.get(INVERSE_DEPTH).flatten_all()?.to_vec1::<f32>()?;
    let (height, width) = cost.size();
    let gain = |i: usize| nearer[i].min(farther[i]) - here[i];
    let surest = |(top, left): (usize, usize)| {
        let rows = top..(top + SURE_CELL_PX).min(height);
        let pixels = rows.flat_map(|y| (left..(left + SURE_CELL_PX).min(width)).map(move |x| (y, x)));
        let index = |(y, x): (usize, usize)| y * width + x;
        let best = pixels.max_by(|a, b| gain(index(*a)).total_cmp(&gain(index(*b))))?;
        let known = Known { at: [best.1 as f64, best.0 as f64], inverse: f64::from(inverse[index(best)]) };
        (gain(index(best)) > SURE_GAIN).then_some(known)
    };
    let lefts = |top: usize| (0..width).step_by(SURE_CELL_PX).map(move |left| (top, left));
    Ok((0..height).step_by(SURE_CELL_PX).flat_map(lefts).filter_map(surest).collect())
}

/// The range that most of what is known is in, within a wide one.
fn range(known: &[Known], wide: (f64, f64)) -> (f64, f64) {
    let mut inverse: Vec<f64> = known.iter().map(|known| known.inverse).collect();
    inverse.sort_by(f64::total_cmp);
    let at = |permille: usize| inverse.get(inverse.len() * permille / 1000).copied();
    let (Some(few), Some(middle), Some(most)) = (at(30), at(500), at(980)) else { return wide };
    // Farther than 2.5 medians parallax is mostly noise, and a depth that is far too great is the worst error.
    let low = (0.5 * few).max(0.4 * middle).max(wide.0);
    (low, (1.25 * most).max(1.5 * middle).min(wide.1).max(1.1 * low))
}
