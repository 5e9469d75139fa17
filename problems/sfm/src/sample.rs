//! What the network is trained and measured on: views of one scene, and the truth about them.

use dro_vision::Pinhole;
use nalgebra::Isometry3;

use crate::{Error, Map, Result};

/// A target image, its neighbours, and what is known of depth and poses.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Height and width of the images and of the depth, pixels.
    pub size: (usize, usize),
    /// The target, then its neighbours; each three planes (red, green, blue) of `height · width` values in [0, 1], row by
    /// row.
    pub images: Vec<Vec<f32>>,
    /// The camera of all of them at this size, without distortion.
    pub camera: Pinhole,
    /// The target's depth in metres, 0 = unknown.
    pub depth: Map,
    /// `neighbour_from_target` of each neighbour, metres.
    pub poses: Vec<Isometry3<f64>>,
    /// Where another solver ended, if one was asked.
    pub start: Option<SampleStart>,
}

/// Depth and poses of a [`Sample`] that are not true: where another solver ended, for an optimizer to start from.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleStart {
    /// The target's inverse depth, 1/m, above 0, at the sample's size.
    pub inv_depth: Map,
    /// `neighbour_from_target` of each neighbour, metres.
    pub poses: Vec<Isometry3<f64>>,
}

impl Sample {
    /// Checks that everything is of the same size and finite.
    ///
    /// # Errors
    /// Names the first thing that does not fit.
    pub fn check(&self) -> Result<()> {
        let (height, width) = self.size;
        let wrong = |name: &str, expected: String, found: String| Err(Error::argument(name, expected, found));
        if self.images.len() < 2 || self.poses.len() + 1 != self.images.len() {
            let found = format!("{} images and {} poses", self.images.len(), self.poses.len());
            return wrong("sample", "a target, neighbours, and a pose for each".into(), found);
        }
        if let Some(image) = self.images.iter().find(|image| image.len() != 3 * height * width) {
            return wrong("image", format!("{} values", 3 * height * width), image.len().to_string());
        }
        if self.images.iter().flatten().any(|x| !x.is_finite()) {
            return wrong("image", "finite values".into(), "others".into());
        }
        if (self.depth.height(), self.depth.width()) != self.size {
            let found = format!("{}x{}", self.depth.height(), self.depth.width());
            return wrong("depth", format!("{height}x{width}"), found);
        }
        if !self.depth.values().iter().all(|x| x.is_finite() && *x >= 0.0) {
            return wrong("depth", "finite values, at least 0".into(), "others".into());
        }
        let finite = |pose: &Isometry3<f64>| pose.to_homogeneous().iter().all(|x| x.is_finite());
        if !self.poses.iter().all(finite) {
            return wrong("pose", "finite numbers".into(), "others".into());
        }
        let Some(start) = &self.start else { return Ok(()) };
        let map = &start.inv_depth;
        if (map.height(), map.width()) != self.size || start.poses.len() != self.poses.len() {
            let found = format!("{}x{} and {}", map.height(), map.width(), start.poses.len());
            return wrong("start", format!("{height}x{width} and {} poses", self.poses.len()), found);
        }
        if !map.values().iter().all(|x| x.is_finite() && *x > 0.0) || !start.poses.iter().all(finite) {
            return wrong("start", "finite poses and inverse depths above 0".into(), "others".into());
        }
        Ok(())
    }

    /// The same scene in other units: depth and translations times `factor`, those of the start too. Images do not
    /// change, as scale cannot be seen.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.depth = self.depth.mapped(|depth| (f64::from(depth) * factor) as f32);
        for pose in &mut self.poses {
            pose.translation.vector *= factor;
        }
        if let Some(start) = &mut self.start {
            start.inv_depth = start.inv_depth.mapped(|x| (f64::from(x) / factor) as f32);
            start.poses.iter_mut().for_each(|pose| pose.translation.vector *= factor);
        }
        self
    }

    /// The median of the known depths, metres; `None` if there are none.
    pub fn median_depth_m(&self) -> Option<f64> {
        let mut known: Vec<f32> = self.depth.values().iter().copied().filter(|depth| *depth > 0.0).collect();
        let middle = known.len() / 2;
        (!known.is_empty()).then(|| f64::from(*known.select_nth_unstable_by(middle, f32::total_cmp).1))
    }
}
