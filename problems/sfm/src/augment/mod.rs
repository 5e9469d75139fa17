//! Changes to samples that leave them true: other colours, the mirror image, other units.

mod flip;
mod jitter;
mod mirrored;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Sample};

pub use flip::flipped;
pub use jitter::Jitter;
pub use mirrored::MirrorAveraged;

/// How samples are changed at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Brightness is multiplied by 1 ± this, at most; 0 to 1.
    pub brightness: f64,
    /// Contrast likewise.
    pub contrast: f64,
    /// Saturation likewise.
    pub saturation: f64,
    /// Hue is turned by ± this part of a whole turn, at most; 0 to 0.5.
    pub hue: f64,
    /// How often a sample is mirrored, 0 to 1.
    pub flip: f64,
    /// Depth and translations are multiplied by a number between these; `[1, 1]` leaves them as they are.
    pub scale: [f64; 2],
}

impl Default for AugmentConfig {
    /// As published: jitter of 0.2, 0.2, 0.2 and 0.05, half of the samples mirrored.
    fn default() -> Self {
        Self { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05, flip: 0.5, scale: [1.0, 1.0] }
    }
}

impl AugmentConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let parts = [
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("saturation", self.saturation, 1.0),
            ("hue", self.hue, 0.5),
            ("flip", self.flip, 1.0),
        ];
        for (name, value, most) in parts {
            if !(0.0..=most).contains(&value) {
                return Err(Error::argument(format!("augment.{name}"), format!("0 to {most}"), value));
            }
        }
        let [least, most] = self.scale;
        if !(least > 0.0 && least <= most && most.is_finite()) {
            return Err(Error::argument("augment.scale", "0 < least <= most", format!("{:?}", self.scale)));
        }
        Ok(())
    }

    /// The sample mirrored and scaled as `rng` says.
    pub fn geometry(&self, sample: Sample, rng: &mut impl Rng) -> Result<Sample> {
        let (mirror, [least, most]) = (rng.random_bool(self.flip), self.scale);
        let sample = if mirror { flipped(&sample)? } else { sample };
        // Drawn in any case, so that what follows does not depend on the settings.
        let share: f64 = rng.random_range(0.0..=1.0);
        let factor = least * (most / least).powf(share);
        Ok(if factor == 1.0 { sample } else { sample.scaled(factor) })
    }

    /// A change of colours, one for all images of a sample.
    pub fn jitter(&self, rng: &mut impl Rng) -> Jitter {
        let mut around = |middle: f64, by: f64| middle + by * rng.random_range(-1.0..=1.0);
        Jitter {
            brightness: around(1.0, self.brightness),
            contrast: around(1.0, self.contrast),
            saturation: around(1.0, self.saturation),
            hue: around(0.0, self.hue),
        }
    }
}
