//! A camera as it took the images: focal lengths, distortion and image size.

use dro_vision::{BrownConrady, Pinhole};

use crate::{Error, Result};

/// Pinhole, lens distortion and the image size that both belong to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraModel {
    /// Focal lengths and principal point, pixels, pixel centres at integers.
    pub pinhole: Pinhole,
    /// Lens distortion; the default is none.
    pub distortion: BrownConrady,
    /// (height, width) of the images, pixels.
    pub size: (usize, usize),
}

impl CameraModel {
    /// A camera without distortion.
    pub fn undistorted(pinhole: Pinhole, size: (usize, usize)) -> Self {
        Self { pinhole, distortion: BrownConrady::default(), size }
    }

    /// Whether images of this camera must be undistorted before use.
    pub fn is_distorted(&self) -> bool {
        !self.distortion.is_none()
    }

    /// The undistorted camera of images brought to `size` (height, width).
    ///
    /// Undistortion keeps the pinhole; distortion coefficients do not depend on the image size.
    pub fn pinhole_at(&self, size: (usize, usize)) -> Result<Pinhole> {
        if size.0 == 0 || size.1 == 0 || self.size.0 == 0 || self.size.1 == 0 {
            return Err(Error::argument(
                "image size",
                "at least one pixel",
                format!("{:?} from {:?}", size, self.size),
            ));
        }
        Ok(self.pinhole.resized(self.size, size)?)
    }
}
