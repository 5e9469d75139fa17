//! What is said at the end of a run.

use anyhow::Result;
use dro_sfm::{
    export::summary::Summary,
    pipeline::{Format, RunSettings},
};

use crate::print;

/// A few lines on stdout: how many frames, where they are, how good they are.
pub fn tell(summary: &Summary, settings: &RunSettings) -> Result<()> {
    let frames = summary.frames.len();
    let seconds: f64 = summary.frames.iter().map(|frame| frame.seconds).sum();
    let per_frame =
        if frames > 0 { format!(", {:.2} s each", seconds / frames as f64) } else { String::new() };
    let memory = summary.peak_memory_mb.map_or(String::new(), |mb| format!(", at most {mb:.0} MiB"));
    print(format_args!("{frames} frames{per_frame}{memory}: {}", settings.out.display()))?;
    if frames > 0 && settings.wants(Format::Png) {
        print(format_args!(
            "depth/NAME.png: depth = value / {} (metres, or the unit of the translations)",
            summary.depth_png_scale
        ))?;
    }
    if let Some(depth) = &summary.mean_metrics {
        print(format_args!(
            "depth against ground truth (median-scaled): abs rel {:.3}, a1 {:.3}",
            depth.abs_rel, depth.a1
        ))?;
    }
    if let (Some(rotation), Some(translation)) =
        (summary.mean_rotation_error_deg, summary.mean_translation_error_deg)
    {
        print(format_args!(
            "poses against ground truth: rotation {rotation:.2} degrees, direction of translation {translation:.1} degrees"
        ))?;
    }
    if let Some(ate) = summary.ate_rmse_m {
        print(format_args!("trajectory against ground truth (aligned with scale): {ate:.3} m"))?;
    }
    for note in &summary.notes {
        print(format_args!("note: {note}"))?;
    }
    if summary.interrupted {
        print("interrupted: the frames above are complete")?;
    }
    Ok(())
}
