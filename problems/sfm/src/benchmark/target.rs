//! One target image with what the solver sees and what is true about it.

use nalgebra::{Isometry3, Vector3};
use serde::{Deserialize, Serialize};

use super::{
    errors::{ImageErrors, PairErrors},
    set::{DataSet, Skipped, Source, subset},
};
use crate::{
    Error, Map, Result, Views,
    data::{CameraModel, DepthSensor, Frame, prepare_depth},
    eval::{
        Crop, DepthOptions, demon_metrics, depth_metrics, fitted_translation_error, rotation_error_rad,
        translation_direction_error_rad,
    },
    pipeline::{PreparedFrames, default_size, fitting, image_size},
    sequence::Window,
};

/// How answers are compared with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Judging {
    /// True depths at or below this do not count, metres; `None`: 0.1, and no limit in DeMoN sets.
    pub min_depth_m: Option<f64>,
    /// True depths at or above this do not count, metres; `None`: 80, and no limit in DeMoN sets.
    pub max_depth_m: Option<f64>,
    /// The part of the picture that counts.
    pub crop: Crop,
    /// Whether each depth map is scaled to the truth by the median of ratios.
    pub median_scaling: bool,
}

impl Default for Judging {
    fn default() -> Self {
        Self { min_depth_m: None, max_depth_m: None, crop: Crop::None, median_scaling: true }
    }
}

impl Judging {
    fn depth_options(&self, is_demon: bool) -> DepthOptions {
        // The units of DeMoN's scenes differ, so no fixed limit makes sense there.
        let (min, max) = if is_demon { (1e-6, f64::INFINITY) } else { (0.1, 80.0) };
        DepthOptions {
            min_depth_m: self.min_depth_m.unwrap_or(min),
            max_depth_m: self.max_depth_m.unwrap_or(max),
            crop: self.crop,
            median_scaling: self.median_scaling,
        }
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// If they are not above 0 and in order, whichever the set.
    pub fn check(&self) -> Result<()> {
        for is_demon in [false, true] {
            let DepthOptions { min_depth_m, max_depth_m, .. } = self.depth_options(is_demon);
            if !(min_depth_m > 0.0 && min_depth_m < max_depth_m) {
                let expected = "above 0, and the smaller below the larger";
                return Err(Error::argument(
                    "depth limits",
                    expected,
                    format!("{min_depth_m} and {max_depth_m}"),
                ));
            }
        }
        Ok(())
    }
}

/// What is known of a target.
pub(crate) struct Truth {
    pub(super) is_demon: bool,
    /// Metres, 0 = unknown, without distortion, at the depth's own size.
    pub(super) depth: Option<Map>,
    /// `neighbour_from_target`, one per neighbour.
    pub(crate) poses: Vec<Option<Isometry3<f64>>>,
}

/// A target image, ready to be solved and judged.
pub(crate) struct Target<'a> {
    pub(crate) set: &'a str,
    /// The frame's name, or the pair's.
    pub(crate) name: String,
    pub(crate) subset: Option<&'static str>,
    pub(crate) frame: &'a Frame,
    pub(crate) neighbours: Vec<&'a Frame>,
    /// As the image was taken.
    pub(crate) camera: CameraModel,
    pub(crate) views: Views,
    /// With the neighbours that are there.
    pub(crate) window: Window,
    pub(crate) truth: Truth,
}

/// Which images are solved and what happens to bad ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Walk {
    /// (height, width) that images are brought to, rounded to what the solver accepts; `None`: their own size, at most 640
    /// wide.
    pub size: Option<(usize, usize)>,
    /// Whether an image that cannot be read or has no truth is left out; otherwise it ends the evaluation.
    pub skip_bad: bool,
}

