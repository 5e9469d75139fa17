//! Tensors as bytes, in the safetensors format.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use crate::{Error, Result};

pub(crate) fn write(tensors: Vec<(String, Tensor)>) -> Result<Vec<u8>> {
    Ok(safetensors::serialize(tensors, None)?)
}

/// Reads strictly: everything that is wanted must be there, and nothing else.
pub(crate) struct Reader {
    tensors: HashMap<String, Tensor>,
    /// All that there were, for messages.
    names: Vec<String>,
}

impl Reader {
    pub fn new(bytes: &[u8]) -> Result<Self> {
        safetensors::SafeTensors::deserialize(bytes)?;
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let mut names: Vec<String> = tensors.keys().cloned().collect();
        names.sort_unstable();
        Ok(Self { tensors, names })
    }

    pub fn take(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        match self.tensors.remove(name) {
            Some(tensor) => Ok(tensor.to_device(device)?),
            None => {
                let found = format!("{:?}", self.names);
                Err(Error::argument("saved tensors", format!("one named {name:?}"), found))
            }
        }
    }

    pub fn finish(self) -> Result<()> {
        match self.names.iter().find(|name| self.tensors.contains_key(*name)) {
            None => Ok(()),
            Some(other) => {
                let expected = format!("none named {other:?}");
                Err(Error::argument("saved tensors", expected, format!("{:?}", self.names)))
            }
        }
    }
}
