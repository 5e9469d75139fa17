//! Which camera took the images: `--intrinsics`, `--distortion`, `--fov`.

use anyhow::{Context, Result, bail};
use clap::Args;
use dro_sfm::{
    data::{Intrinsics, Sequence, parse_distortion, parse_intrinsics},
    pipeline,
};
use dro_vision::Pinhole;

use crate::values;

/// Intrinsics; those in the data are used where none are given.
#[derive(Debug, Args)]
pub struct Camera {
    /// fx,fy,cx,cy in pixels of the images (pixel centres at integers), or a file with these four numbers, a 3x3 matrix
    /// or a COLMAP cameras.txt [default: those in the data, or the focal length in the images' EXIF data].
    #[arg(long, value_name = "FX,FY,CX,CY|FILE", conflicts_with = "fov", allow_hyphen_values = true)]
    intrinsics: Option<String>,
    /// Brown-Conrady lens distortion k1,k2,p1,p2 and, if there is one, k3; images are undistorted on loading.
    #[arg(long, value_name = "K1,K2,P1,P2[,K3]", allow_hyphen_values = true)]
    distortion: Option<String>,
    /// A guess: the horizontal field of view in degrees, the principal point in the middle.
    #[arg(long, value_name = "DEGREES", value_parser = values::positive, allow_hyphen_values = true)]
    fov: Option<f64>,
}

impl Camera {
    /// What the user gave; `None` leaves it to the data.
    pub fn given(&self, sequence: &Sequence) -> Result<Option<Intrinsics>> {
        let mut given = match (&self.intrinsics, self.fov) {
            (Some(text), _) => Some(parse_intrinsics(text).context("--intrinsics")?),
            (None, Some(degrees)) => {
                let (height, width) = pipeline::image_size(sequence)?;
                let pinhole = Pinhole::from_fov_deg(degrees, height, width).context("--fov")?;
                Some(Intrinsics { pinhole, distortion: Default::default(), size: Some((height, width)) })
            }
            (None, None) => None,
        };
        if let Some(text) = &self.distortion {
            let distortion = parse_distortion(text).context("--distortion")?;
            match &mut given {
                Some(given) => given.distortion = distortion,
                None => bail!("--distortion: expected --intrinsics or --fov beside it, found neither"),
            }
        }
        Ok(given)
    }

    /// Whether the user gave any of it.
    pub fn is_given(&self) -> bool {
        self.intrinsics.is_some() || self.distortion.is_some() || self.fov.is_some()
    }

    /// For `summary.json`: what was typed.
    pub fn about(&self) -> serde_json::Value {
        serde_json::json!({
            "intrinsics": self.intrinsics,
            "distortion": self.distortion,
            "fov_deg": self.fov,
        })
    }
}
