//! Our weights files: safetensors whose metadata holds the configuration.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use safetensors::{Dtype, SafeTensors};

use super::torch::Layout;
use super::{ModelConfig, differences};
use crate::{Error, Result};

/// What [`Weights::bundled`] are called in messages.
const BUNDLED: &str = "bundled weights";

/// The metadata key that holds the configuration as JSON.
pub(super) const CONFIG_KEY: &str = "dro_config";

/// A network's tensors by name, and what they were made for.
#[derive(Debug, Clone)]
pub struct Weights {
    /// What the network was made and trained for.
    pub config: ModelConfig,
    /// On the CPU, f32.
    pub tensors: BTreeMap<String, Tensor>,
    /// Where they came from, for messages.
    pub(super) origin: PathBuf,
}

impl Weights {
    /// Weights that come from no file.
    pub fn new(config: ModelConfig, tensors: BTreeMap<String, Tensor>) -> Self {
        Self { config, tensors, origin: "weights".into() }
    }

    /// The same weights, named `path` in messages.
    pub(super) fn named(self, path: &Path) -> Self {
        Self { origin: path.into(), ..self }
    }

    /// Reads a file of ours: 16- and 32-bit floating-point tensors, and the configuration in the metadata.
    ///
    /// Which tensors there are is not looked at; see [`load_network`](Self::load_network).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::of_bytes(path, &std::fs::read(path).map_err(Error::io(path))?)
    }

    /// The small network that this program brings along, trained on generated scenes only (docs/training.md): runs start where
    /// the search without weights ends, and updates move depth.
    ///
    /// # Errors
    /// If a tensor cannot be made.
    pub fn bundled() -> Result<Self> {
        let weights =
            Self::of_bytes(Path::new(BUNDLED), include_bytes!("../../weights/compact.safetensors"))?;
        weights.check(&super::expected_shapes(&weights.config))?;
        Ok(weights)
    }

    fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let wrong = |found: String| Error::input(path, "a safetensors file of weights", found);
        if bytes.is_empty() {
            return Err(wrong("an empty file".into()));
        }
        if Layout::starting(bytes).is_some() {
            return Err(wrong("a PyTorch checkpoint, which has to be imported first".into()));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| wrong(one_line(&e)))?;
        let config = config_of(header.metadata().as_ref()).map_err(wrong)?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(one_line(&e)))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if !matches!(view.dtype(), Dtype::F16 | Dtype::BF16 | Dtype::F32) {
                let expected = format!("F16, BF16 or F32 in tensor {name:?}");
                return Err(Error::input(path, expected, format!("{:?}", view.dtype())));
            }
            tensors.insert(name.to_string(), view.load(&Device::Cpu)?.to_dtype(DType::F32)?);
        }
        Ok(Self::new(config, tensors).named(path))
    }

    /// Reads a file and checks that it holds exactly the network of its configuration.
    pub fn load_network(path: impl AsRef<Path>) -> Result<Self> {
        let weights = Self::load(path)?;
        weights.check(&super::expected_shapes(&weights.config))?;
        Ok(weights)
    }

    /// Writes a file that [`load`](Self::load) reads. The name never shows a half-written file: everything goes to a
    /// temporary name in the same folder first.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_as(path, DType::F32)
    }

    /// [`save`](Self::save) with numbers of another type: F16 halves the file.
    pub fn save_as(&self, path: impl AsRef<Path>, dtype: DType) -> Result<()> {
        let path = path.as_ref();
        if !matches!(dtype, DType::F16 | DType::BF16 | DType::F32) {
            return Err(Error::argument("type", "F16, BF16 or F32", format!("{dtype:?}")));
        }
        self.config.validate()?;
        let json = serde_json::to_string(&self.config)
            .map_err(|e| Error::input(path, "a configuration that JSON can hold", e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            tensors.insert(name, tensor.to_device(&Device::Cpu)?.to_dtype(dtype)?.contiguous()?);
        }
        let metadata = HashMap::from([(CONFIG_KEY.to_string(), json)]);
        let bytes = safetensors::serialize(&tensors, Some(metadata))
            .map_err(|e| Error::input(path, "tensors that safetensors can hold", one_line(&e)))?;
        write_whole(path, &bytes).map_err(Error::io(path))
    }

    /// Checks that the tensors are exactly those expected (name to shape) and that all their values are finite. The
    /// error lists all that are missing, extra, misshaped and not finite.
    pub fn check(&self, expected: &BTreeMap<String, Vec<usize>>) -> Result<()> {
        let found =
            self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec())).collect();
        let mut faults = differences::of(expected, &found);
        let mut not_finite = Vec::new();
        for (name, tensor) in &self.tensors {
            let values =
                tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            if !values.iter().all(|x| x.is_finite()) {
                not_finite.push(name.clone());
            }
        }
        faults.extend(differences::list("not finite", &not_finite));
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Weights { path: self.origin.clone(), detail: faults.join("; ") })
    }

    /// For building the network, f32 on `device`.
    pub fn var_builder(&self, device: &Device) -> VarBuilder<'static> {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        VarBuilder::from_tensors(tensors, DType::F32, device)
    }
}

/// The configuration in a file's metadata, or what is there instead.
pub(super) fn config_of(
    metadata: Option<&HashMap<String, String>>,
) -> std::result::Result<ModelConfig, String> {
    let json = metadata
        .and_then(|metadata| metadata.get(CONFIG_KEY))
        .ok_or_else(|| format!("no {CONFIG_KEY:?} in its metadata"))?;
    let wrong = |e: String| format!("{CONFIG_KEY:?} in its metadata that is wrong: {e}");
    let config: ModelConfig = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
    // A configuration that a user writes may leave settings out; one that belongs to weights may not.
    let stated: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
    let all = serde_json::to_value(&config).map_err(|e| wrong(e.to_string()))?;
    if let Some(missing) = all.as_object().and_then(|all| all.keys().find(|key| !stated.contains_key(*key))) {
        return Err(wrong(format!("{missing:?} is missing")));
    }
    config.validate().map_err(|e| wrong(e.to_string()))?;
    Ok(config)
}

/// A message of another library's on one line.
pub(super) fn one_line(message: &impl ToString) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dro-weights-");
    #[cfg(unix)]
    {
        // Temporary files are private by default; the result is an ordinary file, as the user's umask has it.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
