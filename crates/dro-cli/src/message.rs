//! Errors as one line on stderr.

use std::{io::Write, process::ExitCode};

use crate::cuda_advice::advice;

/// Prints `error: …` and gives the exit code of bad input.
pub fn failed(line: &str) -> ExitCode {
    // Nothing can be done if even stderr is closed.
    let _ = writeln!(std::io::stderr(), "error: {line}");
    ExitCode::from(2)
}

/// An error with its causes. Many errors say what their cause says; nothing is said twice.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.contains(text.trim()) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    if let Some(advice) = advice(&line) {
        line.push_str(": ");
        line.push_str(advice);
    }
    joined(line.lines(), "; ")
}

/// Prints what the parser of the command line has to say: help in full, an error in one line.
pub fn of_usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        // A closed pipe (`dro --help | head`) is no error.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let text = error.render().to_string();
    let line = text
        .split("\n\n")
        .map(|paragraph| joined(paragraph.lines(), " "))
        .filter(|paragraph| !paragraph.starts_with("Usage:"))
        .filter(|paragraph| !paragraph.starts_with("For more information"))
        .collect::<Vec<_>>()
        .join("; ");
    failed(line.strip_prefix("error: ").unwrap_or(&line))
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>, between: &str) -> String {
    parts.map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once_and_in_one_line() {
        let cause = std::io::Error::other("disk full");
        let error = anyhow::Error::new(cause).context("a.png: disk full").context("while\n\n  writing");
        assert_eq!(one_line(&error), "while; writing: a.png: disk full");
        let error = anyhow::anyhow!("DriverError(CUDA_ERROR_NO_DEVICE)").context("--device cuda:0");
        assert!(
            one_line(&error)
                .starts_with("--device cuda:0: DriverError(CUDA_ERROR_NO_DEVICE): the driver finds no")
        );
    }
}
