//! The network with flat parameters.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{DType, Device, Tensor, Var};
use dro_core::Budget;
use dro_train::{Unroll, Validated};
use rayon::prelude::*;

use super::{
    Batch, BatchNorm, Guide, LossGradient, Phase, Source, TrainingConfig, outside,
    prefetch::Prefetch,
    source::{Samples, stream},
    statistics, validation,
};
use crate::{
    Error, Result, Sample,
    loss::{DepthBounds, Predicted},
    network::{DroNet, Encoded, InverseDepthRange, Iterations, Keep, Predictions, Work},
    weights::{ModelConfig, StartValues, Weights},
};

/// A network in training: θ is all its learned tensors, in the order of their names. Statistics of batch norms are no
/// part of it; see the [module](super).
pub struct TrainedNet {
    config: TrainingConfig,
    device: Device,
    folder: PathBuf,
    layout: Vec<(String, Vec<usize>)>,
    first: Vec<f32>,
    first_statistics: BTreeMap<String, Tensor>,
    training: Arc<Source>,
    /// The same without starts by search.
    plain: Arc<Source>,
    held_out: Source,
    /// Statistics of the weights that were asked for last, by their fingerprint.
    known: Mutex<Vec<(u64, BTreeMap<String, Tensor>)>>,
}

/// A network that was built from θ, and its batch norms' running statistics.
pub(super) struct Built {
    pub(super) net: DroNet,
    running: BTreeMap<String, Var>,
}

impl TrainedNet {
    /// Reads the first weights and opens all data. Pictures of predictions and failed batches go to `folder`.
    ///
    /// # Errors
    /// If a setting is out of range, or weights or data cannot be read.
    pub fn new(config: TrainingConfig, folder: impl Into<PathBuf>, device: &Device) -> Result<Self> {
        config.validate()?;
        let (mut layout, mut first, mut first_statistics) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (name, tensor) in config.start.tensors(&config.model, config.seed)? {
            if is_statistic(&name) {
                first_statistics.insert(name, tensor.to_device(device)?);
            } else {
                layout.push((name, tensor.dims().to_vec()));
                first.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        let data = &config.data;
        let training =
            Source::new(&data.generated, data.generated_weight, &data.folders, data.skip_bad, config.seed)?;
        let plain = Arc::new(training.without_starts());
        let training = Arc::new(training.with_starts(&config.guide));
        let (folders, seed) = (&config.validation.folders, config.validation.seed);
        let generated_weight = if folders.is_empty() { 1.0 } else { 0.0 };
        let held_out = Source::new(&data.generated, generated_weight, folders, data.skip_bad, seed)?;
        let held_out = held_out.with_starts(&config.guide);
        let (device, folder) = (device.clone(), folder.into());
        let known = Mutex::default();
        Ok(Self { config, device, folder, layout, first, first_statistics, training, plain, held_out, known })
    }

    /// Everything that was set.
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// The folder of the training.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn held_out(&self) -> &Source {
        &self.held_out
    }

    /// The training batch of a task.
    ///
    /// # Errors
    /// If a recorded sample cannot be read.
    pub fn batch(&self, task: u64, phase: &Phase) -> Result<Batch> {
        let Phase { batch, neighbours, size, .. } = *phase;
        self.batch_of(self.source(phase).batch(task, batch, neighbours, size, &self.config.augment)?, task)
    }

    /// Where a phase's samples come from. The search's mistakes are for the rules to learn from: where none runs, they
    /// are not worth its time.
    fn source(&self, phase: &Phase) -> &Arc<Source> {
        if phase.stages == 0 { &self.plain } else { &self.training }
    }

    /// The batch of a task, from its samples.
    pub(super) fn batch_of(&self, samples: Samples, task: u64) -> Result<Batch> {
        let Samples { seen, plain, skipped } = samples;
        let batch = Batch { skipped, ..Batch::new(&seen, &plain, &self.device)? };
        self.guided(batch, &plain, task)
    }

    /// Begins to make the samples of a task.
    pub(super) fn prefetch(&self, task: u64, phase: Phase) -> Option<Prefetch> {
        Prefetch::begin(self.source(&phase), &self.config.augment, task, phase)
    }

    /// The batch with values to start from, as the configuration says.
    fn guided(&self, batch: Batch, samples: &[Sample], task: u64) -> Result<Batch> {
        let samples = samples.iter().zip(0..).map(|(sample, index)| (sample, stream([task, index], 2)));
        let range = InverseDepthRange::of(&self.config.model);
        let guide = Guide::draw(&self.config.guide, samples, range, &self.device)?;
        Ok(Batch { guide, ..batch })
    }

    /// A held-out sample as a batch. It starts where the network would: at its heads' values, or near the truth in place
    /// of a search's.
    pub(super) fn held_out_batch(&self, sample: &Sample, task: u64) -> Result<Batch> {
        let one = std::slice::from_ref(sample);
        let batch = Batch::new(one, one, &self.device)?;
        match self.config.model.start {
            StartValues::Heads => Ok(batch),
            StartValues::Search => self.guided(batch, one, task),
        }
    }

    /// The loss of a batch at θ, and its gradient: the mean over the phase's shards, which are worked on in parallel. What
    /// the loss does not depend on (the rules, in a phase without updates) gets 0.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn gradient(&self, theta: &[f32], batch: &Batch, phase: &Phase) -> Result<LossGradient> {
        let (shards, parameters) = (batch.shards(phase.shards)?, self.parameters(theta, true)?);
        let rules = self.build(&parameters, &self.first_statistics)?.net.shared();
        let found: Vec<_> = shards
            .par_iter()
            .with_max_len(1)
            .map(|shard| self.shard_gradient(&parameters, &rules, shard, phase))
            .collect();
        let found = found.into_iter().collect::<Result<Vec<_>>>().map_err(|error| {
            let Phase { size, neighbours, batch, stages, inner, .. } = *phase;
            let work = Work { size, neighbours, batch, training: Some(Iterations { stages, inner }) };
            work.explain(&self.config.model, &self.device, error)
        });
        LossGradient::mean(found?)
    }

