//! What to evaluate on, and how to compare: the options that `eval` and `ablate` share.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use dro_sfm::{
    benchmark::{DataSet, Judging, SetOptions, Skipped},
    sequence::Neighbours,
};

use crate::{
    frames::Frames,
    values::{self, CropChoice, ScalingChoice},
};

/// Data with ground truth.
#[derive(Debug, Args)]
pub struct Sets {
    /// Recorded sequences with ground truth (frames.csv, TUM RGB-D, 7-Scenes, KITTI raw, ScanNet), DeMoN pairs, or folders of
    /// DeMoN pairs; their layouts are recognised.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// A list of images in the sequences below DATA, as published splits are: a line names an image by its path and
    /// perhaps its neighbours, or a KITTI drive, a number and l or r (Monodepth2).
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,
    #[command(flatten)]
    frames: Frames,
    /// Which pixels count.
    #[arg(long, value_enum, default_value_t = CropChoice::None)]
    crop: CropChoice,
    /// True depths at or below this do not count, and found depths are raised to it, metres [default: 0.1; in DeMoN sets
    /// no limit].
    #[arg(long, value_name = "METRES", value_parser = values::positive, allow_hyphen_values = true)]
    min_depth: Option<f64>,
    /// True depths at or above this do not count, and found depths are lowered to it, metres [default: 80; in DeMoN sets
    /// no limit].
    #[arg(long, value_name = "METRES", value_parser = values::positive, allow_hyphen_values = true)]
    max_depth: Option<f64>,
    /// How found depth is scaled before it is compared.
    #[arg(long, value_enum, default_value_t = ScalingChoice::Median)]
    scaling: ScalingChoice,
    /// Leave out what cannot be read or has no ground truth, count it and list it [default: an error].
    #[arg(long)]
    pub skip_bad: bool,
}

impl Sets {
    pub fn judging(&self) -> Result<Judging> {
        let judging = Judging {
            min_depth_m: self.min_depth,
            max_depth_m: self.max_depth,
            crop: self.crop.into(),
            median_scaling: self.scaling == ScalingChoice::Median,
        };
        judging.check()?;
        Ok(judging)
    }

    /// Opens everything, so that what is wrong is said before anything is solved.
    pub fn open(&self, neighbours: &Neighbours) -> Result<(Vec<DataSet>, Vec<Skipped>)> {
        let options = SetOptions {
            open: self.frames.options()?,
            neighbours: neighbours.clone(),
            skip_bad: self.skip_bad,
        };
        let (mut sets, mut skipped) = (Vec::new(), Vec::new());
        for path in &self.data {
            let opened = match &self.split {
                Some(list) => DataSet::open_split(path, list, &options),
                None => DataSet::open(path, &options),
            };
            match opened {
                Ok(set) => sets.push(self.seen(set)?),
                Err(error) if self.skip_bad => {
                    let set = path.to_string_lossy().into_owned();
                    skipped.push(Skipped { set, name: None, reason: error.to_string() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let (true, Some(first)) = (sets.is_empty(), skipped.first()) {
            bail!(
                "DATA: expected at least one set that can be evaluated, found none; the first: {}",
                first.reason
            );
        }
        Ok((sets, skipped))
    }

    /// With the camera that the user gave, if one was given.
    fn seen(&self, set: DataSet) -> Result<DataSet> {
        let camera = &self.frames.camera;
        let Some(sequence) = set.sequence() else {
            if camera.is_given() {
                let what = if self.split.is_some() { "the list" } else { "the DeMoN set" };
                bail!("--intrinsics: expected only with sequences, found it with {what} {}", set.name());
            }
            return Ok(set);
        };
        let given = camera.given(sequence)?;
        Ok(match given {
            Some(given) => set.with_intrinsics(given),
            None => set,
        })
    }

    /// For `summary.json`: what was typed.
    pub fn about(&self) -> serde_json::Value {
        let data: Vec<_> = self.data.iter().map(|path| path.to_string_lossy()).collect();
        serde_json::json!({ "data": data, "split": self.split, "frames": self.frames.about() })
    }
}
