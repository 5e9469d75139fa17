//! The `dro` command: parse, call, print. Everything else is in the libraries.

mod ablate;
mod bench;
mod camera;
mod closing;
mod configuration;
mod cuda_advice;
mod demo;
mod device;
mod eval;
mod frames;
mod interrupt;
mod message;
mod minimize;
mod output;
mod progress;
mod run;
mod sets;
mod sfm_train;
mod solve;
mod threads;
mod train;
mod training;
mod values;
mod weights;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Learned zeroth-order optimizers, and structure-from-motion with them.
#[derive(Debug, Parser)]
#[command(name = "dro", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Depth and camera poses from images.
    #[command(subcommand)]
    Sfm(Sfm),
    /// Look at weights, mix them, or import a published checkpoint.
    #[command(subcommand)]
    Weights(weights::Weights),
    /// The best input of any program that prints a cost.
    Minimize(minimize::Minimize),
    /// Train the parameters of a learned optimizer.
    Train(train::Train),
    /// Compare optimizers.
    #[command(subcommand)]
    Bench(bench::Bench),
}

#[derive(Debug, Subcommand)]
enum Sfm {
    /// Depth, trajectory and points from a folder of images, a video or a recorded sequence.
    Run(run::Run),
    /// The same on a small room that the program renders itself: nothing to download.
    Demo(demo::Demo),
    /// Compare with ground truth: depth, poses and trajectories of recorded sequences and DeMoN test sets.
    Eval(eval::Eval),
    /// What each part of the learned optimizer is good for, from one training.
    Ablate(ablate::Ablate),
    /// Train the network on generated scenes or recorded sequences.
    Train(sfm_train::SfmTrain),
}

/// What a command came to.
enum Outcome {
    Done,
    /// The user pressed Ctrl-C; what was finished is written.
    Interrupted,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return message::of_usage(&error),
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing::level_filters::LevelFilter::ERROR.into())
                .from_env_lossy(),
        )
        .with_writer(io::stderr)
        .without_time()
        .init();
    let outcome = match cli.command {
        Command::Sfm(Sfm::Run(run)) => run.execute(),
        Command::Sfm(Sfm::Demo(demo)) => demo.execute(),
        Command::Sfm(Sfm::Eval(eval)) => eval.execute(),
        Command::Sfm(Sfm::Ablate(ablate)) => ablate.execute(),
        Command::Sfm(Sfm::Train(train)) => train.execute(),
        Command::Weights(weights) => weights.execute(),
        Command::Minimize(minimize) => minimize.execute(),
        Command::Train(train) => train.execute(),
        Command::Bench(bench) => bench.execute(),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => message::failed(&message::one_line(&error)),
    }
}

/// Prints to stdout; a closed pipe (`dro … | head`) is no error.
fn print(text: impl std::fmt::Display) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
