//! What `--trace` keeps of a solve: its curve, and pictures of a bounded number of updates.

use candle_core::Device;
use image::RgbImage;

use super::output::OutputFolder;
use crate::{
    Estimate, Map, Result, Update, Views, Watch,
    export::{
        curves::{Curve, CurvePoint},
        grid::grid,
        picture::{self, Range},
    },
};

/// Pictures are made of at most this many updates, evenly spread, and of the last: all of the published 24.
const MOST_PICTURES: usize = 31;

/// A [`Watch`] over one frame's solve.
pub(super) struct Tracer<'a> {
    wanted: bool,
    interrupted: &'a dyn Fn() -> bool,
    curve: Curve,
    kept: Vec<Update>,
    /// Every how-many-th update is kept.
    spacing: usize,
    seen: usize,
    /// The newest update, if it is not kept.
    last: Option<Update>,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(frame: &str, wanted: bool, interrupted: &'a dyn Fn() -> bool) -> Self {
        let curve = Curve { frame: frame.to_owned(), ..Curve::default() };
        Self { wanted, interrupted, curve, kept: Vec::new(), spacing: 1, seen: 0, last: None }
    }

    /// Writes the pictures and gives the curve.
    pub(super) fn finish(mut self, views: &Views, estimate: &Estimate, out: &OutputFolder) -> Result<Curve> {
        self.curve.cost_end = Some(estimate.cost_end);
        self.kept.extend(self.last.take());
        if self.wanted && !self.kept.is_empty() {
            self.write_pictures(views, out)?;
        }
        Ok(self.curve)
    }

    fn write_pictures(&self, views: &Views, out: &OutputFolder) -> Result<()> {
        let target = picture::from_tensor(&views.target)?;
        let neighbours = views.neighbours.iter().map(picture::from_tensor).collect::<Result<Vec<_>>>()?;
        let inverse_depths = Range::robust(self.kept.iter().map(|update| &update.inv_depth));
        let costs = Range::robust(self.kept.iter().map(|update| &update.cost_map));

        let mut rows =
            vec![std::iter::once(target.clone()).chain(neighbours.iter().cloned()).collect::<Vec<_>>()];
        // The sheet shows where each block of updates ended, if such are among those kept.
        let ends = self.kept.iter().filter(|update| update.block == "poses").count();
        for update in &self.kept {
            let cost = picture::cost(&update.cost_map, costs);
            let inverse_depth = picture::inverse_depth(&update.inv_depth, inverse_depths);
            let overlaps = overlaps(&target, &neighbours, views, update)?;
            out.write_trace(&self.curve.frame, update.step, "cost", &cost)?;
            out.write_trace(&self.curve.frame, update.step, "inverse_depth", &inverse_depth)?;
            for (i, overlap) in overlaps.iter().enumerate() {
                out.write_trace(&self.curve.frame, update.step, &format!("overlap_{i}"), overlap)?;
            }
            if ends < 2 || update.block == "poses" {
                rows.push([cost, inverse_depth].into_iter().chain(overlaps).collect());
            }
        }
        let cell = (target.height(), target.width());
        out.write_sheet(&self.curve.frame, &grid(&thinned(rows, 13), cell))
    }
}

impl Watch for Tracer<'_> {
    fn wants_updates(&self) -> bool {
        self.wanted
    }

    fn update(&mut self, update: &Update) -> Result<()> {
        self.curve.points.push(CurvePoint::from(update));
        if self.seen.is_multiple_of(self.spacing) && self.kept.len() == MOST_PICTURES {
            // Keep every other one and take half as many from here on: bounded memory for any length.
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.spacing *= 2;
        }
        self.last = None;
        if self.seen.is_multiple_of(self.spacing) {
            self.kept.push(update.clone());
        } else {
            self.last = Some(update.clone());
        }
        self.seen += 1;
        Ok(())
    }

    fn interrupted(&self) -> bool {
        (self.interrupted)()
    }
}

/// The first row, and at most `most − 1` others, evenly, with the last.
fn thinned<T>(rows: Vec<T>, most: usize) -> Vec<T> {
    let count = rows.len();
    let spacing = count.saturating_sub(1).div_ceil(most - 1).max(1);
    rows.into_iter()
        .enumerate()
        .filter(|(i, _)| *i == 0 || (count - 1 - i).is_multiple_of(spacing))
        .map(|(_, row)| row)
        .collect()
}

/// Target and warped neighbour, per neighbour, at the images' size.
fn overlaps(
    target: &RgbImage,
    neighbours: &[RgbImage],
    views: &Views,
    update: &Update,
) -> Result<Vec<RgbImage>> {
    let size = (target.height() as usize, target.width() as usize);
    let small = update.inv_depth.to_tensor(&Device::Cpu)?;
    let inv_depth = Map::from_tensor(&dro_vision::resize_bilinear(&small, size)?)?;
    neighbours
        .iter()
        .zip(&update.poses)
        .map(|(neighbour, pose)| {
            let warped = picture::warped(neighbour, &inv_depth, &views.camera, pose)?;
            picture::overlap(target, &warped)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;

    #[test]
    fn memory_is_bounded_and_updates_are_spread_evenly() {
        let never = || false;
        let mut tracer = Tracer::new("a", true, &never);
        for step in 0..1000 {
            let map = Map::new(1, 1, vec![1.0]).unwrap();
            let update = Update {
                step,
                stage: 0,
                block: "poses".into(),
                cost: 1.0,
                cost_map: map.clone(),
                inv_depth: map,
                poses: vec![Isometry3::identity()],
            };
            tracer.update(&update).unwrap();
            assert!(tracer.kept.len() <= MOST_PICTURES);
        }
        assert_eq!(tracer.last.as_ref().map(|update| update.step), Some(999));
        let steps: Vec<usize> = tracer.kept.iter().map(|u| u.step).collect();
        assert!(
            steps.len() >= MOST_PICTURES / 2 && steps[0] == 0 && steps.windows(2).all(|w| w[1] - w[0] == 64)
        );
        assert_eq!(tracer.curve.points.len(), 1000);
    }

    #[test]
    fn thinning_keeps_the_first_and_the_last() {
        assert_eq!(thinned((0..5).collect(), 13), [0, 1, 2, 3, 4]);
        let thin = thinned((0..100).collect::<Vec<_>>(), 13);
        assert!(thin.len() <= 14 && thin[0] == 0 && thin.last() == Some(&99));
    }
}
