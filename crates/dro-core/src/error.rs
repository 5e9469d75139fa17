//! What can go wrong in this crate.

/// An error that says what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has the wrong shape.
    #[error("{name}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// Which tensor.
        name: String,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
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
    /// A block is named that the space does not have.
    #[error("no block is named {name:?}; the blocks are {known:?}")]
    UnknownBlock {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A rule needs a cost map and the cost function gives only a total.
    #[error("the update rule of block {block:?} reads a cost map, and this cost function gives only a total")]
    NoCostMap {
        /// The block whose rule asked.
        block: String,
    },
    /// A cost is told of a trial that is not open: never asked for, or told before.
    #[error("trial {id}: expected one that was asked for and not yet told; open are {open:?}")]
    UnknownTrial {
        /// The trial's number.
        id: u64,
        /// The open trials' numbers.
        open: Vec<u64>,
    },
    /// A saved state cannot be read.
    #[error("saved state of {method}: {source}")]
    State {
        /// The search method.
        method: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A saved file of tensors cannot be read or written.
    #[error("saved tensors: {0}")]
    Saved(#[from] safetensors::SafeTensorError),
    /// An observer or a cost function outside this crate failed.
    #[error("{0}")]
    Outside(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Carries an error of the caller's (a cost function's, an observer's) through the driver.
    pub fn outside(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside(error.into())
    }

    /// `name` is `found` where `expected` is asked for.
    pub fn argument(name: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Argument { name: name.into(), expected: expected.into(), found: found.to_string() }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
