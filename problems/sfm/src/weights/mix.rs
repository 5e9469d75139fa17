//! Weights between two others.

use super::Weights;
use crate::{Error, Result};

impl Weights {
    /// `(1 − part) · self + part · other`, tensor by tensor. Between weights and what a training made of them there often are some
    /// that keep what the first could do and have most of what the second learned (Wortsman et al., *Robust Fine-Tuning of
    /// Zero-Shot Models*, CVPR 2022). Statistics of batch norms are mixed like everything else.
    ///
    /// # Errors
    /// If `part` is not within 0 to 1, or `other` is of another network or has values that are not finite.
    pub fn mixed(&self, other: &Self, part: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&part) {
            return Err(Error::argument("part", "0 to 1", part));
        }
        if self.config != other.config {
            let json = |weights: &Self| serde_json::to_string(&weights.config).unwrap_or_default();
            return Err(Error::input(&other.origin, format!("weights of {}", json(self)), json(other)));
        }
        let shapes = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec()));
        other.check(&shapes.collect())?;
        let pairs = self.tensors.iter().zip(other.tensors.values());
        let tensors = pairs.map(|((name, a), b)| Ok((name.clone(), ((a * (1.0 - part))? + (b * part)?)?)));
        Ok(Self::new(self.config.clone(), tensors.collect::<Result<_>>()?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::weights::{ModelConfig, Weights, formula_weights};

    fn weights(hidden: usize) -> Weights {
        let encoder = [8, 8, 8];
        formula_weights(&ModelConfig { hidden, encoder, ..ModelConfig::default() }).unwrap()
    }

    fn first(weights: &Weights, name: &str) -> f32 {
        weights.tensors[name].flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    }

    #[test]
    fn is_between() {
        let one = weights(24);
        let mut two = one.clone();
        two.tensors.values_mut().for_each(|tensor| *tensor = (tensor.clone() * 3.0).unwrap());
        let name = one.tensors.keys().next().unwrap();
        let x = first(&one, name);
        for (part, expected) in [(0.0, x), (0.25, 1.5 * x), (1.0, 3.0 * x)] {
            let found = first(&one.mixed(&two, part).unwrap(), name);
            assert!((found - expected).abs() <= 1e-6 * x.abs(), "{part}: {found}, not {expected}");
        }
    }

    #[test]
    fn does_not_fit() {
        let one = weights(24);
        for part in [-0.1, 1.1, f64::NAN] {
            let error = one.mixed(&one, part).unwrap_err().to_string();
            assert!(error.contains("part: expected 0 to 1"), "{error}");
        }
        let error = one.mixed(&weights(16), 0.5).unwrap_err().to_string();
        assert!(error.contains("\"hidden\":24") && error.contains("\"hidden\":16"), "{error}");
        let mut other = one.clone();
        let name = other.tensors.keys().next().unwrap().clone();
        let tensor = other.tensors.remove(&name).unwrap();
        let error = one.mixed(&other, 0.5).unwrap_err().to_string();
        assert!(error.contains("1 missing") && error.contains(&name), "{error}");
        other.tensors.insert(name.clone(), (tensor * f64::NAN).unwrap());
        let error = one.mixed(&other, 0.5).unwrap_err().to_string();
        assert!(error.contains("not finite"), "{error}");
    }
}
