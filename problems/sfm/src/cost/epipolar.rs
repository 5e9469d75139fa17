//! How well matched points of two images agree with a pose: a robust count, without depth.

use std::ops::Range;

use dro_core::vectorized;
use dro_vision::Pinhole;
use nalgebra::{Isometry3, UnitQuaternion, Vector3};

use crate::sorted::Sorted;

/// Parallax below this tells nothing of which side of the camera a point is on, pixels.
const SIGN_PX: f64 = 0.7;

/// Matches whose terms are computed before they are added up.
const AT_ONCE: usize = 64;

/// Matched points of a target and one neighbour.
#[derive(Debug, Clone)]
pub(crate) struct EpipolarCost {
    /// Rays of the target and of the neighbour, third coordinate 1.
    rays: Vec<[Vector3<f64>; 2]>,
    focal_px: f64,
}

/// When two points agree: seen beside each other, and nearly as far away.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    apart_px: Range<f64>,
    /// By how much their inverse depths differ, for a baseline of 1, besides a part of it.
    off: f64,
}

impl Beside {
    /// How far apart they may be, as a part of the image's width.
    const REACH: f64 = 0.05;
    /// By how much they may be off: parallax in pixels for a baseline of 1, and a part of the inverse depth.
    const OFF_PX: f64 = 2.0;
    const OFF: f64 = 0.05;

    /// At least `least_px` apart, in an image of a width and focal length in pixels.
    pub(crate) fn new(least_px: f64, width_px: f64, focal_px: f64) -> Self {
        Self { apart_px: least_px..Self::REACH * width_px, off: Self::OFF_PX / focal_px }
    }

    pub(crate) fn agree(&self, apart_px: f64, own: f64, other: f64) -> bool {
        self.apart_px.contains(&apart_px) && (own - other).abs() < self.off + Self::OFF * own
    }
}

/// Where a matched point is by a pose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatchedPoint {
    /// Its ray in the target, third coordinate 1.
    pub(crate) ray: Vector3<f64>,
    /// Inverse depth in the target, over the unit of the translation.
    pub(crate) inverse: f64,
    /// How far the translation moves it in the neighbour, over the focal length.
    pub(crate) moved: f64,
}

impl EpipolarCost {
    /// `matches`: column and row in the target and in the neighbour, pixels of `camera`.
    pub(crate) fn new(matches: &[[[f32; 2]; 2]], camera: &Pinhole) -> Self {
        let ray = |[x, y]: [f32; 2]| {
            Vector3::new((f64::from(x) - camera.cx) / camera.fx, (f64::from(y) - camera.cy) / camera.fy, 1.0)
        };
        let rays = matches.iter().map(|pair| pair.map(ray)).collect();
        Self { rays, focal_px: (camera.fx * camera.fy).sqrt() }
    }

    pub(crate) fn rays(&self) -> &[[Vector3<f64>; 2]] {
        &self.rays
    }

    pub(crate) fn len(&self) -> usize {
        self.rays.len()
    }

    /// The points by a pose, without those behind a camera.
    pub(crate) fn points(&self, pose: &Isometry3<f64>) -> Vec<MatchedPoint> {
        let of = |[a, b]: &[Vector3<f64>; 2]| {
            let inverse = inverse(pose, a, b)?;
            let turned = pose.rotation * a;
            let moved = (b - turned / turned.z.max(1e-3)).xy().norm();
            Some(MatchedPoint { ray: *a, inverse, moved })
        };
        self.rays.iter().filter_map(of).collect()
    }

    /// Only the matches that a pose explains to within `reach_px`.
    pub(crate) fn explained(&self, pose: &Isometry3<f64>, reach_px: f64) -> Self {
        let rays = self.rays.iter().copied();
        let rays = rays.filter(|pair| self.term(pair, pose, reach_px) < 0.5).collect();
        Self { rays, focal_px: self.focal_px }
    }

