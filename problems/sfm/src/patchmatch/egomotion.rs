//! Poses of all neighbours from profile costs: each alone, then together.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, UnitQuaternion};
use rayon::prelude::*;

use super::{profile::Profile, pyramid::Pictures, relative::Relative, search::mixed, survey, volume::Volume};
use crate::{
    Map, Result,
    cost::{EpipolarCost, MatchedPoint},
    sorted::Sorted,
};

/// What the poses' search found.
pub(super) struct Egomotion {
    /// In units of the first baseline of the reference neighbour.
    pub(super) poses: Vec<Isometry3<f64>>,
    /// Least and greatest inverse depth to reckon with.
    pub(super) range: (f64, f64),
    /// Costs of rotation alone and of the poses, as shares of chance.
    pub(super) still: f64,
    pub(super) moving: f64,
    pub(super) evaluations: usize,
}

/// Every so many pixels of the larger of two sizes are looked at.
const STRIDE: usize = 3;
/// Displacements looked at, pixels.
const MOST_RADIUS: usize = 56;

struct Pair {
    still: f64,
    moving: f64,
    pose: Isometry3<f64>,
    fine: Volume,
    upper: f64,
}

fn pair(images: [(&Map, &Map); 2], cameras: [Pinhole; 2], tolerance: f32, seed: u64) -> Result<Pair> {
    let radius = (images[0].0.width() / 4).clamp(4, 24);
    let coarse = Volume::new(images[0], cameras[0], tolerance, UnitQuaternion::identity(), (radius, 2))?;
    let focal = cameras[0].fx;
    let upper = 1.2 * radius as f64 / focal;
    let profile = Profile::new(vec![&coarse], upper, focal);
    let mut still = (f64::INFINITY, UnitQuaternion::identity());
    for (i, pixels) in [2.0, 6.0, 12.0].into_iter().enumerate() {
        let found = profile.rotation(UnitQuaternion::identity(), pixels, 150, mixed(seed, i as u64));
        if found.0 < still.0 {
            still = found;
        }
    }
    let base = still.1;
    let mut found = Vec::new();
    for (i, share) in [1.0, 0.35, 0.12].into_iter().enumerate() {
        let range = Profile::new(vec![&coarse], share * upper, focal);
        let starts = range.directions(base, 80, 3, mixed(seed, 20 + i as u64));
        let starts = starts.into_iter().map(|(_, p)| vec![p]).collect();
        let refined = range.refined(starts, (0.15, 0.7), 120, mixed(seed, 30 + i as u64));
        found.extend(refined.into_iter().map(|(c, p)| (c, p, share * upper)));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));

    let radius = (images[1].0.width() / 7).clamp(4, 24);
    let fine = Volume::new(images[1], cameras[1], tolerance, base, (radius, STRIDE))?;
    let focal = cameras[1].fx;
    let limit = 2.0 * radius as f64 / focal;
    let still = Profile::new(vec![&fine], limit, focal).rotation(base, 1.0, 80, mixed(seed, 11)).0;
    let mut best = (f64::INFINITY, Isometry3::identity(), limit);
    for (i, (_, start, upper)) in found.into_iter().take(4).enumerate() {
        let upper = limit.min(upper);
        let range = Profile::new(vec![&fine], upper, focal);
        for (cost, pose) in range.refined(vec![start], (0.1, 0.7), 150, mixed(seed, 40 + i as u64)) {
            if cost < best.0 {
                best = (cost, pose[0], upper);
            }
        }
    }
    let (moving, pose, upper) = best;
    Ok(Pair { still, moving, pose, fine, upper })
}

/// The greatest inverse depth and displacement (in focal lengths) to reckon with where points match so.
fn most(relative: &Relative) -> (f64, f64) {
    // Corners may all be far away beside a near wall without any.
    let most = |values: Sorted| {
        let at = |below| values.permille(below).unwrap_or(0.0);
        (1.5 * at(980)).max(3.5 * at(500))
    };
    let points = relative.matches.points(&relative.pose);
    let sorted = |of: fn(&MatchedPoint) -> f64| Sorted::new(points.iter().map(of));
    (most(sorted(|p| p.inverse)), most(sorted(|p| p.moved)))
}

