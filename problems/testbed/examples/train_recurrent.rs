//! Trains the weights that `dro-core` bundles for its recurrent search: `train_recurrent DIR [STEPS]`. A folder with a
//! training in it is gone on with. DIR/weights.safetensors are the best by validation.

use std::{error::Error, ops::ControlFlow};

use dro_testbed::training::Recurrent;
use dro_train::{
    AdamW, Checkpoint, Es, EstimatorConfig, OptimizerConfig, RateKind, RateSchedule, Session, Settings,
    Trainer, Validation,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("expected a folder to train in")?;
    let steps = arguments.next().map_or(Ok(1500), |steps| steps.parse())?;
    let estimator =
        EstimatorConfig::Es(Es { pairs: 48, tasks: 2, sigma: 0.08, ..Es::default() }).build::<Recurrent>()?;
    let settings = Settings {
        seed: 1,
        steps,
        optimizer: OptimizerConfig::AdamW(AdamW::default()),
        schedule: RateSchedule {
            kind: RateKind::Cosine,
            rate: 0.02,
            warm_up: 10,
            floor: 0.1,
            ..Default::default()
        },
        validation: Validation { every: 25, tasks: 400, seed: 1 },
        ..Settings::default()
    };
    let about = "recurrent search, generated tasks";
    let mut session = if Checkpoint::exists(folder.as_ref()) {
        Session::resume(Recurrent, estimator, settings, &folder, about, 25)?.0
    } else {
        Session::start(Trainer::new(Recurrent, estimator, settings)?, &folder, about, 25)?
    };
    session.run(steps, |metric| {
        if let Some(score) = metric.validation {
            println!("{} {score:.4} ({:.2} s a step)", metric.step, metric.seconds);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}
