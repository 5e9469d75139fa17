//! Neighbours that are far enough apart for depth to show, and no farther.
//!
//! What two images tell of depth grows with the distance between the cameras, and so does what only one of them shows. So a
//! target is helped by the nearest frame before and the nearest after it that matched points see from clearly another place: turning a
//! camera moves them too, so the best rotation is taken out first (parallax as keyframes are chosen by in visual odometry; Qin
//! et al., *VINS-Mono*, T-RO 2018).

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::Window;
use crate::Result;

/// What two frames show of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Overlap {
    /// Points that match.
    pub(crate) matches: usize,
    /// How far apart the best rotation leaves them: the upper quartile, as a share of the image's width.
    pub(crate) parallax: f64,
}

/// Parallax that is enough. On recorded sequences depth is best from about here to twice as much.
const ENOUGH: f64 = 0.018;
/// Frames this far away are looked at in turn, each about 1.4 times as far as the one before.
const STEPS: [usize; 13] = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90];
/// The farthest of them.
pub(crate) const REACH: usize = STEPS[STEPS.len() - 1];
/// With fewer points a parallax means nothing.
const FEWEST: usize = 40;
/// Nor are frames looked at that share fewer points with the target than this part of what the next frame does.
const SHARE: f64 = 0.3;
/// A side with less than this part of the other's parallax (or of what is enough) is left out: it would only blur.
const WORTH: f64 = 0.5;

/// Fills the windows that have no neighbours yet, among `count` frames.
///
/// `overlap` compares two frames, the first before the second and at most [`REACH`] apart; `None` where one cannot be read.
pub(crate) fn select(
    windows: &mut [Window],
    count: usize,
    overlap: &mut dyn FnMut(usize, usize) -> Result<Option<Overlap>>,
) -> Result<()> {
    let mut known = BTreeMap::new();
    for window in windows.iter_mut().filter(|window| window.neighbours.is_empty()) {
        known.retain(|(first, _), _| first + REACH >= window.target);
        window.neighbours = chosen(window.target, count, &mut |a, b| {
            let pair = (a.min(b), a.max(b));
            match known.entry(pair) {
                Entry::Occupied(entry) => Ok(*entry.get()),
                Entry::Vacant(entry) => Ok(*entry.insert(overlap(pair.0, pair.1)?)),
            }
        })?;
    }
    Ok(())
}

/// The best frame on one side.
#[derive(Clone, Copy)]
struct Side {
    frame: usize,
    parallax: f64,
}

fn chosen(
    target: usize,
    count: usize,
    overlap: &mut dyn FnMut(usize, usize) -> Result<Option<Overlap>>,
) -> Result<Vec<usize>> {
    let after = side(target, &|step| target.checked_add(step).filter(|frame| *frame < count), overlap)?;
    let before = side(target, &|step| target.checked_sub(step), overlap)?;
    let sides = || [after, before].into_iter().flatten();
    let most = sides().map(|side| side.parallax).fold(0.0, f64::max).min(ENOUGH);
    Ok(sides().filter(|side| side.parallax >= WORTH * most).map(|side| side.frame).collect())
}

/// The nearest frame with enough parallax, or the one with most; the next one where points tell nothing.
fn side(
    target: usize,
    at: &dyn Fn(usize) -> Option<usize>,
    overlap: &mut dyn FnMut(usize, usize) -> Result<Option<Overlap>>,
) -> Result<Option<Side>> {
    let mut best: Option<Side> = None;
    let mut fewest = FEWEST as f64;
    for frame in STEPS.iter().map_while(|step| at(*step)) {
        let Some(Overlap { matches, parallax }) = overlap(target, frame)? else { continue };
        tracing::debug!(target, frame, matches, parallax, "looked at");
        if (matches as f64) < fewest {
            break;
        }
        if best.is_none() {
            fewest = fewest.max(SHARE * matches as f64);
        }
        if best.is_none_or(|side| parallax > side.parallax) {
            best = Some(Side { frame, parallax });
        }
        if parallax >= ENOUGH {
            break;
        }
    }
    // Frames that cannot be read are left out when images are loaded, with the reason.
    Ok(best.or_else(|| at(1).map(|frame| Side { frame, parallax: 0.0 })))
}

