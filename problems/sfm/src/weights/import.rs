//! A published checkpoint (`.ckpt`, `.pth`) to [`Weights`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::pickle_value::Value;
use super::torch::Checkpoint;
use super::torch_tensor::TensorView;
use super::{ModelConfig, Weights, differences, expected_shapes};
use crate::{Error, Result};

/// The published trainer wraps the network in these; names may start with any chain of them.
const PREFIXES: [&str; 3] = ["module.", "model.", "depth_net."];

/// What to use instead of what the checkpoint's configuration says, or where it has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportOverrides {
    /// The published version string, such as `it12-h-out`.
    pub version: Option<String>,
    /// Smallest depth in metres.
    pub min_depth_m: Option<f64>,
    /// Largest depth in metres.
    pub max_depth_m: Option<f64>,
    /// Height and width in pixels.
    pub image_size: Option<(usize, usize)>,
}

/// What an import took and what it left. Displays as a few lines of text.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportReport {
    /// The version string the configuration was made from.
    pub version: String,
    /// Epochs that the network was trained for, if the checkpoint says.
    pub epoch: Option<usize>,
    /// Tensors taken.
    pub tensors: usize,
    /// Numbers in them.
    pub values: usize,
    /// Tensors taken that were not 32-bit floating point, with the type they had.
    pub converted: Vec<(String, String)>,
    /// Tensors left out because the network never uses them: `cnet.…` and `….num_batches_tracked`.
    pub dropped: Vec<String>,
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        if let Some(epoch) = self.epoch {
            write!(f, ", epoch {epoch}")?;
        }
        write!(f, "\n{} tensors, {} values", self.tensors, self.values)?;
        if !self.converted.is_empty() {
            let all: Vec<_> = self.converted.iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
            write!(f, "\n{}", differences::list("converted to float32", &all).unwrap_or_default())?;
        }
        let (encoder, counters): (Vec<_>, Vec<_>) =
            self.dropped.iter().partition(|name| name.starts_with("cnet."));
        write!(f, "\nleft out: {} tensors of the unused encoder cnet", encoder.len())?;
        write!(f, ", {} batch counters", counters.len())
    }
}

/// Reads a published checkpoint, in either of PyTorch's layouts, without executing anything in it.
///
/// The tensors are those under `state_dict`, or the whole file where it is a bare state dict; names lose the trainer's
/// prefixes (`model.depth_net.`, `module.`). The configuration is the published trainer's (`config.model.depth_net.version`,
/// `config.model.params.{min,max}_depth`, `config.datasets.augmentation.image_shape`) with the overrides on top.
/// Tensors become f32.
///
/// Fails, naming the file, if it is not a checkpoint or is broken; naming the setting, if the checkpoint has no
/// configuration and the overrides do not say; and listing the tensors, if they are not exactly the network's or not finite.
pub fn import_checkpoint(
    path: impl AsRef<Path>,
    overrides: &ImportOverrides,
) -> Result<(Weights, ImportReport)> {
    let path = path.as_ref();
    let mut checkpoint = Checkpoint::open(path)?;
    let (version, config) = configuration(checkpoint.root(), overrides)?;
    let epoch = checkpoint.root().get("epoch").and_then(Value::as_usize);
    let views = state_dict(path, checkpoint.root())?;
    let (dropped, kept): (Vec<_>, Vec<_>) = views.into_iter().partition(|(name, _)| is_unused(name));
    let dropped = dropped.into_iter().map(|(name, _)| name).collect();

    // Before anything is read: shapes in the file decide how much memory that takes.
    check_views(path, &version, &config, &kept)?;

    let mut tensors = BTreeMap::new();
    let mut converted = Vec::new();
    for (name, view) in kept {
        let view = view.map_err(|fault| faulty(path, &name, &fault))?;
        if view.storage.element.name != "float32" {
            converted.push((name.clone(), view.storage.element.name.to_string()));
        }
        tensors.insert(name.clone(), checkpoint.tensor(&name, &view)?);
    }
    let weights = Weights::new(config, tensors).named(path);
    weights.check(&expected_shapes(&weights.config))?;
    let values = weights.tensors.values().map(|tensor| tensor.elem_count()).sum();
    let report = ImportReport { version, epoch, tensors: weights.tensors.len(), values, converted, dropped };
    Ok((weights, report))
}

/// Whether published checkpoints have the tensor and the network does not use it.
pub(super) fn is_unused(name: &str) -> bool {
    name.starts_with("cnet.") || name.ends_with(".num_batches_tracked")
}

/// A tensor's name and what stands under it, or what is wrong with that.
type NamedView = (String, std::result::Result<TensorView, String>);

