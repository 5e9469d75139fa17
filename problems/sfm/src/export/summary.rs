//! `summary.json`: what was run, on what, how long it took and how well it went.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use dro_vision::Pinhole;
use serde::{Deserialize, Serialize, Serializer};

use super::write_atomically;
use crate::{Result, eval::DepthMetrics};

/// One run of the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The program's name.
    pub program: String,
    /// The program's version.
    pub version: String,
    /// All settings, as given and by default.
    pub settings: serde_json::Value,
    /// What was read.
    #[serde(serialize_with = "as_shown")]
    pub input: PathBuf,
    /// The layout the input was recognised as.
    pub layout: String,
    /// (height, width) that images were brought to: the size of every result.
    #[serde(default)]
    pub size: (usize, usize),
    /// The first frame's camera at that size, without distortion; pixel centres at integers.
    #[serde(default)]
    pub camera: Option<Pinhole>,
    /// One entry per target frame, in order.
    pub frames: Vec<FrameSummary>,
    /// Wall-clock time of the whole run, seconds.
    pub total_seconds: f64,
    /// Largest resident memory so far, MiB, where the system says it.
    pub peak_memory_mb: Option<f64>,
    /// 16-bit depth PNG: metres = value / this.
    pub depth_png_scale: f64,
    /// Whether the user stopped the run; the frames before that are complete.
    pub interrupted: bool,
    /// Mean of the frames' metrics, where there is ground truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_metrics: Option<DepthMetrics>,
    /// Mean rotation error over all neighbours with true poses, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_rotation_error_deg: Option<f64>,
    /// Mean error of the direction of translation, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_translation_error_deg: Option<f64>,
    /// Absolute trajectory error after Sim(3) alignment, root mean square, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ate_rmse_m: Option<f64>,
    /// Anything else worth saying, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One target frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameSummary {
    /// The frame's name.
    pub name: String,
    /// Wall-clock time of the solve, seconds.
    pub seconds: f64,
    /// Total cost of the start values.
    pub cost_start: f64,
    /// Total cost of the answer.
    pub cost_end: f64,
    /// Updates done.
    pub updates: usize,
    /// What the frame's depths were multiplied with to share the first frame's unit; `None` if it was not estimated.
    pub scale: Option<f64>,
    /// `"done"`, or why not.
    pub status: String,
    /// Errors against the ground truth, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<DepthMetrics>,
    /// The neighbours it was solved with.
    #[serde(default)]
    pub neighbours: Vec<NeighbourSummary>,
}

/// One neighbour of a target frame. The errors are there where the sequence has true poses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NeighbourSummary {
    /// The neighbour's name.
    pub name: String,
    /// How far the camera turned in truth, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_rotation_deg: Option<f64>,
    /// Angle between the found and the true rotation, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_error_deg: Option<f64>,
    /// Angle between the found and the true direction of translation, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation_error_deg: Option<f64>,
}

impl Summary {
    /// Writes the summary as indented JSON. Numbers that are not finite become `null`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path, |file| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
            out.flush()
        })
    }
}

/// A path as users see it: JSON cannot hold every name that a file can have, and that is no reason to fail.
pub(crate) fn as_shown<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The largest resident memory of this process so far, in MiB; `None` where `/proc/self/status` does not say it.
pub fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn json_gives_the_summary_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        let frame =
            FrameSummary { name: "000001".into(), cost_start: 2.5, updates: 12, ..Default::default() };
        let summary = Summary {
            program: "dro".into(),
            settings: serde_json::json!({"updates": 12}),
            frames: vec![frame],
            peak_memory_mb: Some(12.5),
            ..Default::default()
        };
        summary.write(&path).unwrap();
        let read: Summary = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read, summary);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn peak_memory_counts_what_was_touched() {
        let before = peak_memory_mb().unwrap();
        let block = std::hint::black_box(vec![1u8; 256 << 20]);
        let after = peak_memory_mb().unwrap();
        assert!(before > 0.5 && after >= 250.0, "{before} {after} {}", block.len());
    }
}