    /// `rules` is a network at these parameters, whose update rules all shards use; batch norms are each shard's own.
    fn shard_gradient(
        &self,
        parameters: &[Tensor],
        rules: &DroNet,
        batch: &Batch,
        phase: &Phase,
    ) -> Result<LossGradient> {
        let built = self.build(parameters, &self.first_statistics)?;
        let iterations = Iterations { stages: phase.stages, inner: phase.inner };
        let train = self.config.batch_norm == BatchNorm::Batch;
        let net = built.net.with_rules_of(rules);
        let objective = self.run(&net, batch, iterations, train, |predicted, encoded| {
            self.config.loss.of(predicted, encoded, batch, self.bounds())
        })?;
        let gradients = objective.total.backward()?;
        let mut flat = Vec::with_capacity(self.first.len());
        for parameter in parameters {
            match gradients.get(parameter) {
                Some(gradient) => {
                    let gradient = gradient.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
                    flat.extend(gradient.flatten_all()?.to_vec1::<f32>()?);
                }
                None => flat.resize(flat.len() + parameter.elem_count(), 0.0),
            }
        }
        let loss = f64::from(objective.total.to_dtype(DType::F32)?.to_scalar::<f32>()?);
        Ok(LossGradient { loss, parts: objective.parts, gradient: flat })
    }

    /// Runs the network on a batch and gives what `read` makes of the predictions.
    pub(super) fn run<T>(
        &self,
        net: &DroNet,
        batch: &Batch,
        iterations: Iterations,
        train: bool,
        read: impl FnOnce(Predicted<'_>, &Encoded) -> Result<T>,
    ) -> Result<T> {
        let mut encoded = net.encode(&batch.target, &batch.neighbours, &batch.intrinsics, train)?;
        let cost = encoded.cost()?;
        // Where another solver finds the start, the heads are not asked, so they learn nothing.
        let searched = self.config.model.start == StartValues::Search;
        if let (true, Some(guide)) = (searched, &batch.guide) {
            encoded.start = guide.applied(&encoded.start)?;
            encoded.searched.clone_from(&guide.searched);
        }
        let keep = if self.config.model.intermediate { Keep::EveryUpdate } else { Keep::StageEnds };
        let mut predictions = Predictions::new(net, &encoded, keep)?;
        if let (false, Some(guide)) = (searched, &batch.guide) {
            encoded.start = guide.applied(&encoded.start)?;
        }
        let schedule = net.schedule(iterations, self.config.model.coupling);
        // Every update that is trained counts in full; what is validated is what a run gives.
        let schedule = if train { schedule.with_trained(None) } else { schedule };
        net.optimize(&encoded, &*cost, &schedule, &Budget::default(), &mut [&mut predictions])?;
        if !self.config.loss.mended {
            return read(Predicted::from(&predictions), &encoded);
        }
        let answers = predictions.inv_depth.iter().map(|own| encoded.answer(own));
        let answers = answers.collect::<Result<Vec<_>>>()?;
        read(Predicted { inv_depth: &answers, poses: &predictions.poses }, &encoded)
    }

    /// Depths that count.
    pub(super) fn bounds(&self) -> DepthBounds {
        let ModelConfig { min_depth_m, max_depth_m, .. } = self.config.model;
        DepthBounds { min_depth_m, max_depth_m }
    }

    /// The network at θ, ready to be used.
    pub(super) fn finished(&self, theta: &[f32]) -> Result<DroNet> {
        Ok(self.build(&self.parameters(theta, false)?, &self.statistics(theta)?)?.net)
    }

    /// The statistics that belong to θ.
    fn statistics(&self, theta: &[f32]) -> Result<BTreeMap<String, Tensor>> {
        if self.config.batch_norm == BatchNorm::Frozen {
            return Ok(self.first_statistics.clone());
        }
        let key = fingerprint(theta);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|(other, _)| *other == key) {
            // The one that was used last stays longest.
            let found = known.remove(at);
            let statistics = found.1.clone();
            known.push(found);
            return Ok(statistics);
        }
        let built = self.build(&self.parameters(theta, false)?, &self.first_statistics)?;
        let last = self.config.phases.last().copied().unwrap_or_default();
        let (count, size) = (self.config.validation.statistics_batches, self.config.validation.size);
        // The encoders' statistics alone: starts do not matter.
        let phase = Phase { size, batch: last.batch.max(4), stages: 0, ..last };
        let batches = (0..count as u64).map(|task| self.batch(task, &phase)).collect::<Vec<_>>();
        let statistics = statistics::over_batches(&built.net, &built.running, batches.into_iter())?;
        if known.len() > 1 {
            known.remove(0);
        }
        known.push((key, statistics.clone()));
        Ok(statistics)
    }