impl Walk {
    /// Shows every target of a set to `visit`; what is left out is noted in the set. `interrupted` is asked while neighbours are chosen.
    ///
    /// Gives the (height, width) the solver saw, of the first source that could be opened.
    ///
    /// # Errors
    /// Those of `visit`, and what is wrong with the data unless that may be skipped.
    pub(crate) fn each(
        &self,
        set: &mut DataSet,
        multiple_of: usize,
        judging: &Judging,
        interrupted: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&Target<'_>) -> Result<()>,
    ) -> Result<Option<(usize, usize)>> {
        let mut seen = None;
        let mut skipped = Vec::new();
        for source in &set.sources {
            // A sequence is one source, so its frames are named; a pair is named by its folder.
            let named = |frame: usize| match source.sequence.frames.get(frame) {
                Some(frame) if !set.is_demon => source.named(frame),
                _ => source.name.clone(),
            };
            let mut note = |name: Option<String>, error: Error| {
                if !self.skip_bad {
                    return Err(error);
                }
                skipped.push(Skipped { set: set.name.clone(), name, reason: error.to_string() });
                Ok(())
            };
            let (mut frames, size) = match self.prepared(set, source, multiple_of) {
                Ok(prepared) => prepared,
                Err(error) => {
                    note(set.is_demon.then(|| source.name.clone()), error)?;
                    continue;
                }
            };
            seen = seen.or(Some(size));
            let mut windows = source.windows.clone();
            frames.select(&mut windows, set.sequence().is_some(), interrupted)?;
            for window in &windows {
                match self.target(set, source, &mut frames, window, judging) {
                    Ok(target) => visit(&target)?,
                    Err(error) => note(Some(named(window.target)), error)?,
                }
            }
        }
        set.skipped.extend(skipped);
        Ok(seen)
    }

    fn prepared<'a>(
        &self,
        set: &DataSet,
        source: &'a Source,
        multiple_of: usize,
    ) -> Result<(PreparedFrames<'a>, (usize, usize))> {
        let wanted = match self.size {
            Some(size) => size,
            None => default_size(image_size(&source.sequence)?),
        };
        let (size, _) = fitting(wanted, multiple_of)?;
        Ok((PreparedFrames::new(&source.sequence, set.intrinsics.as_ref(), size)?, size))
    }

    fn target<'a>(
        &self,
        set: &'a DataSet,
        source: &'a Source,
        frames: &mut PreparedFrames<'_>,
        window: &Window,
        judging: &Judging,
    ) -> Result<Target<'a>> {
        let all = &source.sequence.frames;
        let frame = |index: usize| {
            all.get(index).ok_or_else(|| Error::argument("frame", format!("below {}", all.len()), index))
        };
        let target = frame(window.target)?;
        let (views, used) = frames.views(window)?;
        if let (false, Some(missing)) =
            (self.skip_bad, window.neighbours.iter().find(|n| !used.neighbours.contains(n)))
        {
            // Read again for what is wrong with it.
            frame(*missing)?.load_rgb(&crate::data::ImageLimits::default())?;
        }
        let camera = *frames.camera(window.target).ok_or_else(|| Error::argument("camera", "one", "none"))?;
        let neighbours = used.neighbours.iter().map(|&index| frame(index)).collect::<Result<Vec<_>>>()?;
        let truth = Truth::of(set, all, target, &neighbours, &camera, judging)?;
        Ok(Target {
            set: &set.name,
            name: if set.is_demon { source.name.clone() } else { source.named(target) },
            subset: set.is_demon.then(|| subset(&source.name)),
            frame: target,
            neighbours,
            camera,
            views,
            window: used,
            truth,
        })
    }
}

impl Truth {
    /// A set without any depth is judged by its poses alone, one without poses by depth alone; where some frames have
    /// what this one lacks, that is an error.
    fn of(
        set: &DataSet,
        all: &[Frame],
        target: &Frame,
        neighbours: &[&Frame],
        camera: &CameraModel,
        judging: &Judging,
    ) -> Result<Self> {
        let any_depth = Self::any_depth(set, all);
        let any_pose = set.is_demon || all.iter().any(|frame| frame.world_from_camera.is_some());
        let lacks = |what| Err(lacks(target, what));
        if !any_depth && !any_pose {
            return lacks("true depth or a true pose");
        }
        let depth = Self::depth(set, all, target, camera, judging)?;
        let world_from_target = target.world_from_camera;
        let poses: Vec<_> = neighbours
            .iter()
            .map(|neighbour| Some(neighbour.world_from_camera?.inv_mul(&world_from_target?)))
            .collect();
        if any_pose && world_from_target.is_none() {
            return lacks("a true pose (finite numbers)");
        }
        // In a sequence the neighbour's turn as a target comes.
        if set.is_demon && poses.iter().all(Option::is_none) {
            let neighbour = neighbours.first().map_or(&target.image, |neighbour| &neighbour.image);
            return Err(Error::input(neighbour, "a true pose (finite numbers) of this image", "none"));
        }
        Ok(Self { is_demon: set.is_demon, depth, poses })
    }