/// The tensors of a checkpoint under the network's names, sorted.
pub(super) fn state_dict(path: &Path, root: Value<'_>) -> Result<Vec<NamedView>> {
    let wrong = |found: String| Error::input(path, "a checkpoint with a state_dict", found);
    let state = root.get("state_dict").unwrap_or(root);
    let entries = state.entries().ok_or_else(|| wrong(state.kind()))?;
    let mut views = BTreeMap::new();
    for (key, value) in entries {
        let full = key.as_str().ok_or_else(|| wrong(format!("{} as a tensor's name", key.kind())))?;
        let mut name = full;
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            name = rest;
        }
        if views.insert(name.to_string(), TensorView::of(value)).is_some() {
            return Err(wrong(format!("tensor {name:?} twice (the second time as {full:?})")));
        }
    }
    if views.is_empty() || views.values().all(std::result::Result::is_err) {
        return Err(wrong(format!("{} without tensors", state.kind())));
    }
    Ok(views.into_iter().collect())
}

/// The published version string and what it and the other settings stand for.
pub(super) fn configuration(root: Value<'_>, overrides: &ImportOverrides) -> Result<(String, ModelConfig)> {
    let config = root.get("config");
    let at = |path: &[&str]| config.and_then(|config| config.at(path)).filter(|value| !value.is_none());
    let missing = |name: &str, key: &str| {
        let found = if config.is_some() { "none" } else { "a checkpoint without config" };
        Error::argument(name, format!("a value, or {key} in the checkpoint's config"), found)
    };
    let wrong = |key: &str, expected: &str, value: Value<'_>| {
        Error::argument(format!("{key} in the checkpoint's config"), expected, value.kind())
    };
    let number = |name: &str, given: Option<f64>, path: &[&str]| -> Result<f64> {
        let key = path.join(".");
        match (given, at(path)) {
            (Some(x), _) => Ok(x),
            (None, Some(value)) => value.as_f64().ok_or_else(|| wrong(&key, "a number", value)),
            (None, None) => Err(missing(name, &key)),
        }
    };
    let version_path = ["model", "depth_net", "version"];
    let version = match (&overrides.version, at(&version_path)) {
        (Some(version), _) => version.clone(),
        (None, Some(value)) => match value.as_str() {
            Some(version) => version.to_string(),
            None => return Err(wrong(&version_path.join("."), "a version such as it12-h-out", value)),
        },
        (None, None) => return Err(missing("version", &version_path.join("."))),
    };
    let min_depth_m = number("min_depth_m", overrides.min_depth_m, &["model", "params", "min_depth"])?;
    let max_depth_m = number("max_depth_m", overrides.max_depth_m, &["model", "params", "max_depth"])?;
    let size_path = ["datasets", "augmentation", "image_shape"];
    let image_size = match (overrides.image_size, at(&size_path)) {
        (Some(size), _) => size,
        (None, Some(value)) => {
            let sides: Option<Vec<usize>> =
                value.items().and_then(|sides| sides.into_iter().map(Value::as_usize).collect());
            match sides.as_deref() {
                Some(&[height, width]) => (height, width),
                _ => return Err(wrong(&size_path.join("."), "a height and a width", value)),
            }
        }
        (None, None) => return Err(missing("image_size", &size_path.join("."))),
    };
    let config = ModelConfig::from_version(&version, min_depth_m, max_depth_m, image_size)?;
    Ok((version, config))
}

fn faulty(path: &Path, name: &str, fault: &str) -> Error {
    Error::input(path, format!("a tensor under {name:?}"), fault)
}

/// Names, types and shapes against the network's, without reading a value.
fn check_views(path: &Path, version: &str, config: &ModelConfig, views: &[NamedView]) -> Result<()> {
    let mut shapes = BTreeMap::new();
    let mut integers = Vec::new();
    for (name, view) in views {
        let view = view.as_ref().map_err(|fault| faulty(path, name, fault))?;
        if !view.storage.element.is_float() {
            integers.push(format!("{name} ({})", view.storage.element.name));
        }
        shapes.insert(name.clone(), view.shape.clone());
    }
    let mut faults = Vec::new();
    // With the wrong hidden size half the tensors are misshaped; the reason is said first.
    if let Some(&[hidden, ..]) = shapes.get("update_block_depth.encoder.convc1.weight").map(Vec::as_slice)
        && hidden != config.hidden
    {
        faults.push(format!("hidden size {hidden}, and version {version:?} says {}", config.hidden));
    }
    faults.extend(differences::of(&expected_shapes(config), &shapes));
    faults.extend(differences::list("not floating point", &integers));
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::Weights { path: path.into(), detail: faults.join("; ") })
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
