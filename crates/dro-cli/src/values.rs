//! Values on the command line that clap does not know.

use clap::ValueEnum;
use dro_core::{Coupling, Kernels};
use dro_sfm::{data::Layout, eval::Crop, pipeline::Format, weights::StartValues};

/// `HxW`, both at least 1.
pub fn size(text: &str) -> Result<(usize, usize), String> {
    let side = |part: &str| part.trim().parse::<usize>().ok().filter(|&side| (1..=16_384).contains(&side));
    text.split_once(['x', 'X'])
        .and_then(|(height, width)| Some((side(height)?, side(width)?)))
        .ok_or_else(|| format!("expected HEIGHTxWIDTH in pixels, such as 240x320, found {text:?}"))
}

/// A positive number.
pub fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err(format!("expected a positive number, found {text:?}")),
    }
}

/// A layout by its name.
pub fn layout(text: &str) -> Result<Layout, String> {
    text.parse().map_err(|error: dro_sfm::Error| error.to_string())
}

/// `--coupling`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CouplingChoice {
    /// Each block sees the others as they were at the stage's start (the published code).
    Jacobi,
    /// Each block sees the newest values (the paper).
    GaussSeidel,
}

impl From<CouplingChoice> for Coupling {
    fn from(choice: CouplingChoice) -> Self {
        match choice {
            CouplingChoice::Jacobi => Self::Jacobi,
            CouplingChoice::GaussSeidel => Self::GaussSeidel,
        }
    }
}

/// `--start`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StartChoice {
    /// The network's own start values.
    Heads,
    /// What the search without weights finds: slower.
    Search,
}

impl From<StartChoice> for StartValues {
    fn from(choice: StartChoice) -> Self {
        match choice {
            StartChoice::Heads => Self::Heads,
            StartChoice::Search => Self::Search,
        }
    }
}

/// `--kernels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KernelsChoice {
    /// The kernels of this project, on a network prepared for inference.
    Fast,
    /// Plain tensor operations: much slower, the same numbers to 1e-4. To check, or to tell where a fault lies.
    Reference,
}

impl From<KernelsChoice> for Kernels {
    fn from(choice: KernelsChoice) -> Self {
        match choice {
            KernelsChoice::Fast => Self::Fast,
            KernelsChoice::Reference => Self::Reference,
        }
    }
}

/// `--format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatChoice {
    /// 16-bit depth, depth/NAME.png.
    Png,
    /// float32 depth, depth/NAME.npy.
    Npy,
    /// Coloured inverse depth, inverse_depth/NAME.png.
    Colour,
    /// trajectory.tum.txt and trajectory.kitti.txt.
    Trajectory,
    /// points.ply.
    Ply,
    /// colmap/: undistorted images and a COLMAP text model of cameras and points, as trainers of radiance fields and
    /// Gaussian splats read it.
    Colmap,
}

impl From<FormatChoice> for Format {
    fn from(choice: FormatChoice) -> Self {
        match choice {
            FormatChoice::Png => Self::Png,
            FormatChoice::Npy => Self::Npy,
            FormatChoice::Colour => Self::Colour,
            FormatChoice::Trajectory => Self::Trajectory,
            FormatChoice::Ply => Self::Ply,
            FormatChoice::Colmap => Self::Colmap,
        }
    }
}

/// `--crop`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CropChoice {
    /// All pixels with true depth.
    None,
    /// The part of a KITTI picture that Garg et al. (2016) evaluate.
    Garg,
    /// The part of an NYU depth v2 picture that Eigen et al. (2014) evaluate.
    Nyu,
}

impl From<CropChoice> for Crop {
    fn from(choice: CropChoice) -> Self {
        match choice {
            CropChoice::None => Self::None,
            CropChoice::Garg => Self::Garg,
            CropChoice::Nyu => Self::Nyu,
        }
    }
}

/// `--scaling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScalingChoice {
    /// By the median of the ratios true / found, each image by itself.
    Median,
    /// Not at all: depth must be metric.
    None,
}
