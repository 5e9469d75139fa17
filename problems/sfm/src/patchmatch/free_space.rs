//! What neighbours look through: nothing can be where another camera sees something behind it.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point2, Point3};

use super::sight::Sight;
use crate::Map;

/// Parallax by which the depths of two images may differ, pixels.
const DISPUTED_PX: f64 = 2.0;
/// Parallax by which a place may be nearer than what a neighbour sees, pixels, and how much more than that is clear.
const THROUGH_PX: f64 = 2.0;
const CLEARLY_PX: f64 = 6.0;
/// A pixel of parallax is no more than this part of an inverse depth, however little things move aside.
const MOST_OF_DEPTH: f64 = 0.05;

/// A camera and its image's height and width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) camera: Pinhole,
    pub(super) size: (usize, usize),
}

impl Frame {
    pub(super) fn len(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Column and row of a pixel.
    pub(super) fn place(&self, pixel: usize) -> [f64; 2] {
        [(pixel % self.size.1) as f64, (pixel / self.size.1) as f64]
    }

    /// The pixel at which a camera at `pose` sees a place of this inverse depth, and its inverse depth there; `None` outside.
    pub(super) fn seen(&self, place: [f64; 2], inverse: f64, pose: &Isometry3<f64>) -> Option<(usize, f64)> {
        let ray = self.camera.backproject(&Point2::from(place), 1.0).coords;
        let seen = pose.rotation * ray + pose.translation.vector * inverse;
        let at = self.camera.project(&Point3::from(seen))?;
        let (u, v) = (at.x.round(), at.y.round());
        let inside = u >= 0.0 && v >= 0.0 && u < self.size.1 as f64 && v < self.size.0 as f64;
        inside.then(|| (v as usize * self.size.1 + u as usize, inverse / seen.z))
    }

    /// Pixels of parallax per unit of inverse depth: how fast a camera at `pose` sees a place move aside as its inverse depth x grows. With
    /// `q ~ K (R K⁻¹ p + x t)` that is |dq/dx|: about f |t| where the camera moves sideways, and far less where it moves along the line of
    /// sight. It is taken to be f |t| at most, and not so little that a pixel would be more than a twentieth of x.
    pub(super) fn parallax_px(&self, place: [f64; 2], inverse: f64, pose: &Isometry3<f64>) -> f64 {
        let aside_px = Sight::new(self, place, pose).aside_px(inverse);
        let most = self.camera.fx * pose.translation.vector.norm();
        aside_px.max((MOST_OF_DEPTH * inverse).recip()).min(most).max(f64::MIN_POSITIVE)
    }
}

/// What neighbours see, where that is known.
pub(super) struct FreeSpace {
    pub(super) frame: Frame,
    /// Width of these images over that of the images whose places are asked about.
    pub(super) scale: f64,
    pub(super) target: Map,
    pub(super) views: Vec<View>,
}

pub(super) struct View {
    pub(super) pose: Isometry3<f64>,
    pub(super) picture: Map,
    /// The neighbour's own inverse depth, where it is sure and the target says the same; infinite elsewhere.
    pub(super) inverse: Vec<f64>,
    /// All of it.
    pub(super) own: Vec<f32>,
}

impl FreeSpace {
    pub(super) fn new(frame: Frame, scale: f64, target: Map) -> Self {
        Self { frame, scale, target, views: Vec::new() }
    }

    /// A place of the images that are asked about in these images.
    pub(super) fn here(&self, place: [f64; 2]) -> [f64; 2] {
        place.map(|at| (at + 0.5) * self.scale - 0.5)
    }

    /// And back.
    pub(super) fn asked(&self, place: [f64; 2]) -> [f64; 2] {
        place.map(|at| (at + 0.5) / self.scale - 0.5)
    }

