//! Depth maps in numpy archives.

use std::path::Path;

use candle_core::{Tensor, npy::NpzTensors};

use crate::{Error, Map, Result};

/// Most pixels a map may claim: as [`ImageLimits`](super::ImageLimits), 16384 squared. The reader takes the memory
/// that the header asks for before it sees the data.
const MOST_VALUES: usize = 16_384 * 16_384;

/// Reads the array `key` of an `.npz` file: two axes (others may be 1), any of the types float16, float32, float64,
/// uint8, int16, uint32, int32, int64, little-endian, C order.
pub(super) fn read_map(path: &Path, key: &str) -> Result<Map> {
    let expected = format!("a numpy archive with a 2-D array {key:?}");
    let refused = |error: candle_core::Error| {
        let text = error.to_string();
        Error::input(path, expected.clone(), text.lines().next().unwrap_or_default())
    };
    let archive = NpzTensors::new(path).map_err(refused)?;
    let mut names = archive.names();
    names.sort();
    if !names.iter().any(|name| *name == key) {
        return Err(Error::input(path, expected, format!("the arrays {names:?}")));
    }
    let (shape, _) = archive.get_shape_and_dtype(key).map_err(refused)?;
    let dims = shape.dims();
    let sides: Vec<usize> = dims.iter().copied().filter(|&side| side != 1).collect();
    let &[height, width] = sides.as_slice() else {
        return Err(Error::input(path, expected, format!("shape {dims:?}")));
    };
    if height.checked_mul(width).is_none_or(|count| count > MOST_VALUES || count == 0) {
        return Err(Error::input(path, expected, format!("shape {dims:?}")));
    }
    let tensors = Tensor::read_npz_by_name(path, &[key]).map_err(refused)?;
    let tensor = tensors.first().ok_or_else(|| Error::input(path, expected.clone(), "nothing"))?;
    Map::from_tensor(&tensor.reshape((height, width))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn written(tensor: &Tensor) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0000.npz");
        Tensor::write_npz(&[("depth", tensor)], &path).unwrap();
        (folder, path)
    }

    #[test]
    fn every_float_type_is_read() {
        let values = Tensor::new(&[[0.0f32, 1.5, 2.25], [4.0, 8.0, 0.5]], &Device::Cpu).unwrap();
        for dtype in [DType::F16, DType::F32, DType::F64] {
            let (_folder, path) = written(&values.to_dtype(dtype).unwrap());
            let map = read_map(&path, "depth").unwrap();
            assert_eq!((map.height(), map.width()), (2, 3));
            assert_eq!(map.values(), [0.0, 1.5, 2.25, 4.0, 8.0, 0.5]);
        }
        let (_folder, path) = written(&values.unsqueeze(0).unwrap());
        assert_eq!(read_map(&path, "depth").unwrap().width(), 3);
    }

    #[test]
    fn errors_name_the_file() {
        let (_folder, path) = written(&Tensor::zeros((2, 3, 4), DType::F32, &Device::Cpu).unwrap());
        let message = read_map(&path, "depth").unwrap_err().to_string();
        assert!(message.contains("0000.npz") && message.contains("[2, 3, 4]"), "{message}");
        let message = read_map(&path, "velodyne_depth").unwrap_err().to_string();
        assert!(message.contains("found the arrays [\"depth\"]"), "{message}");
        let whole = std::fs::read(&path).unwrap();
        for bytes in [&[][..], b"not a zip archive", &whole[..whole.len() / 2]] {
            std::fs::write(&path, bytes).unwrap();
            let message = read_map(&path, "depth").unwrap_err().to_string();
            assert!(message.contains("0000.npz: expected a numpy archive"), "{message}");
        }
    }

    /// The shape in the header is data: it must not decide how much memory is taken.
    #[test]
    fn a_lying_shape_is_refused() {
        let (_folder, path) = written(&Tensor::zeros((25, 31), DType::F32, &Device::Cpu).unwrap());
        let whole = std::fs::read(&path).unwrap();
        let at = whole.windows(6).position(|w| w == b"(25,31").unwrap();
        for shape in [&b"(9999999"[..], b"(0,31"] {
            let mut bytes = whole.clone();
            let end = at + b"(25,31,)".len();
            let mut text = shape.to_vec();
            if shape.len() > 6 {
                text = b"(9999999,9999999)".to_vec();
            } else {
                text.extend(b",)");
            }
            // Keep the header's length by taking from its padding.
            let padding = bytes[end..].iter().position(|&b| b == b'\n').unwrap() + end;
            let tail = bytes[end..padding].to_vec();
            let mut header = text;
            header.extend(tail);
            header.resize(padding - at, b' ');
            bytes[at..padding].copy_from_slice(&header);
            std::fs::write(&path, bytes).unwrap();
            assert!(read_map(&path, "depth").is_err());
        }
    }
}
