//! What a run writes down.
//!
//! * [`write_atomically`]: a whole file or none of it.
//! * [`JsonLines`]: a log that survives a crash in the middle of a line.
//! * [`Chart`]: curves with bands as SVG.
//!
//! ```
//! use dro_record::{Chart, Line};
//!
//! # fn main() -> dro_record::Result<()> {
//! let line = Line::new("loss", (0..50).map(|i| (f64::from(i), (-0.1 * f64::from(i)).exp())));
//! let svg = Chart::new("Training", "updates", "loss").line(line).log_y().to_svg()?;
//! assert!(svg.starts_with("<svg"));
//! # Ok(()) }
//! ```

mod atomic;
mod chart;
mod error;
mod json_lines;

pub use atomic::{complete, write_atomically};
pub use chart::{Chart, Line, tick};
pub use error::{Error, Result};
pub use json_lines::{JsonLines, read_json_lines};
