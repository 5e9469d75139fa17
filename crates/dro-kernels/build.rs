//! Compiles the CUDA kernels to PTX, only under the feature `cuda`.
//!
//! `NVCC` names the compiler, or `CUDA_HOME` or `CUDA_PATH` the toolkit's folder; else `nvcc` is looked for on the path.
//! PTX for compute capability 8.0 is compiled by the driver for the card it finds: 8.0 (A100, RTX 30) and newer.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const SOURCES: &str = "src/cuda/kernels";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return ExitCode::SUCCESS;
    }
    println!("cargo::rerun-if-changed={SOURCES}");
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    match compile_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn compile_all() -> Result<(), String> {
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR: expected a folder, found none")?);
    let mut sources: Vec<PathBuf> = fs::read_dir(SOURCES)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>())
        .map_err(|error| format!("{SOURCES}: {error}"))?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "cu"));
    sources.sort();
    let compiler = compiler();
    sources.iter().try_for_each(|source| compile(&compiler, source, &folder))
}

fn compiler() -> PathBuf {
    let toolkit = || env::var_os("CUDA_HOME").or_else(|| env::var_os("CUDA_PATH"));
    match (env::var_os("NVCC"), toolkit()) {
        (Some(nvcc), _) => nvcc.into(),
        (None, Some(toolkit)) => Path::new(&toolkit).join("bin/nvcc"),
        (None, None) => "nvcc".into(),
    }
}

fn compile(compiler: &Path, source: &Path, folder: &Path) -> Result<(), String> {
    let name = source.file_stem().ok_or_else(|| format!("{}: expected a name", source.display()))?;
    let output = folder.join(name).with_extension("ptx");
    let run = Command::new(compiler)
        .args(["--ptx", "-O3", "-arch=compute_80", "-o"])
        .args([&output, source])
        .output()
        .map_err(|error| {
            format!(
                "feature cuda: expected CUDA's compiler, found that {} cannot be run ({error}): \
                 install the toolkit and set CUDA_HOME, or see scripts/cuda-toolkit",
                compiler.display()
            )
        })?;
    if !run.status.success() {
        // One line, as cargo takes it.
        let said = String::from_utf8_lossy(&run.stderr).replace('\n', "; ");
        return Err(format!("{}: {} says: {said}", source.display(), compiler.display()));
    }
    Ok(())
}
