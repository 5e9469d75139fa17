//! The network's parameters: bundled, or one's own.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::policy::{HIDDEN, Network, OUTPUTS, PARAMETERS, ROW};
use crate::{Error, Result};

static BUNDLED: &[u8] = include_bytes!("../../../weights/recurrent.safetensors");

/// The tensors of a weights file, `[units, hidden + features + 1]` each, in the order of θ.
const TENSORS: [(&str, usize); 4] =
    [("gru.z", HIDDEN), ("gru.r", HIDDEN), ("gru.q", HIDDEN), ("heads", OUTPUTS)];

/// Parameters θ of the recurrent search, shared by every search that uses them.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Arc<Parameters>);

#[derive(Debug, PartialEq)]
struct Parameters {
    theta: Vec<f32>,
    network: Network,
}

impl Weights {
    /// How many parameters.
    pub const PARAMETERS: usize = PARAMETERS;

    /// Those that come with this crate, trained on generated tasks (docs/training.md has the command).
    pub fn bundled() -> Self {
        static LOADED: OnceLock<Weights> = OnceLock::new();
        // Not input: the file is part of the program, and every test of the search reads it.
        #[allow(clippy::expect_used)]
        let load = || Self::from_safetensors(BUNDLED).expect("the weights file in the crate is whole");
        LOADED.get_or_init(load).clone()
    }

    /// Names and shapes of the tensors in a weights file, in the order of θ.
    pub fn layout() -> Vec<(String, Vec<usize>)> {
        TENSORS.iter().map(|(name, units)| ((*name).to_owned(), vec![*units, ROW])).collect()
    }

    /// All zeros: the settings made by hand, nothing learned.
    pub fn untrained() -> Self {
        Self::of(vec![0.0; PARAMETERS])
    }

    /// From a flat vector of [`PARAMETERS`](Self::PARAMETERS) finite numbers.
    ///
    /// # Errors
    /// If there are more or fewer, or one is not finite.
    pub fn new(theta: &[f32]) -> Result<Self> {
        if theta.len() != PARAMETERS || theta.iter().any(|w| !w.is_finite()) {
            let found = match theta.iter().position(|w| !w.is_finite()) {
                Some(place) => format!("{} at place {place}", theta[place]),
                None => format!("{} numbers", theta.len()),
            };
            return Err(Error::argument("recurrent weights", format!("{PARAMETERS} finite numbers"), found));
        }
        Ok(Self::of(theta.to_vec()))
    }

    fn of(theta: Vec<f32>) -> Self {
        Self(Arc::new(Parameters { network: Network::new(&theta), theta }))
    }

    /// The parameters in order.
    pub fn theta(&self) -> &[f32] {
        &self.0.theta
    }

    /// The network of these parameters.
    pub(super) fn network(&self) -> &Network {
        &self.0.network
    }

    /// Reads a weights file, strictly: every tensor, no other, each of its shape.
    ///
    /// # Errors
    /// If a tensor is missing, extra, of another shape, or holds numbers that are not finite.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let mut extra: Vec<&String> =
            tensors.keys().filter(|name| !TENSORS.iter().any(|(known, _)| known == name)).collect();
        extra.sort();
        if let Some(name) = extra.first() {
            return Err(Error::argument(
                "recurrent weights",
                format!("only {TENSORS:?}"),
                format!("{name:?}"),
            ));
        }
        let mut theta = Vec::with_capacity(PARAMETERS);
        for (name, units) in TENSORS {
            let Some(tensor) = tensors.get(name) else {
                return Err(Error::argument("recurrent weights", format!("a tensor {name:?}"), "none"));
            };
            if tensor.dims() != [units, ROW] {
                return Err(Error::Shape {
                    name: format!("recurrent weights, {name:?}"),
                    expected: vec![units, ROW],
                    found: tensor.dims().to_vec(),
                });
            }
            theta.extend(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Self::new(&theta)
    }
}

/// The bundled weights are saved as `null`.
impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if *self == Self::bundled() {
            serializer.serialize_none()
        } else {
            self.theta().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Option::<Vec<f32>>::deserialize(deserializer)? {
            None => Ok(Self::bundled()),
            Some(theta) => Self::new(&theta).map_err(serde::de::Error::custom),
        }
    }
}
