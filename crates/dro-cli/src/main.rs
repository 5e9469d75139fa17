//! The `dro` command: parse, call, print. Everything else is in the libraries.

mod demo;
mod device;
mod interrupt;
mod progress;
mod run;
mod values;
mod weights;

use std::{io::Write, process::ExitCode};

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
    /// Look at weights, or import a published checkpoint.
    #[command(subcommand)]
    Weights(weights::Weights),
}

#[derive(Debug, Subcommand)]
enum Sfm {
    /// Depth, trajectory and points from a folder of images, a video or a recorded sequence.
    Run(run::Run),
    /// The same on a small room that the program renders itself: nothing to download.
    Demo(demo::Demo),
}

/// What a command came to.
enum Outcome {
    Done,
    /// The user pressed Ctrl-C; what was finished is written.
    Interrupted,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing::level_filters::LevelFilter::ERROR.into())
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let outcome = match cli.command {
        Command::Sfm(Sfm::Run(run)) => run.execute(),
        Command::Sfm(Sfm::Demo(demo)) => demo.execute(),
        Command::Weights(weights) => weights.execute(),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(error) => {
            let line = format!("{error:#}").replace('\n', "; ");
            // Nothing can be done if even stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {line}");
            ExitCode::from(2)
        }
    }
}

/// Prints to stdout; a closed pipe (`dro … | head`) is no error.
fn print(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
