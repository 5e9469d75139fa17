//! `--threads N`.

use anyhow::Result;

/// Tells rayon and candle how many threads to use: the program replaces itself by one with the variable set, which is
/// the only safe way to change the environment.
///
/// candle asks for the number of cores at every product of matrices, by reading a file of the system, unless this
/// variable is set: small networks are ten times as fast with it. candle also has threads of its own for elementwise
/// operations, which wait by spinning and take the cores from ours; one is best, unless the user says otherwise.
///
/// The last three are for the GNU allocator: a training frees and asks for the same gigabyte at every step, and a fifth
/// of its time went into handing pages back to the system and clearing them anew.
#[cfg(unix)]
pub fn set(threads: Option<u16>) -> Result<()> {
    use std::os::unix::process::CommandExt;

    use anyhow::Context;

    const NAME: &str = "RAYON_NUM_THREADS";
    const OTHERS: [(&str, &str); 4] = [
        ("CANDLE_NUM_THREADS", "1"),
        ("MALLOC_ARENA_MAX", "1"),
        ("MALLOC_MMAP_THRESHOLD_", "33554432"),
        ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
    ];
    let set = std::env::var(NAME).ok().and_then(|text| text.parse::<usize>().ok());
    let wanted = threads.map(usize::from).or(set);
    let missing: Vec<_> = OTHERS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if set.is_some() && set == wanted && missing.is_empty() {
        return Ok(());
    }
    let threads =
        wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let mut again = std::process::Command::new(std::env::current_exe()?);
    // Comes back only if it failed.
    Err(again.args(std::env::args_os().skip(1)).env(NAME, threads.to_string()).envs(missing).exec())
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