    /// θ as tensors in the order of the layout; constants unless they are to learn.
    fn parameters(&self, theta: &[f32], learn: bool) -> Result<Vec<Tensor>> {
        let count: usize = self.layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        if theta.len() != count {
            return Err(Error::argument("parameters", format!("{count} numbers"), theta.len()));
        }
        let (mut parameters, mut rest) = (Vec::with_capacity(self.layout.len()), theta);
        for (_, shape) in &self.layout {
            let (values, after) = rest.split_at(shape.iter().product());
            rest = after;
            let tensor = Tensor::from_slice(values, shape.as_slice(), &self.device)?;
            parameters.push(if learn { Var::from_tensor(&tensor)?.into_inner() } else { tensor });
        }
        Ok(parameters)
    }

    fn build(&self, parameters: &[Tensor], statistics: &BTreeMap<String, Tensor>) -> Result<Built> {
        let names = self.layout.iter().map(|(name, _)| name.clone());
        let mut tensors: BTreeMap<_, _> = names.zip(parameters.iter().cloned()).collect();
        let mut running = BTreeMap::new();
        for (name, tensor) in statistics {
            let var = Var::from_tensor(tensor)?;
            tensors.insert(name.clone(), var.as_tensor().clone());
            running.insert(name.clone(), var);
        }
        let weights = Weights::new(self.config.model.clone(), tensors);
        let net = DroNet::new(&self.config.model, weights.var_builder(&self.device))?;
        Ok(Built { net, running })
    }

    /// The configuration that the weights are written with: that of the last phase.
    fn exported_config(&self) -> ModelConfig {
        let last = self.config.phases.last().copied().unwrap_or_default();
        ModelConfig {
            updates: last.stages * last.inner,
            updates_per_stage: last.inner,
            image_size: last.size,
            median_depth_m: self.config.data.generated.median_depth_m,
            ..self.config.model.clone()
        }
    }

    /// Weights and statistics at θ.
    ///
    /// # Errors
    /// If θ is not of the network's length, or a tensor operation fails.
    pub fn weights(&self, theta: &[f32]) -> Result<Weights> {
        let names = self.layout.iter().map(|(name, _)| name.clone());
        let tensors = names.zip(self.parameters(theta, false)?).chain(self.statistics(theta)?).collect();
        Ok(Weights::new(self.exported_config(), tensors))
    }
}

impl Unroll for TrainedNet {
    /// The task.
    type State = u64;

    fn parameters(&self) -> usize {
        self.first.len()
    }

    fn initial(&self, _seed: u64) -> Vec<f32> {
        self.first.clone()
    }

    fn horizon(&self, _task: u64) -> usize {
        1
    }

    fn begin(&self, _theta: &[f32], task: u64, _horizon: usize) -> dro_train::Result<u64> {
        Ok(task)
    }

    /// The loss of the task, a batch of the first phase.
    fn advance(&self, theta: &[f32], task: &mut u64, _steps: usize) -> dro_train::Result<f64> {
        let phase = self.config.phase_at(0);
        let batch = self.batch(*task, &phase).map_err(outside)?;
        Ok(self.gradient(theta, &batch, &phase).map_err(outside)?.loss)
    }

    fn validate(&self, theta: &[f32], tasks: &[u64]) -> dro_train::Result<Validated> {
        validation::validate(self, theta, tasks).map_err(outside)
    }

    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        self.layout.clone()
    }

    fn export(&self, path: &Path, theta: &[f32], _about: &[(&str, &str)]) -> dro_train::Result<()> {
        let dtype = if self.config.float16 { DType::F16 } else { DType::F32 };
        self.weights(theta).and_then(|weights| weights.save_as(path, dtype)).map_err(outside)
    }
}

fn is_statistic(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

/// FNV-1a over the bits.
fn fingerprint(theta: &[f32]) -> u64 {
    theta.iter().fold(0xcbf2_9ce4_8422_2325, |hash, x| {
        (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
