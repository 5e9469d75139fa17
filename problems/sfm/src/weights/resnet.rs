//! A torchvision ResNet-18 as the beginning of the image encoders.

use std::{collections::BTreeMap, path::Path};

use candle_core::{DType, Device, Tensor};

use super::{
    ModelConfig, expected_shapes,
    import::state_dict,
    torch::{self, Checkpoint},
};
use crate::{Error, Result};

/// The encoders that start from it.
const ENCODERS: [&str; 3] = ["fnet", "cnet_depth", "cnet_pose"];

/// The first convolution, which reads one image there and may read several here.
const FIRST: &str = "conv1.weight";

/// Tensors of the network that a ResNet-18 has, by the network's names: all of each encoder up to its third stage.
///
/// `path` is a state dict of torchvision's `resnet18` as PyTorch saves it (`.pth`; nothing in it is executed) or as safetensors;
/// other tensors in it, such as `layer4` and `fc`, are left out. Where an encoder reads several images, the first
/// convolution is repeated for each and divided by their number, as the published program does.
///
/// # Errors
/// Names the file, and lists the tensors that are missing or of another shape: a ResNet-18 has 64, 128 and 256
/// channels (`model.encoder`).
pub fn resnet18_encoders(path: impl AsRef<Path>, model: &ModelConfig) -> Result<BTreeMap<String, Tensor>> {
    let path = path.as_ref();
    let file = read(path)?;
    let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
    for (name, shape) in expected_shapes(model) {
        let encoder = ENCODERS.iter().find_map(|encoder| name.strip_prefix(encoder)?.strip_prefix('.'));
        let Some(there) = encoder.filter(|rest| is_resnet(rest)) else { continue };
        let tensor = match file.get(there) {
            Some(tensor) if there == FIRST => repeated(tensor, shape.get(1).copied().unwrap_or(0))?,
            Some(tensor) => tensor.clone(),
            None => {
                faults.push(format!("{there} is missing"));
                continue;
            }
        };
        if tensor.dims() == shape {
            found.insert(name, tensor);
        } else {
            faults.push(format!("{there} has shape {:?}, expected {shape:?}", tensor.dims()));
        }
    }
    // Three encoders miss the same.
    faults.sort();
    faults.dedup();
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(Error::Weights { path: path.into(), detail: faults.join("; ") })
    }
}

/// Whether a tensor of an encoder is one of its ResNet.
fn is_resnet(name: &str) -> bool {
    let part = name.split('.').next().unwrap_or_default();
    part == "conv1"
        || part == "bn1"
        || part.strip_prefix("layer").is_some_and(|stage| matches!(stage, "1" | "2" | "3"))
}

/// `[out, c, h, w]` → `[out, inputs, h, w]` with the same sums over equal images.
fn repeated(weight: &Tensor, inputs: usize) -> Result<Tensor> {
    let channels = weight.dims().get(1).copied().unwrap_or(0);
    if channels == 0 || !inputs.is_multiple_of(channels) {
        return Ok(weight.clone());
    }
    let images = inputs / channels;
    Ok((Tensor::cat(&vec![weight; images], 1)? / images as f64)?)
}

