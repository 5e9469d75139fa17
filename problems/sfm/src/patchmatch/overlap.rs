//! What two images show of each other, quickly: for choosing neighbours, not for poses.

use candle_core::Tensor;
use dro_vision::Pinhole;
use nalgebra::UnitQuaternion;

use super::{
    keypoints::{Corners, Keypoints},
    matching::Rule,
    pyramid::{grey, limited, reduced},
    relative::best_rotation,
    shape,
};
use crate::{Result, cost::EpipolarCost, sequence::Overlap};

/// Points of an image: a quartile needs no more.
const KEYPOINTS: usize = 800;
/// Images wider than this are reduced to it, pixels.
const MOST_WIDE: usize = 640;
/// A quarter of the points moves more: where a camera drives ahead, much of the picture hardly moves.
const QUARTER: usize = 750;

/// Corners of one image.
pub(crate) struct Described {
    keypoints: Keypoints,
    camera: Pinhole,
    width: f64,
}

impl Described {
    /// Of an RGB image `[1, 3, height, width]` in [0, 1] and its camera.
    pub(crate) fn new(image: &Tensor, camera: &Pinhole) -> Result<Self> {
        let grey = grey(image)?;
        let (own, size) = ((grey.height(), grey.width()), limited((grey.height(), grey.width()), MOST_WIDE));
        let keypoints = Corners::new(&reduced(&grey, size)?, KEYPOINTS)?.described(&[shape::upright()]);
        Ok(Self { keypoints, camera: camera.resized(own, size)?, width: size.1 as f64 })
    }

    /// How many points match, and how far apart the best rotation leaves them.
    pub(crate) fn overlap(&self, other: &Self) -> Result<Overlap> {
        let matches = self.keypoints.matches(&other.keypoints, Rule::ANYWHERE)?;
        let matches = EpipolarCost::new(&matches, &self.camera);
        if matches.len() == 0 {
            return Ok(Overlap { matches: 0, parallax: 0.0 });
        }
        let rotation = best_rotation(&matches, &UnitQuaternion::identity(), 0.05 * self.width, 0);
        let parallax = matches.left_px(&rotation, QUARTER) / self.width;
        Ok(Overlap { matches: matches.len(), parallax })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;
    use nalgebra::{Isometry3, Vector3};

    use super::*;
    use crate::{
        data::{CameraModel, prepare},
        scene::Room,
    };

    /// The room from a place in metres and a turn in radians to the right.
    fn seen(right: f64, turn: f64) -> Described {
        let camera = Pinhole::from_fov_deg(65.0, 240, 320).unwrap();
        let pose = Isometry3::new(Vector3::new(right, 0.0, 0.0), Vector3::y() * turn);
        let rgb = Room::new(3).render(&camera, 240, 320, &pose).unwrap().rgb;
        let camera = CameraModel::undistorted(camera, (240, 320));
        let (image, camera) = prepare(&rgb, &camera, (240, 320), &Device::Cpu).unwrap();
        Described::new(&image, &camera).unwrap()
    }

    #[test]
    fn parallax_is_of_the_place_and_not_of_the_turn() {
        let from = seen(0.0, 0.0);
        let turned = from.overlap(&seen(0.0, 0.1)).unwrap();
        assert!(turned.matches > 100 && turned.parallax < 4e-3, "{turned:?}");
        let moved = [0.02, 0.1, 0.4].map(|right| from.overlap(&seen(right, 0.1)).unwrap());
        let growing = moved.windows(2).all(|pair| pair[1].parallax > 2.0 * pair[0].parallax);
        assert!(growing && moved[0].parallax > turned.parallax, "{moved:?}");
        let behind = from.overlap(&seen(0.0, std::f64::consts::PI)).unwrap();
        assert!(behind.matches * 5 < turned.matches, "{behind:?}");
    }

    #[test]
    fn nothing_to_see_is_no_overlap() {
        let grey = Tensor::full(0.5f32, (1, 3, 48, 64), &Device::Cpu).unwrap();
        let nothing = Described::new(&grey, &Pinhole::from_fov_deg(65.0, 48, 64).unwrap()).unwrap();
        assert_eq!(nothing.overlap(&nothing).unwrap(), Overlap { matches: 0, parallax: 0.0 });
    }
}