    /// Only the matches of points that another one agrees with by a pose, at least `least_px` away in an image of a width in pixels.
    pub(crate) fn seconded(&self, pose: &Isometry3<f64>, least_px: f64, width_px: f64) -> Self {
        let beside = Beside::new(least_px, width_px, self.focal_px);
        let point = |pair: &[Vector3<f64>; 2]| Some((*pair, inverse(pose, &pair[0], &pair[1])?));
        let points: Vec<_> = self.rays.iter().filter_map(point).collect();
        let seconded = |(pair, own): &&([Vector3<f64>; 2], f64)| {
            points.iter().any(|(other, inverse)| {
                beside.agree((other[0] - pair[0]).norm() * self.focal_px, *own, *inverse)
            })
        };
        let rays = points.iter().filter(seconded).map(|(pair, _)| *pair).collect();
        Self { rays, focal_px: self.focal_px }
    }

    /// Mean over the matches of `r² / (r² + reach²)` (Geman & McClure 1985) with r the distance from the epipolar line to
    /// first order (Sampson; Hartley & Zisserman, section 11.4.3), pixels; 1 for points behind a camera. In [0, 1]; 0
    /// without matches. The length of the translation does not matter.
    pub(crate) fn at(&self, pose: &Isometry3<f64>, reach_px: f64) -> f64 {
        let mut sum = 0.0;
        for rays in self.rays.chunks(AT_ONCE) {
            let mut terms = [0.0; AT_ONCE];
            vectorized(
                #[inline(always)]
                || {
                    for (term, pair) in terms.iter_mut().zip(rays) {
                        *term = self.term(pair, pose, reach_px);
                    }
                },
            );
            sum = terms[..rays.len()].iter().fold(sum, |sum, term| sum + term);
        }
        sum / self.rays.len().max(1) as f64
    }

    /// Mean over the matches of `r² / (r² + reach²)` with r the distance that a rotation alone leaves, pixels.
    pub(crate) fn of_rotation(&self, rotation: &UnitQuaternion<f64>, reach_px: f64) -> f64 {
        let term = |left: f64| left * left / (left * left + reach_px * reach_px);
        self.left(rotation).map(term).sum::<f64>() / self.rays.len().max(1) as f64
    }

    /// What so many thousandths of those distances are below, pixels: 500 for the median.
    pub(crate) fn left_px(&self, rotation: &UnitQuaternion<f64>, permille: usize) -> f64 {
        Sorted::new(self.left(rotation)).permille(permille).unwrap_or(0.0)
    }

    fn left(&self, rotation: &UnitQuaternion<f64>) -> impl Iterator<Item = f64> {
        self.rays.iter().map(move |[a, b]| {
            let turned = rotation * a;
            (turned / turned.z.max(1e-3) - b).xy().norm() * self.focal_px
        })
    }

    #[inline(always)]
    fn term(&self, [a, b]: &[Vector3<f64>; 2], pose: &Isometry3<f64>, reach_px: f64) -> f64 {
        let t = pose.translation.vector;
        let turned = pose.rotation * a;
        let line = t.cross(&turned);
        let other = pose.rotation.inverse() * b.cross(&t);
        let norm = line.x * line.x + line.y * line.y + other.x * other.x + other.y * other.y;
        let squared = b.dot(&line).powi(2) / norm.max(1e-18) * self.focal_px * self.focal_px;
        let cross = turned.cross(b);
        let told = cross.norm() * self.focal_px > SIGN_PX * turned.norm() * b.norm();
        // Without a branch, so that several are reckoned at once.
        let term = squared / (squared + reach_px * reach_px);
        if told & behind(&t, &line, b, &cross) { 1.0 } else { term }
    }
}

/// Of the point where two rays meet in front of the target's camera, the inverse depth there, over the unit of the translation.
fn inverse(pose: &Isometry3<f64>, a: &Vector3<f64>, b: &Vector3<f64>) -> Option<f64> {
    let cross = (pose.rotation * a).cross(b);
    let inverse = -cross.norm_squared() / pose.translation.vector.cross(b).dot(&cross);
    (inverse > 0.0 && inverse.is_finite()).then_some(inverse)
}

