//! Tensors as bytes, in the safetensors format.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use crate::{Error, Result};

pub(crate) fn write(tensors: Vec<(String, Tensor)>) -> Result<Vec<u8>> {
    Ok(safetensors::serialize(tensors, None)?)
}

/// Reads strictly: everything that is wanted must be there, and nothing else.
pub(crate) struct Reader(HashMap<String, Tensor>);

impl Reader {
    pub fn new(bytes: &[u8]) -> Result<Self> {
        safetensors::SafeTensors::deserialize(bytes)?;
        Ok(Self(candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?))
    }

    pub fn take(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        match self.0.remove(name) {
            Some(tensor) => Ok(tensor.to_device(device)?),
            None => Err(Error::argument("saved tensors", format!("one named {name:?}"), self.names())),
        }
    }

    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::argument("saved tensors", "no others", self.names()))
        }
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        format!("{names:?}")
    }
}
