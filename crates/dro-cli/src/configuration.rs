//! Configurations in TOML files, which may stand on others.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use toml::{Table, Value};

use crate::training::Configuration;

/// The key that names the file whose settings hold where nothing else is said.
const BASE: &str = "base";
/// More files one on the other are probably a circle.
const DEEPEST: usize = 8;

/// Reads and checks a configuration; errors name the file, the line and the key.
///
/// `base = "other.toml"` takes what is not said from another file, whose path is relative to this one's folder. Tables are merged, anything
/// else (lists like `[[phases]]` too) is replaced.
pub fn read<C: Configuration>(path: &Path) -> Result<C> {
    let text = text(path)?;
    let table: Table = toml::from_str(&text).map_err(|error| named(path, &text, &error))?;
    let config: C = if table.contains_key(BASE) {
        let whole = Value::Table(based(path, table, DEEPEST)?);
        // In one of the files: the parser knows no line any more.
        whole.try_into().map_err(|error: toml::de::Error| {
            let key = error.message().trim_end();
            anyhow!("{}, with its base: {key}", path.display())
        })?
    } else {
        toml::from_str(&text).map_err(|error| named(path, &text, &error))?
    };
    config.validate().with_context(|| path.display().to_string())?;
    Ok(config)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The settings of a file over those of its base.
fn based(path: &Path, mut table: Table, deepest: usize) -> Result<Table> {
    let Some(base) = table.remove(BASE) else { return Ok(table) };
    let Value::String(base) = base else {
        bail!("{}: {BASE}: expected the path of a configuration, found {base}", path.display());
    };
    if deepest == 0 {
        bail!("{}: {BASE}: expected at most {DEEPEST} files one on the other, found more", path.display());
    }
    let base = path.parent().unwrap_or(Path::new("")).join(base);
    let below = text(&base).with_context(|| format!("{}: {BASE}", path.display()))?;
    let below = toml::from_str(&below).map_err(|error| named(&base, &below, &error))?;
    Ok(merged(based(&base, below, deepest - 1)?, table))
}

fn merged(mut below: Table, above: Table) -> Table {
    for (key, value) in above {
        let value = match (below.remove(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => Value::Table(merged(below, above)),
            (_, value) => value,
        };
        below.insert(key, value);
    }
    below
}

/// The line and its key, where the parser knows them, instead of its drawing of several lines.
fn named(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count());
    let place = line.map_or(String::new(), |line| {
        let key = text.lines().nth(line).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
        let key = key.map_or(String::new(), |key| format!(", {key}"));
        format!(", line {}{key}", line + 1)
    });
    anyhow!("{}{place}: {}", path.display(), error.message())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dro_sfm::training::TrainingConfig;

    use super::*;

    #[test]
    fn the_documented_configurations_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configs");
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let sfm = names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("sfm"));
        let read = sfm.map(|path| read::<TrainingConfig>(&path).unwrap()).collect::<Vec<_>>();
        assert!(read.len() >= 5);
    }

    #[test]
    fn what_a_file_does_not_say_its_base_says() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let found = |name: &str| read::<TrainingConfig>(&folder.path().join(name));
        write(
            "below/first.toml",
            "clip = 3.0\n[model]\nhidden = 24\n[loss]\npose = 0.5\ndepth = 0.5\n[[phases]]\nsteps = 7\n[[phases]]\nsteps = 8\n",
        );
        write("below/second.toml", "base = \"first.toml\"\nseed = 4\n[loss]\ndepth = 0.7\n");
        write("third.toml", "base = \"below/second.toml\"\nseed = 5\n[[phases]]\nsteps = 9\n");
        let config = found("third.toml").unwrap();
        assert_eq!((config.clip, config.model.hidden, config.seed), (3.0, 24, 5));
        assert_eq!((config.loss.pose, config.loss.depth), (0.5, 0.7));
        assert_eq!(config.phases.iter().map(|phase| phase.steps).collect::<Vec<_>>(), [9]);

        for (text, parts) in [
            ("base = 3\n", &["base", "expected the path", "3"][..]),
            ("base = \"none.toml\"\n", &["base", "none.toml"]),
            ("base = \"wrong.toml\"\n", &["base", "at most 8"]),
            ("base = \"third.toml\"\nsead = 3\n", &["sead", "with its base"]),
            ("base = \"third.toml\"\nclip = -1.0\n", &["clip: expected at least 0"]),
            ("base = \"third.toml\"\n[loss\n", &["line 2"]),
        ] {
            write("wrong.toml", text);
            let error = format!("{:#}", found("wrong.toml").unwrap_err());
            assert!(error.contains("wrong.toml") && parts.iter().all(|part| error.contains(part)), "{error}");
        }
        write("below/first.toml", "clip = \n");
        let error = format!("{:#}", found("third.toml").unwrap_err());
        assert!(error.contains("first.toml, line 1"), "{error}");
    }
}
