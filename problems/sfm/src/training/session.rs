//! A training in a folder.

use std::path::Path;

use candle_core::Device;
use dro_train::{Session, Trainer};

use super::{BatchGradient, TrainedNet, TrainingConfig};
use crate::Result;

/// Steps, checkpoints, log, curve, and weights; see [`Session`].
pub type TrainingSession = Session<TrainedNet>;

/// Starts a training in a folder that has none; `about` is kept in its checkpoints.
///
/// # Errors
/// If a setting is out of range, weights or data cannot be read, or the folder has a training.
pub fn start(config: TrainingConfig, folder: &Path, about: &str, device: &Device) -> Result<TrainingSession> {
    let (settings, every) = (config.settings(), config.checkpoint_every);
    std::fs::create_dir_all(folder).map_err(crate::Error::io(folder))?;
    let net = TrainedNet::new(config, folder, device)?;
    let trainer = Trainer::new(net, Box::new(BatchGradient::default()), settings)?;
    Ok(Session::start(trainer, folder, about, every)?)
}

/// Goes on with the training of a folder; on the CPU the weights will be, bit by bit, those of a training without a break.
/// The second value says what is wrong with the newest checkpoint, if the one before had to be used.
///
/// # Errors
/// As [`start`], and if there is no good checkpoint or it does not fit.
pub fn resume(
    config: TrainingConfig,
    folder: &Path,
    about: &str,
    device: &Device,
) -> Result<(TrainingSession, Option<dro_train::Error>)> {
    let (settings, every) = (config.settings(), config.checkpoint_every);
    let net = TrainedNet::new(config, folder, device)?;
    Ok(Session::resume(net, Box::new(BatchGradient::default()), settings, folder, about, every)?)
}
