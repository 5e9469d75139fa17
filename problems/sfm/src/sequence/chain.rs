//! One trajectory with one scale from windows that each have their own.
//!
//! Every window `i` is solved by itself: depths `d_i` of its target and poses `T_{j←i}` to its neighbours, in a unit
//! that may differ between windows (much where scale is not observable, little where the solver learned metric depth).
//! The factor `s_i` that takes window `i` to the common unit follows from depths of the same surface. A point of
//! frame `a`, moved into camera `b`, has depth `z` in window `a`'s unit; window `b` gives it `d_b`; so with pixels `u`
//! and the projection `π`
//!
//! > `s_a z = s_b d_b`, hence `s_b / s_a = median over u of  z(u) / d_b(π(T_{b←a} π⁻¹(u, d_a(u))))`,
//!
//! and the other way round, with `T_{a←b}`, if window `b` has frame `a` as a neighbour. Both sets of ratios are pooled
//! in the logarithm before the median. The pose between the two is the mean of `T_{b←a}` with its translation times
//! `s_a` and of `T_{a←b}⁻¹` with its translation times `s_b` (slerp of rotations, mean of translations).
//!
//! Frames are chained from frame 0 (the world) along the shortest steps that exist: those whose ratio is known first, then neighbours
//! in time, then pairs that know each other in both directions. Then all that windows know of each other is averaged.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use dro_vision::Pinhole;
use nalgebra::Isometry3;
use serde::{Deserialize, Serialize};

use super::average::{Edge, average};
use super::ratio::{Ratio, log_ratios, robust};
use crate::{Error, Map, Result};

/// What a window's solve found, its target being the frame of the same number.
#[derive(Debug, Clone)]
pub struct FrameEstimate {
    /// Inverse depth of the target, in the window's unit; 0 means "none".
    pub inv_depth: Map,
    /// The camera at the map's size.
    pub camera: Pinhole,
    /// `(frame number, neighbour_from_target)`; numbers without an estimate of their own are skipped.
    pub neighbours: Vec<(usize, Isometry3<f64>)>,
}

/// How [`chain`] works.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainOptions {
    /// Whether scales are estimated; otherwise all windows are taken to have one unit.
    pub estimate_scale: bool,
    /// Fewer agreeing pixels than this say nothing about scale.
    pub min_pixels: usize,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { estimate_scale: true, min_pixels: 100 }
    }
}

/// How a frame was joined to the frames before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The frame that had a pose already.
    pub from: usize,
    /// The frame that was joined.
    pub to: usize,
    /// `s_to / s_from`; `None` if too few pixels agreed (or scale was not estimated): the scale was kept.
    pub ratio: Option<Ratio>,
    /// Whether both windows knew the pose between them.
    pub both_directions: bool,
}

/// One trajectory.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Poses in the unit of frame 0's window; frame 0 is the identity.
    pub world_from_camera: Vec<Isometry3<f64>>,
    /// What each window's depths and translations are multiplied with to be in that unit.
    pub scales: Vec<f64>,
    /// How each frame but the first was joined, in the order of joining.
    pub links: Vec<Link>,
}

impl Chain {
    /// Frames whose scale could not be estimated and was copied from the frame they were joined to.
    pub fn kept_scales(&self) -> impl Iterator<Item = usize> + '_ {
        self.links.iter().filter(|link| link.ratio.is_none()).map(|link| link.to)
    }
}

