//! What neighbours look through: nothing can be where another camera sees something behind it.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point2, Point3};

use crate::Map;

/// Parallax by which a place may be nearer than what a neighbour sees, pixels, and how much more than that is clear.
const THROUGH_PX: f64 = 2.0;
const CLEARLY_PX: f64 = 6.0;

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

    /// With a neighbour at `pose` whose inverse depths are `own`, infinite where they are not sure, and the target's `target`: they count
    /// where they differ by at most `most`.
    pub(super) fn add(
        &mut self,
        (pose, picture): (&Isometry3<f64>, &Map),
        own: impl Iterator<Item = f32>,
        target: &[f32],
        most: f64,
    ) {
        let home = pose.inverse();
        let confirmed = |(pixel, own): (usize, f32)| {
            let own = f64::from(own);
            let back = self.frame.seen(self.frame.place(pixel), own, &home);
            let agrees = back.is_some_and(|(there, x)| (f64::from(target[there]) - x).abs() <= most);
            if agrees { own } else { f64::INFINITY }
        };
        let inverse = own.enumerate().map(confirmed).collect();
        self.views.push(View { pose: *pose, picture: picture.clone(), inverse });
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
    use super::*;

    /// A camera one unit to the right sees a wall, 4 away, and a post, 2 away.
    #[test]
    fn a_wall_that_is_seen_has_nothing_before_it() {
        let frame = Frame { camera: Pinhole::from_fov_deg(60.0, 60, 80).unwrap(), size: (60, 80) };
        let pose = Isometry3::translation(-1.0, 0.0, 0.0);
        // Of the target, whose post covers what the neighbour sees elsewhere.
        let at = |from: usize| {
            move |pixel: usize| if (from..from + 10).contains(&(pixel % 80)) { 0.5 } else { 0.25 }
        };
        let target: Vec<f32> = (0..frame.len()).map(at(50)).collect();
        // Half of 69 pixels farther left.
        let own: Vec<f32> = (0..frame.len()).map(at(15)).collect();
        let most = 2.0 / frame.camera.fx;
        let grey = Map::new(60, 80, vec![0.5; frame.len()]).unwrap();
        let mut free = FreeSpace::new(frame, 0.5, grey.clone());
        free.add((&pose, &grey), own.into_iter(), &target, most);
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
}
