//! What a file of weights holds, as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use dro_core::Coupling;
use safetensors::SafeTensors;

use super::file::{config_of, one_line};
use super::import::{ImportOverrides, configuration, is_unused, state_dict};
use super::torch::{Checkpoint, Layout};
use super::{ModelConfig, differences, expected_shapes};
use crate::{Error, Result};

/// A file's configuration and tensors, without their values. Displays as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// `safetensors`, `PyTorch zip` or `PyTorch legacy`.
    pub format: String,
    /// The configuration, or why there is none.
    pub config: std::result::Result<ModelConfig, String>,
    /// Sorted by name, without the published trainer's prefixes.
    pub tensors: Vec<TensorSummary>,
}

/// One tensor of a [`Summary`].
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSummary {
    /// Its name.
    pub name: String,
    /// Its type, such as `float32`.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl TensorSummary {
    /// How many values it has.
    pub fn values(&self) -> usize {
        self.shape.iter().fold(1, |count, &size| count.saturating_mul(size))
    }

    /// Whether training changes it by its gradient; batch norms' statistics and counters are not parameters.
    pub fn is_parameter(&self) -> bool {
        let statistic = ["running_mean", "running_var", "num_batches_tracked"];
        !statistic.iter().any(|end| self.name.ends_with(end))
    }
}

/// Reads what a file of weights holds: one of ours, another safetensors file, or a published checkpoint.
pub fn summary(path: impl AsRef<Path>) -> Result<Summary> {
    let path = path.as_ref();
    let mut summary = match Layout::of(path)? {
        Some(layout) => of_checkpoint(path, layout)?,
        None => of_safetensors(path)?,
    };
    summary.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(summary)
}

fn of_safetensors(path: &Path) -> Result<Summary> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let wrong = |e| Error::input(path, "weights (safetensors or a PyTorch checkpoint)", one_line(&e));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
    let file = SafeTensors::deserialize(&bytes).map_err(wrong)?;
    let tensors = file
        .iter()
        .map(|(name, view)| TensorSummary {
            name: name.into(),
            dtype: match view.dtype() {
                safetensors::Dtype::F32 => "float32".into(),
                safetensors::Dtype::F16 => "float16".into(),
                safetensors::Dtype::BF16 => "bfloat16".into(),
                other => format!("{other:?}"),
            },
            shape: view.shape().to_vec(),
        })
        .collect();
    Ok(Summary { format: "safetensors".into(), config: config_of(header.metadata().as_ref()), tensors })
}

fn of_checkpoint(path: &Path, layout: Layout) -> Result<Summary> {
    let checkpoint = Checkpoint::open(path)?;
    let tensors = state_dict(path, checkpoint.root())?
        .into_iter()
        .map(|(name, view)| match view {
            Ok(view) => TensorSummary { name, dtype: view.storage.element.name.into(), shape: view.shape },
            Err(fault) => TensorSummary { name, dtype: format!("not readable: {fault}"), shape: vec![] },
        })
        .collect();
    let format = match layout {
        Layout::Zip => "PyTorch zip",
        Layout::Legacy => "PyTorch legacy",
    };
    let config = configuration(checkpoint.root(), &ImportOverrides::default());
    Ok(Summary {
        format: format.into(),
        config: config.map(|(_, config)| config).map_err(|e| e.to_string()),
        tensors,
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "format     {}", self.format)?;
        match &self.config {
            Ok(config) => write_config(f, config)?,
            Err(reason) => writeln!(f, "config     none ({reason})")?,
        }

        // Sub-network: parameters and tensors of it.
        let mut parts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for tensor in &self.tensors {
            let part = tensor.name.split_once('.').map_or(tensor.name.as_str(), |(part, _)| part);
            let (parameters, count) = parts.entry(part).or_default();
            *count += 1;
            if tensor.is_parameter() {
                *parameters = parameters.saturating_add(tensor.values());
            }
        }
        writeln!(f, "\n{:<20}{:>14}{:>9}", "sub-network", "parameters", "tensors")?;
        let mut total = 0usize;
        for (part, (parameters, count)) in &parts {
            total = total.saturating_add(*parameters);
            writeln!(f, "{part:<20}{:>14}{count:>9}", grouped(*parameters))?;
        }
        writeln!(f, "{:<20}{:>14}{:>9}", "total", grouped(total), self.tensors.len())?;

        writeln!(f)?;
        let width = self.tensors.iter().map(|tensor| tensor.name.len()).max().unwrap_or(0);
        for tensor in &self.tensors {
            let shape: Vec<_> = tensor.shape.iter().map(usize::to_string).collect();
            writeln!(f, "{:<width$}  {:<9} [{}]", tensor.name, tensor.dtype, shape.join(", "))?;
        }

        if let Ok(config) = &self.config {
            let used = self.tensors.iter().filter(|tensor| !is_unused(&tensor.name));
            let found = used.map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
            let faults = differences::of(&expected_shapes(config), &found);
            match faults.as_slice() {
                [] => writeln!(f, "\nThese are the tensors of the network.")?,
                faults => writeln!(f, "\nThese are not the tensors of the network: {}", faults.join("; "))?,
            }
        }
        Ok(())
    }
}

fn write_config(f: &mut fmt::Formatter<'_>, config: &ModelConfig) -> fmt::Result {
    let (height, width) = config.image_size;
    let range = if config.scaled_range { "spread over it" } else { "raw inverse depth" };
    let losses = if config.intermediate { "every update" } else { "the last update of each stage" };
    writeln!(f, "hidden     {}", config.hidden)?;
    writeln!(
        f,
        "updates    {} ({} stages of {}, {})",
        config.updates,
        config.stages(),
        config.updates_per_stage,
        match config.coupling {
            Coupling::Jacobi => "Jacobi",
            Coupling::GaussSeidel => "Gauss-Seidel",
        }
    )?;
    writeln!(f, "losses     on {losses}")?;
    writeln!(f, "depth      {} to {} m, {range}", config.min_depth_m, config.max_depth_m)?;
    writeln!(f, "images     {height}x{width} (height x width)")
}

/// `15448711` as `15,448,711`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