/// Chains windows; see the module's documentation for the method.
///
/// # Errors
/// If there is no frame, or a frame shares no window with those before it, directly or through others; the message
/// names them.
pub fn chain(frames: &[FrameEstimate], options: &ChainOptions) -> Result<Chain> {
    if frames.is_empty() {
        return Err(Error::argument("frames", "at least 1", 0));
    }
    let edges = edges(frames, options);
    let mut around: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
    for &(a, b) in edges.keys() {
        // Keys are below frames.len().
        around[a].push(b);
        around[b].push(a);
    }

    let mut placed: Vec<Option<(Isometry3<f64>, f64)>> = vec![None; frames.len()];
    let mut links = Vec::new();
    let mut open = BinaryHeap::from([Reverse((false, 0, false, 0, 0))]);
    while let Some(Reverse((.., to, from))) = open.pop() {
        if placed[to].is_some() {
            continue;
        }
        placed[to] = match (placed[from], edges.get(&(from.min(to), from.max(to)))) {
            (Some((world_from_from, scale)), Some(edge)) => {
                let ratio = edge.ratio.map(|ratio| if from < to { ratio } else { ratio.inverse() });
                let to_scale = scale * ratio.map_or(1.0, |ratio| ratio.value);
                let from_from_to = joined(edge, from < to, scale, to_scale);
                links.push(Link { from, to, ratio, both_directions: edge.both_directions() });
                Some((renormalised(world_from_from * from_from_to), to_scale))
            }
            _ => Some((Isometry3::identity(), 1.0)),
        };
        for &next in around[to].iter().filter(|next| placed[**next].is_none()) {
            let Some(edge) = edges.get(&(to.min(next), to.max(next))) else { continue };
            let unknown = edge.ratio.is_none();
            open.push(Reverse((unknown, to.abs_diff(next), !edge.both_directions(), next, to)));
        }
    }

    let lost: Vec<usize> = (0..frames.len()).filter(|frame| placed[*frame].is_none()).collect();
    if !lost.is_empty() {
        let expected = "windows that connect every frame with frame 0 (an offset of 1 or -1 does)";
        return Err(Error::argument("windows", expected, format!("no connection to frames {lost:?}")));
    }
    let (mut world_from_camera, mut scales): (Vec<_>, Vec<_>) = placed.into_iter().flatten().unzip();
    let edges: Vec<Edge> = edges.into_values().collect();
    average(&edges, &mut world_from_camera, &mut scales);
    Ok(Chain { world_from_camera, scales, links })
}

/// What is known between frames `a < b`.
fn edges(frames: &[FrameEstimate], options: &ChainOptions) -> BTreeMap<(usize, usize), Edge> {
    let mut edges = BTreeMap::new();
    for (target, frame) in frames.iter().enumerate() {
        for &(neighbour, neighbour_from_target) in &frame.neighbours {
            let finite = neighbour_from_target.to_homogeneous().iter().all(|x| x.is_finite());
            if neighbour == target || neighbour >= frames.len() || !finite {
                continue;
            }
            let (a, b) = (target.min(neighbour), target.max(neighbour));
            let new = || Edge { a, b, b_from_a: None, a_from_b: None, ratio: None };
            let edge = edges.entry((a, b)).or_insert_with(new);
            let slot = if target < neighbour { &mut edge.b_from_a } else { &mut edge.a_from_b };
            *slot = Some(neighbour_from_target);
        }
    }
    if options.estimate_scale {
        for edge in edges.values_mut() {
            edge.ratio = ratio(&frames[edge.a], &frames[edge.b], edge, options.min_pixels);
        }
    }
    edges
}

fn ratio(a: &FrameEstimate, b: &FrameEstimate, edge: &Edge, min_pixels: usize) -> Option<Ratio> {
    let mut logs = Vec::new();
    if let Some(pose) = edge.b_from_a {
        logs.extend(log_ratios(&a.inv_depth, &b.inv_depth, &a.camera, &b.camera, &pose));
    }
    if let Some(pose) = edge.a_from_b {
        // Here z is in window b's unit and d in a's: the ratio is upside down.
        logs.extend(log_ratios(&b.inv_depth, &a.inv_depth, &b.camera, &a.camera, &pose).iter().map(|x| -x));
    }
    robust(logs, min_pixels)
}

/// `from_from_to` in the common unit.
fn joined(edge: &Edge, forward: bool, from_scale: f64, to_scale: f64) -> Isometry3<f64> {
    let (to_from_from, from_from_to) =
        if forward { (edge.b_from_a, edge.a_from_b) } else { (edge.a_from_b, edge.b_from_a) };
    let scaled = |mut pose: Isometry3<f64>, scale: f64| {
        pose.translation.vector *= scale;
        pose
    };
    let of_from = to_from_from.map(|pose| scaled(pose, from_scale).inverse());
    let of_to = from_from_to.map(|pose| scaled(pose, to_scale));
    match (of_from, of_to) {
        // Opposite rotations have no mean: keep the first.
        (Some(a), Some(b)) => a.try_lerp_slerp(&b, 0.5, 1e-9).unwrap_or(a),
        (Some(pose), None) | (None, Some(pose)) => pose,
        (None, None) => Isometry3::identity(),
    }
}

/// Long products of rotations drift from length 1.
fn renormalised(mut pose: Isometry3<f64>) -> Isometry3<f64> {
    pose.rotation.renormalize();
    pose
}