    fn any_depth(set: &DataSet, all: &[Frame]) -> bool {
        set.is_demon || all.iter().any(|frame| frame.depth.is_some())
    }

    /// The depth of one of the frames; `None` where no frame has any.
    pub(super) fn depth(
        set: &DataSet,
        all: &[Frame],
        target: &Frame,
        camera: &CameraModel,
        judging: &Judging,
    ) -> Result<Option<Map>> {
        if !Self::any_depth(set, all) {
            return Ok(None);
        }
        let (Some(depth), Some(file)) = (target.load_depth()?, &target.depth) else {
            return Err(lacks(target, "true depth (a depth file)"));
        };
        let size = match file.sensor {
            DepthSensor::Registered => (depth.height(), depth.width()),
            DepthSensor::Own { .. } => camera.size,
        };
        let depth = prepare_depth(&depth, &file.sensor, camera, size)?;
        let DepthOptions { min_depth_m: min, max_depth_m: max, .. } = judging.depth_options(set.is_demon);
        if !depth.values().iter().any(|&d| f64::from(d) > min && f64::from(d) < max) {
            let expected = format!("depths between {min} and {max}");
            return Err(Error::input(&file.path, expected, "none"));
        }
        Ok(Some(depth))
    }

    /// How far an answer is off; inverse depth in 1/unit, `neighbour_from_target` in the same unit, `farthest` the largest
    /// depth the solver tells apart.
    pub(crate) fn errors(
        &self,
        inv_depth: &Map,
        poses: &[Isometry3<f64>],
        farthest: f64,
        judging: &Judging,
    ) -> Result<ImageErrors> {
        let pairs =
            poses.iter().zip(&self.poses).map(|(found, truth)| pair_errors(found, truth.as_ref())).collect();
        let mut errors = ImageErrors { depth: None, demon: None, pairs };
        let Some(truth) = &self.depth else { return Ok(errors) };
        let within = limited(inv_depth, farthest);
        let options = judging.depth_options(self.is_demon);
        // Limits replace what a solver without bounds may say; where there are none its own range does.
        let predicted = if self.is_demon { &within } else { &inv_depth.inverted() };
        errors.depth = depth_metrics(predicted, truth, &options)?;
        let known = poses.iter().zip(&self.poses).find_map(|(found, truth)| Some((found, truth.as_ref()?)));
        if let Some((found, true_pose)) = known {
            let length = |pose: &Isometry3<f64>| pose.translation.vector.norm();
            errors.demon = demon_metrics(&within, truth, length(found), length(true_pose))?;
        }
        Ok(errors)
    }
}

fn lacks(target: &Frame, what: &str) -> Error {
    Error::input(&target.image, format!("{what} of this image"), "none")
}

/// Depth where nothing is farther than `farthest`; what has no depth, being beyond infinity, is there too.
fn limited(inv_depth: &Map, farthest: f64) -> Map {
    let least = farthest.recip() as f32;
    inv_depth.mapped(|x| if x > least && x.is_finite() { x.recip() } else { least.recip() })
}

fn pair_errors(found: &Isometry3<f64>, truth: Option<&Isometry3<f64>>) -> PairErrors {
    let Some(truth) = truth else { return PairErrors::default() };
    let (t, true_t): (&Vector3<f64>, &Vector3<f64>) = (&found.translation.vector, &truth.translation.vector);
    PairErrors {
        rotation_deg: rotation_error_rad(&found.rotation, &truth.rotation).map(f64::to_degrees),
        translation_deg: translation_direction_error_rad(t, true_t).map(f64::to_degrees),
        translation_cm: fitted_translation_error(t, true_t).map(|metres| 100.0 * metres),
    }
}
