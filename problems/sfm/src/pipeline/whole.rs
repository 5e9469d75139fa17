//! What concerns the whole sequence: one trajectory with a consistent scale, and one point cloud.

use super::{OutputFolder, RunSettings, Solved};
use crate::{Result, data::Sequence, export::summary::Summary};

pub(super) fn trajectory_and_points(
    sequence: &Sequence,
    solved: &[Solved],
    settings: &RunSettings,
    out: &OutputFolder,
    summary: &mut Summary,
) -> Result<()> {
    let _ = (sequence, solved, settings, out, summary);
    Ok(())
}