    /// With a neighbour at `pose` whose inverse depths are `own`: what it is `sure` of and the target's `target` agrees with is what it sees.
    pub(super) fn add(
        &mut self,
        (pose, picture): (&Isometry3<f64>, &Map),
        own: Vec<f32>,
        sure: impl Fn(usize) -> bool,
        target: &[f32],
    ) {
        let home = pose.inverse();
        let confirmed = |(pixel, own): (usize, &f32)| {
            let own = f64::from(*own);
            let back = self.frame.seen(self.frame.place(pixel), own, &home);
            let agrees = |(there, x): (usize, f64)| {
                (f64::from(target[there]) - x).abs() <= self.disputed(pixel, own, &home)
            };
            if sure(pixel) && back.is_some_and(agrees) { own } else { f64::INFINITY }
        };
        let inverse = own.iter().enumerate().map(confirmed).collect();
        self.views.push(View { pose: *pose, picture: picture.clone(), inverse, own });
    }

    /// By how much the inverse depths that two images say of a place may differ: `inverse` at a neighbour's pixel, whose parallax is what the
    /// target, at `home`, sees.
    fn disputed(&self, pixel: usize, inverse: f64, home: &Isometry3<f64>) -> f64 {
        DISPUTED_PX / self.frame.parallax_px(self.frame.place(pixel), inverse, home)
    }

    /// Of each neighbour the pixels of a target of any `size` about which its own depth says something else than `inverse`: they are hidden
    /// there, or depth is wrong. What the neighbour does not show is not disputed.
    pub(super) fn hidden(&self, inverse: &[f32], size: (usize, usize)) -> Vec<Vec<bool>> {
        let scale = self.frame.size.1 as f64 / size.1 as f64;
        let by = |view: &View| {
            let home = view.pose.inverse();
            let hidden = |(pixel, inverse): (usize, &f32)| {
                let place = [pixel % size.1, pixel / size.1].map(|at| (at as f64 + 0.5) * scale - 0.5);
                let seen = self.frame.seen(place, f64::from(*inverse), &view.pose);
                seen.is_some_and(|(there, x)| {
                    (f64::from(view.own[there]) - x).abs() > self.disputed(there, x, &home)
                })
            };
            inverse.iter().enumerate().map(hidden).collect()
        };
        self.views.iter().map(by).collect()
    }

    /// How clearly a neighbour looks through what would be at a place of the target: 0 if none does, to 1 (free-space violations;
    /// Merrell et al., *Real-Time Visibility-Based Fusion of Depth Maps*, ICCV 2007).
    pub(super) fn through(&self, place: [f64; 2], inverse: f64) -> f32 {
        let place = self.here(place);
        let by = |view: &View| {
            let (pixel, x) = self.frame.seen(place, inverse, &view.pose)?;
            let off_px =
                (x - view.inverse[pixel]) * self.frame.camera.fx * view.pose.translation.vector.norm();
            Some(((off_px - THROUGH_PX) / CLEARLY_PX).clamp(0.0, 1.0) as f32)
        };
        self.views.iter().filter_map(by).fold(0.0, f32::max)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> Frame {
        Frame { camera: Pinhole::from_fov_deg(60.0, 60, 80).unwrap(), size: (60, 80) }
    }

    proptest! {
        /// Parallax is how far the place moves aside in the other picture, within its bounds.
        #[test]
        fn parallax_is_what_moves_aside(
            place in [0.0..79.0f64, 0.0..59.0f64],
            (t, r) in (prop::array::uniform3(-1.0..1.0f64), prop::array::uniform3(-0.2..0.2f64)),
            inverse in 0.01..0.9f64,
        ) {
            let frame = frame();
            let pose = Isometry3::new(t.into(), r.into());
            let parallax_px = frame.parallax_px(place, inverse, &pose);
            let most = frame.camera.fx * pose.translation.vector.norm();
            prop_assert!(parallax_px <= most && parallax_px >= most.min(20.0 / inverse) - 1e-9);
            let ray = frame.camera.backproject(&Point2::from(place), 1.0).coords;
            let at = |x: f64| frame.camera.project(&Point3::from(pose.rotation * ray + pose.translation.vector * x));
            if let (Some(before), Some(after)) = (at(inverse - 1e-6), at(inverse + 1e-6)) {
                let aside_px = (after - before).norm() / 2e-6;
                if aside_px > 20.0 / inverse && aside_px < most {
                    prop_assert!((parallax_px / aside_px - 1.0).abs() < 1e-3, "{parallax_px}, not {aside_px}");
                }
            }
        }
    }

    /// A camera that backs away from a thing right before it sees it move little; no number is no panic.
    #[test]
    fn parallax_ahead_is_little() {
        let frame = frame();
        let back = Isometry3::translation(0.0, 0.0, 1.0);
        assert!((frame.parallax_px([39.5, 29.5], 2.0, &back) - 10.0).abs() < 1e-9);
        let aside = Isometry3::translation(-1.0, 0.0, 0.0);
        assert!((frame.parallax_px([39.5, 29.5], 2.0, &aside) - frame.camera.fx).abs() < 1e-9);
        for inverse in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(frame.parallax_px([10.0, 10.0], inverse, &back) > 0.0);
        }
    }

