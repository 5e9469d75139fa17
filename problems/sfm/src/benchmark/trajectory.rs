//! The trajectory of a sequence whose windows were solved.

use std::path::Path;

use nalgebra::Isometry3;

use crate::{
    Error, Result,
    data::Frame,
    eval::{Align, TrajectoryError, ate, rpe},
    export::trajectory::{Stamped, write_tum},
    sequence::{Chain, ChainOptions, FrameEstimate, PosedFrame, chain},
};

/// Solved windows of one sequence, by the number of their target.
#[derive(Default)]
pub(super) struct Solved(Vec<(usize, FrameEstimate)>);

/// Solved windows in the world.
pub(super) struct Placed {
    /// The frames that were solved.
    numbers: Vec<usize>,
    estimates: Vec<FrameEstimate>,
    chain: Chain,
}

impl Solved {
    pub(super) fn push(&mut self, frame: usize, estimate: FrameEstimate) {
        self.0.push((frame, estimate));
    }

    /// Chains the windows. `None` where there are fewer than two; where nothing connects them a warning says so, too.
    pub(super) fn place(self, set: &str) -> Result<Option<Placed>> {
        if self.0.len() < 2 {
            return Ok(None);
        }
        let numbers: Vec<usize> = self.0.iter().map(|(number, _)| *number).collect();
        // The chain counts the frames that were solved; neighbours that were not are no use to it.
        let place = |number: usize| numbers.iter().position(|other| *other == number);
        let estimates: Vec<FrameEstimate> = self
            .0
            .into_iter()
            .map(|(_, estimate)| FrameEstimate {
                neighbours: estimate
                    .neighbours
                    .into_iter()
                    .filter_map(|(n, pose)| Some((place(n)?, pose)))
                    .collect(),
                ..estimate
            })
            .collect();
        match chain(&estimates, &ChainOptions::default()) {
            Ok(chain) => Ok(Some(Placed { numbers, estimates, chain })),
            Err(error @ Error::Argument { .. }) => {
                tracing::warn!("{set}: no trajectory: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Placed {
    /// The frames that were solved, by their numbers, in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = usize> + '_ {
        self.numbers.iter().copied()
    }

    /// The same frames in the world.
    pub(super) fn posed(&self) -> Vec<PosedFrame<'_>> {
        PosedFrame::all(&self.estimates, &self.chain)
    }

    /// Writes `trajectory.tum.txt` and `groundtruth.tum.txt` to `folder`, and compares them: absolute and relative errors.
    ///
    /// Both files have the same stamps: the data's times, or the numbers of the frames.
    pub(super) fn judge(
        &self,
        frames: &[Frame],
        folder: &Path,
    ) -> Result<(Option<TrajectoryError>, Option<TrajectoryError>)> {
        let timed = self.frames().all(|n| frames.get(n).is_some_and(|frame| frame.timestamp_s.is_some()));
        let mut estimated = Vec::new();
        let mut truth = Vec::new();
        for (number, &world_from_camera) in self.frames().zip(&self.chain.world_from_camera) {
            let Some(frame) = frames.get(number) else { continue };
            let timestamp_s = frame.timestamp_s.filter(|_| timed).unwrap_or(number as f64);
            let stamped = |world_from_camera| Stamped { timestamp_s, world_from_camera };
            estimated.push(stamped(world_from_camera));
            truth.push(frame.world_from_camera.map(stamped));
        }
        write_tum(folder.join("trajectory.tum.txt"), &estimated)?;
        let (estimated, truth): (Vec<Stamped>, Vec<Stamped>) =
            estimated.into_iter().zip(truth).filter_map(|(found, truth)| Some((found, truth?))).unzip();
        if truth.is_empty() {
            return Ok((None, None));
        }
        write_tum(folder.join("groundtruth.tum.txt"), &truth)?;
        let poses =
            |all: &[Stamped]| -> Vec<Isometry3<f64>> { all.iter().map(|s| s.world_from_camera).collect() };
        let (estimated, truth) = (poses(&estimated), poses(&truth));
        let absolute = ate(&estimated, &truth, Align::Sim3)?;
        let relative = match &absolute {
            Some(error) => rpe(&estimated, &truth, 1, error.scale)?,
            None => None,
        };
        Ok((absolute, relative))
    }
}
