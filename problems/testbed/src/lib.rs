//! Test functions, toys and the comparison protocol.

mod error;
pub mod functions;
pub mod protocol;
pub mod training;

pub use error::{Error, Result};
