//! Compiling the emulator, once per process.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// Sanitizers first; a compiler without their libraries still checks results.
const SANITIZERS: [&[&str]; 2] = [&["-fsanitize=address,undefined", "-fno-sanitize-recover=all"], &[]];

static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(compile);

/// The emulator's path, or why there is none.
pub(super) fn program() -> Result<&'static Path, &'static str> {
    match &*PROGRAM {
        Ok(path) => Ok(path),
        Err(reason) => Err(reason),
    }
}

fn compile() -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let kernels = sources.join("cuda/kernels");
    let names = names(&kernels)?;
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    // Beside the tests' programs, so that it goes when the target folder goes.
    let folder = test.with_file_name(format!(
        "cuda-emulator-{:016x}",
        fingerprint(&[&kernels, &sources.join("emulator")])?
    ));
    let program = folder.join("emulator");
    if program.exists() {
        return Ok(program);
    }
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Another process may do the same at this moment: whole files appear by being renamed.
    let own = |name: &str| folder.join(format!("{name}.{}", std::process::id()));
    fs::write(own("names.inc"), names).map_err(|error| error.to_string())?;
    fs::rename(own("names.inc"), folder.join("names.inc")).map_err(|error| error.to_string())?;

    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut said = String::new();
    for flags in SANITIZERS {
        let run = Command::new(&compiler)
            .args(["-std=c++17", "-O1", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-ffp-contract=off"])
            .args(flags)
            .arg("-I")
            .args([kernels.as_path(), Path::new("-I"), folder.as_path(), Path::new("-o"), &own("emulator")])
            .arg(sources.join("emulator/main.cpp"))
            .output()
            .map_err(|error| {
                format!("expected a C++ compiler, found that {compiler:?} cannot be run ({error})")
            })?;
        if run.status.success() {
            fs::rename(own("emulator"), &program).map_err(|error| error.to_string())?;
            return Ok(program);
        }
        said = String::from_utf8_lossy(&run.stderr).into_owned();
    }
    // A compiler that is there and refuses the kernels is a failure, not a reason to skip.
    #[allow(clippy::panic)]
    {
        panic!("the kernels do not compile as C++: {said}")
    }
}

/// One `KERNEL_NAME(file, name)` for each kernel of the sources, so that none can be forgotten.
fn names(kernels: &Path) -> Result<String, String> {
    let mut names = String::new();
    for entry in fs::read_dir(kernels).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        for line in text.lines() {
            if let Some((name, _)) = line.strip_prefix("KERNEL ").and_then(|line| line.split_once('(')) {
                names += &format!("KERNEL_NAME({module}, {name})\n");
            }
        }
    }
    Ok(names)
}

/// A number that another content of the folders would not have.
fn fingerprint(folders: &[&Path]) -> Result<u64, String> {
    let mut hasher = DefaultHasher::new();
    for folder in folders {
        let mut paths = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
            .map_err(|error| error.to_string())?;
        paths.sort();
        for path in paths {
            path.hash(&mut hasher);
            fs::read(&path).map_err(|error| error.to_string())?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}
