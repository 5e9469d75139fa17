//! `--threads N`.

use anyhow::Result;

/// Tells rayon and candle how many threads to use: the program replaces itself by one with the variable set, which is
/// the only safe way to change the environment.
///
/// candle asks for the number of cores at every product of matrices, by reading a file of the system, unless this
/// variable is set: small networks are ten times as fast with it. candle also has threads of its own for elementwise
/// operations, which wait by spinning and take the cores from ours; one is best, unless the user says otherwise.
#[cfg(unix)]
pub fn set(threads: Option<u16>) -> Result<()> {
    use std::os::unix::process::CommandExt;

    use anyhow::Context;

    const NAME: &str = "RAYON_NUM_THREADS";
    let set = std::env::var(NAME).ok().and_then(|text| text.parse::<usize>().ok());
    let threads = match (threads.map(usize::from), set) {
        (None, Some(_)) => return Ok(()),
        (Some(asked), Some(set)) if asked == set => return Ok(()),
        (Some(asked), _) => asked,
        (None, None) => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    const CANDLE: &str = "CANDLE_NUM_THREADS";
    let candle = std::env::var(CANDLE).unwrap_or_else(|_| "1".into());
    let mut again = std::process::Command::new(std::env::current_exe()?);
    // Comes back only if it failed.
    Err(again.args(std::env::args_os().skip(1)).env(NAME, threads.to_string()).env(CANDLE, candle).exec())
        .context("cannot start with another number of threads")
}

/// Elsewhere the variable is the user's to set.
#[cfg(not(unix))]
pub fn set(threads: Option<u16>) -> Result<()> {
    match threads {
        Some(_) => {
            anyhow::bail!("--threads: expected RAYON_NUM_THREADS to be set in its place on this system")
        }
        None => Ok(()),
    }
}