/// The pose on which matched points agree, as [`pair`] gives one that it has to search.
fn matched(
    images: (&Map, &Map),
    camera: Pinhole,
    tolerance: f32,
    relative: &Relative,
    seed: u64,
) -> Result<Pair> {
    let (inverse, moved) = most(relative);
    let radius = ((moved * camera.fx) as usize + 4).clamp(8, MOST_RADIUS);
    let upper = inverse.clamp(2.0 / camera.fx, 2.0 * radius as f64 / camera.fx);
    let fine = Volume::new(images, camera, tolerance, relative.pose.rotation, (radius, STRIDE))?;
    let profile = Profile::new(vec![&fine], upper, camera.fx);
    let still = profile.rotation(relative.still, 1.0, 80, mixed(seed, 11)).0;
    let moving = profile.total(&[relative.pose]);
    Ok(Pair { still, moving, pose: relative.pose, fine, upper })
}

/// `pictures` are at the working size; `matches` has what matched points of each neighbour agree on.
pub(super) fn estimate(
    pictures: &Pictures,
    matches: &[Option<Relative>],
    tolerance: f32,
    seed: u64,
) -> Result<Egomotion> {
    // So small that the largest displacements are within reach.
    let moved = matches.iter().flatten().map(|relative| most(relative).1).fold(0.0, f64::max);
    let moved_px = moved * pictures.camera.fx * 160.0 / pictures.size().1 as f64;
    let wide = (160.0 * (MOST_RADIUS - 4) as f64 / moved_px.max(1e-9)).clamp(60.0, 160.0);
    let sizes = [pictures.limited(80)?, pictures.limited(wide as usize)?];
    let cameras = [sizes[0].camera, sizes[1].camera];
    let pairs = matches.par_iter().enumerate().map(|(i, relative)| {
        let images = [0, 1].map(|level| (&sizes[level].target, &sizes[level].neighbours[i]));
        let seed = mixed(seed, i as u64);
        match relative {
            Some(relative) => matched(images[1], cameras[1], tolerance, relative, seed),
            None => pair(images, cameras, tolerance, seed),
        }
    });
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    // The neighbour whose translation explains most sets the scale.
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    let gain = |p: &Pair| p.still - p.moving;
    order.sort_by(|&a, &b| gain(&pairs[b]).total_cmp(&gain(&pairs[a])));
    let lead = &pairs[order[0]];
    let alone = Profile::new(vec![&lead.fine], lead.upper, cameras[1].fx);
    let mut chosen = vec![lead.pose];
    let mut volumes = vec![&lead.fine];
    let depths = alone.depths(&[lead.pose]);
    for &n in &order[1..] {
        let p = &pairs[n];
        let mut best = (f64::INFINITY, p.pose);
        for i in -15..=15 {
            let mut pose = p.pose;
            let length = 2f64.powf(f64::from(i) / 4.0);
            pose.translation.vector *= length;
            let warp = p.fine.linear(&pose);
            let mut sum = 0.0;
            for (pixel, &(x, _)) in depths.iter().enumerate() {
                let mut cost = [0.0];
                p.fine.add(&warp, pixel, &[x], &mut cost);
                sum += f64::from(cost[0]);
            }
            if sum < best.0 {
                best = (sum, pose);
            }
        }
        chosen.push(best.1);
        volumes.push(&p.fine);
    }
    let of_matches: Vec<Option<&EpipolarCost>> =
        order.iter().map(|&n| matches[n].as_ref().map(|relative| &relative.matches)).collect();
    let joint = Profile::new(volumes, lead.upper, cameras[1].fx).with_matches(of_matches);
    let poses = if chosen.len() > 1 {
        let starts = (0..2).map(|_| chosen.clone()).collect();
        let mut found = joint.refined(starts, (0.1, 0.5), 400, mixed(seed, 77));
        found.swap_remove(0).1
    } else {
        chosen
    };
    let moving = joint.total(&poses);
    let still = pairs.iter().map(|p| p.still).sum::<f64>() / pairs.len() as f64;
    let mut depths = joint.depths(&poses);
    depths.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f32 = depths.iter().map(|d| d.1).sum();
    let quantile = |q: f32| {
        let mut sum = 0.0;
        depths
            .iter()
            .find(|d| {
                sum += d.1;
                sum >= q * all
            })
            .map_or(0.1, |d| f64::from(d.0))
    };
    let step = lead.upper / 31.0;
    let middle = quantile(0.5).max(step);
    let low = (0.5 * (quantile(0.03) - step)).max(0.4 * middle);
    let range = (low, survey::nearest(middle, &pictures.camera, pictures.size().1));
    let mut in_order = vec![Isometry3::identity(); pairs.len()];
    for (&n, pose) in order.iter().zip(&poses) {
        in_order[n] = *pose;
    }
    Ok(Egomotion {
        poses: in_order,
        range,
        still,
        moving,
        evaluations: pairs.len() * (450 + 4800 + 900 + 530) + 1600,
    })
}
