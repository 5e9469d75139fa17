//! θ as one vector, and as the named tensors that a rule is built from.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::{VarBuilder, VarMap};
use rand::Rng;

use crate::{
    Error, Result,
    random::{Purpose, stream},
};

/// Names and shapes in the order of the names: a `VarMap` has no order that stays the same from run to run.
#[derive(Debug, Clone)]
pub(super) struct Flat {
    pub layout: Vec<(String, Vec<usize>)>,
    pub count: usize,
}

impl Flat {
    /// Builds a rule once to see what it asks for.
    pub fn of<R>(build: impl Fn(VarBuilder) -> dro_core::Result<R>) -> Result<Self> {
        let vars = VarMap::new();
        build(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
        let Ok(data) = vars.data().lock() else {
            return Err(Error::outside("the parameters are locked by a thread that ended"));
        };
        let mut layout: Vec<_> = data.iter().map(|(name, var)| (name.clone(), var.dims().to_vec())).collect();
        layout.sort();
        let count = layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        Ok(Self { layout, count })
    }

    /// Weights uniform in `±1/√fan_in`, what has one axis zero.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut theta = Vec::with_capacity(self.count);
        for (index, (_, shape)) in self.layout.iter().enumerate() {
            let count = shape.iter().product();
            if shape.len() < 2 {
                theta.extend(std::iter::repeat_n(0f32, count));
                continue;
            }
            let fan_in: usize = shape.iter().skip(1).product();
            let limit = 1.0 / (fan_in as f32).sqrt();
            let mut rng = stream(seed, Purpose::Initial, 0, index as u64);
            theta.extend((0..count).map(|_| rng.random_range(-limit..=limit)));
        }
        theta
    }

    /// The tensors of θ. With `variables`, gradients go to them, in the layout's order.
    pub fn tensors(
        &self,
        theta: &[f32],
        dtype: DType,
        device: &Device,
        variables: bool,
    ) -> Result<(HashMap<String, Tensor>, Vec<Var>)> {
        if theta.len() != self.count {
            return Err(Error::setting("θ", format!("{} numbers", self.count), theta.len()));
        }
        let (mut named, mut vars, mut rest) = (HashMap::new(), Vec::new(), theta);
        for (name, shape) in &self.layout {
            let (part, after) = rest.split_at(shape.iter().product());
            rest = after;
            let tensor = Tensor::from_slice(part, shape.as_slice(), device)?.to_dtype(dtype)?;
            if variables {
                let var = Var::from_tensor(&tensor)?;
                named.insert(name.clone(), var.as_tensor().clone());
                vars.push(var);
            } else {
                named.insert(name.clone(), tensor);
            }
        }
        Ok((named, vars))
    }

    /// Writes the gradients to `gradient`.
    ///
    /// # Errors
    /// [`Error::Unreached`] for a parameter that has none.
    pub fn collect(&self, grads: &GradStore, vars: &[Var], gradient: &mut [f32]) -> Result<()> {
        let mut rest = gradient;
        for ((name, shape), var) in self.layout.iter().zip(vars) {
            let Some(found) = grads.get(var) else {
                return Err(Error::Unreached { name: name.clone() });
            };
            let found = found.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            let (part, after) = rest.split_at_mut(shape.iter().product());
            part.copy_from_slice(&found);
            rest = after;
        }
        Ok(())
    }
}
