//! How good weights are, with pictures.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use dro_train::Validated;
use dro_vision::euler;
use image::RgbImage;
use nalgebra::{Isometry3, Vector6};
use rayon::prelude::*;

use super::{Measure, TrainedNet};
use crate::{
    Map, Result, Sample,
    eval::{DepthOptions, depth_metrics, rotation_error_rad, translation_direction_error_rad},
    export::{grid, picture},
    network::{DroNet, Iterations},
};

/// What the network made of one sample.
struct Answer {
    measures: BTreeMap<&'static str, f64>,
    /// Inverse depth at the start and at the end.
    inv_depth: [Map; 2],
    /// Of the first neighbour, at the start and at the end.
    poses: [Isometry3<f64>; 2],
}

/// Measures θ on the held-out samples and draws the first few of them to `predictions.png` in the training's folder.
pub(super) fn validate(trained: &TrainedNet, theta: &[f32], tasks: &[u64]) -> Result<Validated> {
    let (net, config) = (trained.finished(theta)?, &trained.config().validation);
    let answers = tasks
        .par_iter()
        .with_max_len(1)
        .map(|task| {
            let (sample, _) = trained.held_out().sample([*task, 0], config.neighbours, config.size)?;
            let answer = answer(trained, &net, &sample, *task)?;
            Ok((sample, answer))
        })
        .collect::<Vec<Result<_>>>()
        .into_iter()
        .collect::<Result<Vec<_>>>()?;

    if config.pictures > 0 {
        let rows = answers.iter().take(config.pictures).map(|(sample, answer)| row(sample, answer));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let cell = (config.size.0 as u32, config.size.1 as u32);
        picture::write(trained.folder().join("predictions.png"), &grid::grid(&rows, cell))?;
    }

    let mut parts = BTreeMap::new();
    for name in answers.iter().flat_map(|(_, answer)| answer.measures.keys()) {
        // Samples without truth have no value.
        let values: Vec<f64> = answers.iter().filter_map(|(_, a)| a.measures.get(name).copied()).collect();
        parts.insert((*name).to_owned(), values.iter().sum::<f64>() / values.len() as f64);
    }
    let measure = match config.measure {
        Measure::AbsRel => "abs_rel",
        Measure::Rotation => "rotation_deg",
        Measure::Translation => "translation_deg",
        Measure::Loss => "validation_loss",
    };
    Ok(Validated { score: parts.get(measure).copied().unwrap_or(f64::NAN), parts })
}

fn answer(trained: &TrainedNet, net: &DroNet, sample: &Sample, task: u64) -> Result<Answer> {
    let config = &trained.config().validation;
    let batch = trained.held_out_batch(sample, task)?;
    let iterations = Iterations { stages: config.stages, inner: config.inner };
    trained.run(net, &batch, iterations, false, |predicted, encoded| {
        let loss = trained.config().loss.of(predicted, encoded, &batch, trained.bounds())?;
        let mut measures = BTreeMap::from([(
            "validation_loss",
            f64::from(loss.total.to_dtype(DType::F32)?.to_scalar::<f32>()?),
        )]);
        let ends =
            |all: &[Tensor]| -> Option<[Tensor; 2]> { Some([all.first()?.clone(), all.last()?.clone()]) };
        let missing = || crate::Error::argument("predictions", "at least one", "none");
        let [start, end] = ends(predicted.inv_depth).ok_or_else(missing)?;
        let inv_depth = [Map::from_tensor(&start)?, Map::from_tensor(&end)?];
        let bounds = trained.bounds();
        let options = DepthOptions {
            min_depth_m: bounds.min_depth_m,
            max_depth_m: bounds.max_depth_m,
            median_scaling: config.median_scaling,
            ..DepthOptions::default()
        };
        for (name, map) in ["abs_rel_start", "abs_rel"].into_iter().zip(&inv_depth) {
            if let Some(metrics) = depth_metrics(&map.inverted(), &sample.depth, &options)? {
                measures.insert(name, metrics.abs_rel);
            }
        }
        let [start, end] = ends(predicted.poses).ok_or_else(missing)?;
        let (mut rotations, mut translations) = (Vec::new(), Vec::new());
        let found = isometries(&end)?;
        for (found, truth) in found.iter().zip(&sample.poses) {
            rotations.extend(rotation_error_rad(&found.rotation, &truth.rotation));
            let (found, truth) = (&found.translation.vector, &truth.translation.vector);
            translations.extend(translation_direction_error_rad(found, truth));
        }
        for (name, errors) in [("rotation_deg", rotations), ("translation_deg", translations)] {
            if !errors.is_empty() {
                measures.insert(name, (errors.iter().sum::<f64>() / errors.len() as f64).to_degrees());
            }
        }
        let first = |poses: Vec<Isometry3<f64>>| poses.first().copied().unwrap_or_default();
        Ok(Answer { measures, inv_depth, poses: [first(isometries(&start)?), first(found)] })
    })
}

/// Target, neighbour, true inverse depth, that at the start and at the end, overlap at the start and at the end.
fn row(sample: &Sample, answer: &Answer) -> Result<Vec<RgbImage>> {
    let (height, width) = sample.size;
    let image = |index: usize| -> Result<RgbImage> {
        let values = sample.images.get(index).map_or(&[][..], Vec::as_slice);
        picture::from_tensor(&Tensor::from_slice(values, (3, height, width), &candle_core::Device::Cpu)?)
    };
    let (target, neighbour, truth) = (image(0)?, image(1)?, sample.depth.inverted());
    let range = if truth.values().iter().any(|x| *x > 0.0) {
        picture::Range::robust([&truth])
    } else {
        picture::Range::robust(&answer.inv_depth)
    };
    let mut row = vec![target.clone(), neighbour.clone(), picture::inverse_depth(&truth, range)];
    row.extend(answer.inv_depth.iter().map(|map| picture::inverse_depth(map, range)));
    for (map, pose) in answer.inv_depth.iter().zip(&answer.poses) {
        let warped = picture::warped(&neighbour, map, &sample.camera, pose)?;
        row.push(picture::overlap(&target, &warped)?);
    }
    Ok(row)
}

/// `[1, neighbours, 6]` → one `neighbour_from_target` each.
fn isometries(poses: &Tensor) -> Result<Vec<Isometry3<f64>>> {
    let rows = poses.flatten_to(1)?.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    Ok(rows.iter().map(|row| euler::isometry(&Vector6::from_column_slice(row))).collect())
}
