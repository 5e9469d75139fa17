//! Which frames are solved together.

use super::Neighbours;
use crate::{Error, Result};

/// A target frame and the frames that help it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Number of the target frame.
    pub target: usize,
    /// Numbers of its neighbours, in the order of the offsets; none where they are chosen when the target's turn comes.
    pub neighbours: Vec<usize>,
}

/// One window per frame: with [`Neighbours::Offsets`] frame `i` and its neighbours `i + offset`, with [`Neighbours::Auto`] without
/// neighbours yet.
///
/// Neighbours before the first or after the last frame are dropped. If none is left, the offsets are mirrored (so the
/// last frame of a sequence solved with offset 1 uses the frame before it); if those do not exist either, the frame uses
/// the farthest frames there are in both directions.
///
/// # Errors
/// If there are fewer than 2 frames, no offsets, or an offset of 0.
///
/// # Example
/// ```
/// use dro_sfm::sequence::{Neighbours, windows};
/// let windows = windows(3, &Neighbours::Offsets(vec![1, -1]))?;
/// assert_eq!(windows.iter().map(|w| w.neighbours.clone()).collect::<Vec<_>>(), [vec![1], vec![2, 0], vec![1]]);
/// # Ok::<(), dro_sfm::Error>(())
/// ```
pub fn windows(frames: usize, neighbours: &Neighbours) -> Result<Vec<Window>> {
    if frames < 2 {
        return Err(Error::argument("frames", "at least 2", frames));
    }
    neighbours.check()?;
    let Neighbours::Offsets(offsets) = neighbours else {
        return Ok((0..frames).map(|target| Window { target, neighbours: Vec::new() }).collect());
    };
    let neighbours = |target: usize, sign: i64| -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for &offset in offsets {
            let frame = (target as i64).checked_add(offset.saturating_mul(sign));
            let frame = frame.and_then(|frame| usize::try_from(frame).ok()).filter(|frame| *frame < frames);
            found.extend(frame.filter(|frame| !found.contains(frame)));
        }
        found
    };
    let window = |target: usize| {
        let mut found = neighbours(target, 1);
        if found.is_empty() {
            found = neighbours(target, -1);
        }
        if found.is_empty() {
            found = [frames - 1, 0].into_iter().filter(|frame| *frame != target).collect();
        }
        Window { target, neighbours: found }
    };
    Ok((0..frames).map(window).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windows(frames: usize, offsets: &[i64]) -> Result<Vec<Window>> {
        super::windows(frames, &Neighbours::Offsets(offsets.to_vec()))
    }

    #[test]
    fn ends_use_what_they_have() {
        let neighbours = |frames, offsets: &[i64]| -> Vec<Vec<usize>> {
            windows(frames, offsets).unwrap().into_iter().map(|window| window.neighbours).collect()
        };
        assert_eq!(neighbours(3, &[1]), [[1], [2], [1]]);
        assert_eq!(neighbours(4, &[2, -2, 1, 1]), [vec![2, 1], vec![3, 2], vec![0, 3], vec![1]]);
        assert_eq!(neighbours(3, &[2]), [vec![2], vec![2, 0], vec![0]]);
        assert_eq!(neighbours(2, &[i64::MAX, i64::MIN]), [[1], [0]]);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (frames, offsets) in [(1, &[1][..]), (0, &[1]), (5, &[]), (5, &[1, 0])] {
            assert!(windows(frames, offsets).is_err(), "{frames} {offsets:?}");
        }
    }

    proptest! {
        #[test]
        fn every_frame_is_a_target_once_with_real_neighbours(
            frames in 2usize..20,
            offsets in prop::collection::vec(prop_oneof![-25i64..0, 1i64..25], 1..5),
        ) {
            let all = windows(frames, &offsets).unwrap();
            prop_assert_eq!(all.iter().map(|w| w.target).collect::<Vec<_>>(), (0..frames).collect::<Vec<_>>());
            for Window { target, neighbours } in all {
                prop_assert!(!neighbours.is_empty());
                prop_assert!(neighbours.iter().all(|n| *n < frames && *n != target));
                let mut unique = neighbours.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), neighbours.len());
            }
        }
    }
}
