//! What can go wrong in this crate.

/// An error that says what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scalar argument is outside its range.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// What the argument must be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// A tensor has the wrong shape.
    #[error("{name}: expected shape {expected}, found {found:?}")]
    Shape {
        /// The tensor's name.
        name: &'static str,
        /// The expected shape, in words.
        expected: &'static str,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// No ideal point is seen here.
    #[error(
        "undistort: expected a point that the lens shows, found ({x}, {y}) where its distortion folds back"
    )]
    Undistort {
        /// Normalised column.
        x: f64,
        /// Normalised row.
        y: f64,
    },
    /// A kernel refused its input.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
