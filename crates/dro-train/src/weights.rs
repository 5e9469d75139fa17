//! θ as a file of named tensors.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use dro_record::write_atomically;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{Error, Result};

/// Writes θ as safetensors, float32, under the names and shapes of a [layout](crate::Unroll::layout). What it is about
/// is kept in the file's metadata, as a JSON object under the key `dro`. The same arguments give the same bytes.
///
/// # Errors
/// If the layout does not add up to θ, or the file cannot be written.
pub fn save_weights(
    path: impl AsRef<Path>,
    layout: &[(String, Vec<usize>)],
    theta: &[f32],
    about: &[(&str, &str)],
) -> Result<()> {
    let path = path.as_ref();
    let count: usize = layout.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    if count != theta.len() {
        return Err(Error::setting("layout", format!("{} numbers, as θ has", theta.len()), count));
    }
    let bytes: Vec<u8> = theta.iter().flat_map(|t| t.to_le_bytes()).collect();
    let mut rest = bytes.as_slice();
    let mut views = Vec::with_capacity(layout.len());
    for (name, shape) in layout {
        let (data, after) = rest.split_at(4 * shape.iter().product::<usize>());
        rest = after;
        let view = TensorView::new(Dtype::F32, shape.clone(), data).map_err(Error::outside)?;
        views.push((name.as_str(), view));
    }
    // One entry: safetensors writes several in an order that differs from run to run.
    let about =
        serde_json::to_string(&about.iter().copied().collect::<BTreeMap<_, _>>()).map_err(Error::outside)?;
    let metadata = [("dro".to_owned(), about)].into();
    let file = safetensors::serialize(views, Some(metadata)).map_err(Error::outside)?;
    Ok(write_atomically(path, |out| out.write_all(&file))?)
}

/// Reads θ back, strictly.
///
/// # Errors
/// [`Error::Weights`] lists every tensor that is missing, not asked for, or of another shape or type.
pub fn load_weights(path: impl AsRef<Path>, layout: &[(String, Vec<usize>)]) -> Result<Vec<f32>> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    let refused = |differences| Error::Weights { path: path.into(), differences };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| refused(vec![format!("expected safetensors, found {error}")]))?;
    let mut tensors: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let (mut theta, mut differences) = (Vec::new(), Vec::new());
    for (name, shape) in layout {
        match tensors.remove(name) {
            Some(view) if view.dtype() == Dtype::F32 && view.shape() == shape => {
                let numbers = view.data().chunks_exact(4).filter_map(|b| b.try_into().ok());
                theta.extend(numbers.map(f32::from_le_bytes));
            }
            Some(view) => differences.push(format!(
                "{name}: expected float32 {shape:?}, found {:?} {:?}",
                view.dtype(),
                view.shape()
            )),
            None => differences.push(format!("{name}: expected float32 {shape:?}, found nothing")),
        }
    }
    differences.extend(tensors.keys().map(|name| format!("{name}: expected nothing, found a tensor")));
    if differences.is_empty() { Ok(theta) } else { Err(refused(differences)) }
}