    /// A camera one unit to the right sees a wall, 4 away, and a post, 2 away; and the target's inverse depths.
    fn beside_a_post() -> (FreeSpace, Vec<f32>) {
        let frame = frame();
        let pose = Isometry3::translation(-1.0, 0.0, 0.0);
        // Of the target, whose post covers what the neighbour sees elsewhere.
        let at = |from: usize| {
            move |pixel: usize| if (from..from + 10).contains(&(pixel % 80)) { 0.5 } else { 0.25 }
        };
        let target: Vec<f32> = (0..frame.len()).map(at(50)).collect();
        // Half of 69 pixels farther left.
        let own: Vec<f32> = (0..frame.len()).map(at(15)).collect();
        let grey = Map::new(60, 80, vec![0.5; frame.len()]).unwrap();
        let mut free = FreeSpace::new(frame, 0.5, grey.clone());
        free.add((&pose, &grey), own, |_| true, &target);
        (free, target)
    }

    #[test]
    fn a_wall_that_is_seen_has_nothing_before_it() {
        let (free, _) = beside_a_post();
        // Asked in an image of twice the size. The wall and the post may be where they are.
        let place = |column: f64| [2.0 * column, 60.0];
        assert_eq!(free.through(place(30.0), 0.25), 0.0);
        assert_eq!(free.through(place(55.0), 0.5), 0.0);
        // What the neighbour's post hides may be wall, but not post: the neighbour sees the wall there.
        assert_eq!(free.through(place(40.0), 0.25), 0.0);
        assert_eq!(free.through(place(40.0), 0.5), 1.0);
        // What the neighbour sees and the target does not, because its own post hides it, does not count.
        assert_eq!(free.through(place(70.0), 0.5), 0.0);
        // What the neighbour does not see, and what is no number.
        assert_eq!(free.through(place(1.0), 0.5), 0.0);
        assert_eq!(free.through(place(40.0), f64::NAN), 0.0);
    }

    /// What the neighbour's post hides is disputed, in images of any size, and so is a wrong depth, but not what the neighbour does not show.
    #[test]
    fn what_a_neighbour_hides_is_disputed() {
        let (free, mut target) = beside_a_post();
        let row = |target: &[f32], scale: usize| {
            let size = (60 * scale, 80 * scale);
            let enlarged: Vec<f32> =
                (0..size.0 * size.1).map(|i| target[i / size.1 / scale * 80 + i % size.1 / scale]).collect();
            let hidden = free.hidden(&enlarged, size).remove(0);
            [5, 20, 28, 37, 45, 55, 70].map(|x| hidden[30 * scale * size.1 + x * scale])
        };
        for scale in [1, 2] {
            assert_eq!(row(&target, scale), [false, false, false, true, false, false, false], "{scale}");
        }
        // Too near, where the neighbour would show it beside its picture and in it.
        target[30 * 80 + 28] = 0.5;
        target[30 * 80 + 70] = 0.5;
        assert_eq!(row(&target, 1), [false, false, false, true, false, false, true]);
    }
}
