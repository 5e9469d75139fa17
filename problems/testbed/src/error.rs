//! What can go wrong in this crate.

use std::fmt::Display;

/// An error that says what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The setting.
        name: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The run was ended from outside.
    #[error("interrupted")]
    Interrupted,
    /// A picture cannot be encoded.
    #[error("picture of {} by {} pixels: {source}", size.0, size.1)]
    Picture {
        /// Width and height.
        size: (u32, u32),
        /// What the encoder said.
        source: image::ImageError,
    },
    /// A camera or a pose is refused.
    #[error(transparent)]
    Vision(#[from] dro_vision::Error),
    /// A search refused.
    #[error(transparent)]
    Core(#[from] dro_core::Error),
    /// A result cannot be written.
    #[error(transparent)]
    Record(#[from] dro_record::Error),
}

impl Error {
    /// `name` is `found` where `expected` is asked for.
    pub fn argument(name: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Argument { name: name.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Refuses what is not in `[low, high]`, NaN too.
    pub(crate) fn check<T: PartialOrd + Display>(name: &str, value: T, low: T, high: T) -> Result<()> {
        if value >= low && value <= high {
            Ok(())
        } else {
            Err(Self::argument(name, format!("{low} to {high}"), value))
        }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