/// Whether two rays meet behind one of the cameras: by z₂ b = z₁ R a + t, crossed with either ray. `line` is t × R a, `cross` is R a × b.
#[inline(always)]
pub(crate) fn behind(t: &Vector3<f64>, line: &Vector3<f64>, b: &Vector3<f64>, cross: &Vector3<f64>) -> bool {
    (-t.cross(b).dot(cross) < 0.0) | (-line.dot(cross) < 0.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use nalgebra::{Point2, Point3, Translation3};
    use proptest::prelude::*;

    use super::*;

    fn camera() -> Pinhole {
        Pinhole::from_fov_deg(70.0, 480, 640).unwrap()
    }

    prop_compose! {
        fn poses()(t in prop::array::uniform3(-1.0..1.0f64), w in prop::array::uniform3(-0.2..0.2f64)) -> Isometry3<f64> {
            let t = Vector3::from(t);
            let t = if t.norm() > 0.1 { t } else { Vector3::x() };
            Isometry3::from_parts(Translation3::from(t), UnitQuaternion::from_scaled_axis(Vector3::from(w)))
        }
    }

    fn pair(pose: &Isometry3<f64>, pixel: [f64; 2], depth: f64) -> Option<[[f32; 2]; 2]> {
        let point: Point3<f64> = pose * camera().backproject(&Point2::from(pixel), depth);
        let seen = camera().project(&point)?;
        Some([pixel.map(|x| x as f32), [seen.x as f32, seen.y as f32]])
    }

    proptest! {
        #[test]
        fn true_matches_cost_nothing_and_their_depth_is_found(
            pose in poses(), x in 0.0..640.0f64, y in 0.0..480.0f64, depth in 2.5..10.0f64, length in 0.1..5.0f64,
        ) {
            let Some(pair) = pair(&pose, [x, y], depth) else { return Ok(()) };
            let cost = EpipolarCost::new(&[pair], &camera());
            let mut longer = pose;
            longer.translation.vector *= length;
            prop_assert!(cost.at(&pose, 1.0) < 0.01 && cost.at(&longer, 1.0) < 0.01);
            let points = cost.points(&longer);
            if let Some(point) = points.first().filter(|point| point.moved > 0.02) {
                prop_assert!((point.inverse * depth * length - 1.0).abs() < 0.05, "{point:?}");
            }
        }

        #[test]
        fn costs_are_between_0_and_1(pose in poses(), a in prop::array::uniform4(-2000.0..2000.0f32), reach in 0.1..50.0f64) {
            let cost = EpipolarCost::new(&[[[a[0], a[1]], [a[2], a[3]]]], &camera());
            for value in [cost.at(&pose, reach), cost.of_rotation(&pose.rotation, reach)] {
                prop_assert!((0.0..=1.0).contains(&value), "{value}");
            }
        }
    }

    #[test]
    fn what_would_be_behind_a_camera_costs_most() {
        let forward = Isometry3::translation(1.0, 0.0, 0.0);
        let pair = pair(&forward, [300.0, 200.0], 4.0).unwrap();
        let cost = EpipolarCost::new(&[pair], &camera());
        assert!(cost.at(&forward, 1.0) < 0.01);
        assert_eq!(cost.at(&forward.inverse(), 1.0), 1.0);
    }

    /// Two that are beside each other and as far away agree; one alone, one at another depth and one that is nearly at the same place do not.
    #[test]
    fn points_second_each_other() {
        let pose = Isometry3::translation(1.0, 0.2, 0.0);
        let places =
            [([300.0, 200.0], 4.0), ([310.0, 205.0], 4.1), ([100.0, 100.0], 4.0), ([305.0, 210.0], 2.0)];
        let mut pairs: Vec<_> =
            places.into_iter().map(|(at, depth)| pair(&pose, at, depth).unwrap()).collect();
        pairs.push(pair(&pose, [101.0, 100.0], 4.0).unwrap());
        let found = EpipolarCost::new(&pairs, &camera()).seconded(&pose, 3.0, 640.0);
        assert_eq!(found.rays(), EpipolarCost::new(&pairs[..2], &camera()).rays());
    }

    #[test]
    fn half_the_cost_is_at_the_reach() {
        let pose = Isometry3::translation(1.0, 0.0, 0.0);
        let [a, [x, y]] = pair(&pose, [300.0, 200.0], 4.0).unwrap();
        // Seen from both sides, a distance of 4 pixels in one image is one of 4/√2.
        let cost = EpipolarCost::new(&[[a, [x, y + 4.0]]], &camera());
        assert!((cost.at(&pose, 8f64.sqrt()) - 0.5).abs() < 0.01);
        assert_eq!(cost.explained(&pose, 2.0).len(), 0);
        assert_eq!(cost.explained(&pose, 3.0).len(), 1);
    }
}