/// Every floating-point tensor of a file, as f32.
fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    if torch::Layout::of(path)?.is_none() {
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| {
            let expected = "a PyTorch state dict or safetensors of a ResNet-18";
            Error::input(path, expected, super::file::one_line(&error))
        })?;
        let float = |(name, tensor): (String, Tensor)| Some((name, tensor.to_dtype(DType::F32).ok()?));
        return Ok(tensors.into_iter().filter_map(float).collect());
    }
    let mut checkpoint = Checkpoint::open(path)?;
    let views = state_dict(path, checkpoint.root())?;
    let mut tensors = BTreeMap::new();
    for (name, view) in views.into_iter().filter(|(name, _)| is_resnet(name)) {
        // What is no tensor of floats is missing to whoever looks for it.
        if let Some(view) = view.ok().filter(|view| view.storage.element.is_float()) {
            tensors.insert(name.clone(), checkpoint.tensor(&name, &view)?);
        }
    }
    Ok(tensors)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::weights::test_checkpoint::{TestTensor, pickled, zipped};

    fn model() -> ModelConfig {
        ModelConfig { hidden: 64, ..ModelConfig::default() }
    }

    /// Names and shapes of torchvision's file, by those of an encoder of one image.
    fn torchvision() -> Vec<(String, Vec<usize>)> {
        let own = expected_shapes(&model()).into_iter();
        own.filter_map(|(name, shape)| Some((name.strip_prefix("fnet.")?.to_owned(), shape)))
            .filter(|(name, _)| is_resnet(name))
            .chain([
                ("fc.weight".to_owned(), vec![10, 8]),
                ("layer4.0.conv1.weight".to_owned(), vec![4, 4, 3, 3]),
            ])
            .collect()
    }

    fn safetensors(tensors: &[(String, Vec<usize>)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let values = tensors.iter().map(|(name, shape)| {
            let count = shape.iter().product::<usize>();
            let values = Tensor::arange(0f32, count as f32, &Device::Cpu).unwrap();
            (name.clone(), values.reshape(shape.as_slice()).unwrap())
        });
        candle_core::safetensors::save(&values.collect(), file.path()).unwrap();
        file
    }

    #[test]
    fn all_encoders_start_from_the_file() {
        let file = safetensors(&torchvision());
        let found = resnet18_encoders(file.path(), &model()).unwrap();
        // 20 convolutions and norms of four tensors to the third stage: conv1, bn1, 2 of 2, and two with a shortcut.
        let each = torchvision().len() - 2;
        assert_eq!(found.len(), 3 * each);
        let values = |name: &str| found[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values("fnet.layer2.0.conv1.weight"), values("cnet_pose.layer2.0.conv1.weight"));
        assert_eq!(values("fnet.conv1.weight"), values("cnet_depth.conv1.weight"));
        // Two equal images give what one gave.
        let pair = &found["cnet_pose.conv1.weight"];
        assert_eq!(pair.dims(), [64, 6, 7, 7]);
        let sum = (pair.narrow(1, 0, 3).unwrap() + pair.narrow(1, 3, 3).unwrap()).unwrap();
        assert_eq!(sum.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values("fnet.conv1.weight"));
        assert!(found.keys().all(|name| !name.contains("upconv") && !name.contains("layer4")));
    }

    #[test]
    fn pytorchs_own_file_gives_the_same() {
        let (mut tensors, mut elements) = (Vec::new(), 0);
        for (name, shape) in torchvision() {
            let mut strides = vec![1; shape.len()];
            for at in (1..shape.len()).rev() {
                strides[at - 1] = strides[at] * shape[at];
            }
            let count = shape.iter().product::<usize>();
            elements = elements.max(count);
            tensors.push(TestTensor { name, storage: 0, offset: 0, shape, strides });
        }
        tensors.iter_mut().for_each(|tensor| tensor.storage = elements);
        let file = zipped(&pickled(&tensors, None), elements);
        let found = resnet18_encoders(file.path(), &model()).unwrap();
        let other = safetensors(&torchvision());
        let expected = resnet18_encoders(other.path(), &model()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(found.iter().all(|(name, tensor)| values(tensor) == values(&expected[name])));
    }

    #[test]
    fn what_does_not_fit_is_listed() {
        let mut tensors = torchvision();
        tensors.retain(|(name, _)| name != "bn1.bias");
        let file = safetensors(&tensors);
        let error = resnet18_encoders(file.path(), &model()).unwrap_err().to_string();
        assert!(error.ends_with("bn1.bias is missing"), "{error}");
        let narrow = ModelConfig { encoder: [32, 64, 128], ..model() };
        let error = resnet18_encoders(safetensors(&torchvision()).path(), &narrow).unwrap_err().to_string();
        assert!(error.contains("bn1.bias has shape [64], expected [32]"), "{error}");
        std::fs::write(file.path(), "no weights").unwrap();
        let error = resnet18_encoders(file.path(), &model()).unwrap_err().to_string();
        assert!(error.contains("expected a PyTorch state dict or safetensors"), "{error}");
    }
}