/// Gives targets that no chain of windows leads to from those before them the one before as one more neighbour, so that there is one
/// trajectory of all.
pub(crate) fn connect(windows: &mut [Window], count: usize) {
    let is_target: BTreeSet<usize> = windows.iter().map(|window| window.target).collect();
    let mut groups = Groups((0..count).collect());
    for Window { target, neighbours } in &*windows {
        for neighbour in neighbours.iter().filter(|neighbour| is_target.contains(neighbour)) {
            groups.join(*target, *neighbour);
        }
    }
    for i in 1..windows.len() {
        let (last, window) = (windows[i - 1].target, &mut windows[i]);
        if groups.join(last, window.target) {
            window.neighbours.push(last);
        }
    }
}

/// Disjoint sets: each frame's is the last of its parents.
struct Groups(Vec<usize>);

impl Groups {
    fn of(&self, mut frame: usize) -> usize {
        while self.0[frame] != frame {
            frame = self.0[frame];
        }
        frame
    }

    /// Whether they were apart.
    fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a] = b;
        a != b
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty(count: usize) -> Vec<Window> {
        (0..count).map(|target| Window { target, neighbours: Vec::new() }).collect()
    }

    /// Neighbours of all frames of cameras at these places on a line, whose images share points up to a distance of 3.
    fn neighbours(places: &[f64]) -> Vec<Vec<usize>> {
        let mut windows = empty(places.len());
        let mut overlap = |a: usize, b: usize| {
            assert!(a < b && b - a <= REACH);
            let apart = (places[a] - places[b]).abs();
            let matches = (400.0 * (1.0 - apart / 3.0)).max(0.0) as usize;
            Ok(Some(Overlap { matches, parallax: ENOUGH * apart }))
        };
        select(&mut windows, places.len(), &mut overlap).unwrap();
        connect(&mut windows, places.len());
        windows.into_iter().map(|window| window.neighbours).collect()
    }

    #[test]
    fn slow_cameras_get_far_neighbours_and_fast_ones_near_ones() {
        let steady = |step: f64| neighbours(&(0..9).map(|i| step * i as f64).collect::<Vec<_>>());
        assert_eq!(steady(1.0)[..3], [vec![1], vec![2, 0], vec![3, 1]]);
        // Every second frame, and one step between even and odd ones.
        assert_eq!(steady(0.5)[..4], [vec![2], vec![3, 0], vec![4, 0], vec![5, 1]]);
        assert_eq!(steady(0.26)[4], [8, 0]);
        // Too fast to have points in common: the next ones, whatever they are good for.
        assert_eq!(steady(5.0)[4], [5, 3]);
        assert_eq!(steady(0.0)[4], [5, 3]);
    }

    #[test]
    fn the_side_without_parallax_is_left_out() {
        // Still for 6 frames, then moving: those before help no one.
        let places = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0];
        assert_eq!(neighbours(&places)[3..], [vec![6], vec![6], vec![6], vec![7, 5], vec![6]]);
    }

    #[test]
    fn unreadable_frames_are_passed_over() {
        let with = |overlap: &mut dyn FnMut(usize, usize) -> Result<Option<Overlap>>| {
            let mut windows = vec![Window { target: 1, neighbours: Vec::new() }];
            select(&mut windows, 9, overlap).unwrap();
            windows.remove(0).neighbours
        };
        let parallax = |a: usize, b: usize| 0.6 * ENOUGH * (b - a) as f64;
        let overlap =
            |a, b| Ok((a != 2 && b != 2).then_some(Overlap { matches: 90, parallax: parallax(a, b) }));
        assert_eq!(with(&mut { overlap }), [3, 0]);
        assert_eq!(with(&mut |_, _| Ok(None)), [2, 0]);
    }

    #[test]
    fn windows_that_have_neighbours_keep_them() {
        let mut windows = vec![Window { target: 4, neighbours: vec![1] }];
        select(&mut windows, 9, &mut |_, _| unreachable!()).unwrap();
        assert_eq!(windows[0].neighbours, [1]);
    }

    proptest! {
        #[test]
        fn every_frame_has_neighbours_and_all_are_connected(places in prop::collection::vec(-4.0..4.0f64, 2..40)) {
            let found = neighbours(&places);
            let mut groups = Groups((0..places.len()).collect());
            for (target, neighbours) in found.iter().enumerate() {
                prop_assert!(!neighbours.is_empty() && neighbours.iter().all(|n| *n < places.len() && *n != target));
                let mut unique = neighbours.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), neighbours.len());
                for n in neighbours {
                    groups.join(target, *n);
                }
            }
            prop_assert!((0..places.len()).all(|frame| groups.of(frame) == groups.of(0)), "{found:?}");
        }
    }
}
