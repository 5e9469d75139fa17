//! `dro sfm train`.

use anyhow::Result;
use clap::Args;
use dro_sfm::training::{TrainingConfig, resume, start};
use dro_train::Metric;

use crate::{
    Outcome,
    device::DeviceOptions,
    threads,
    training::{Configuration, TrainingOptions, number},
};

#[derive(Debug, Args)]
pub struct SfmTrain {
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    on: DeviceOptions,
    /// Threads to use [default: one per core]. The result does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl SfmTrain {
    pub fn execute(self) -> Result<Outcome> {
        threads::set(self.threads)?;
        let job = self.training.job::<TrainingConfig>()?;
        let open = |config: &TrainingConfig, out: &_, about: &str, again| {
            let device = self.on.open()?;
            Ok(match again {
                true => resume(config.clone(), out, about, &device)?,
                false => (start(config.clone(), out, about, &device)?, None),
            })
        };
        job.run("dro sfm train", open, message)
    }
}

impl Configuration for TrainingConfig {
    fn validate(&self) -> Result<()> {
        Ok(self.validate()?)
    }

    fn steps(&self) -> u64 {
        self.steps()
    }

    fn comparable(&self) -> Self {
        Self { checkpoint_every: 1, ..self.clone() }
    }
}

fn message(metric: &Metric, measured: Option<&Metric>) -> String {
    let part = |name: &str| number(measured.and_then(|metric| metric.parts.get(name).copied()));
    format!(
        "loss {}, abs rel {}, rotation {}°, translation {}°",
        number(metric.loss),
        part("abs_rel"),
        part("rotation_deg"),
        part("translation_deg")
    )
}
