//! One number per pixel.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// A map of `height × width` numbers, row by row: depth in metres, inverse depth, a cost.
///
/// In depth and inverse depth 0 means "none".
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Map {
    /// Checks that there are `height · width` values.
    pub fn new(height: usize, width: usize, values: Vec<f32>) -> Result<Self> {
        if values.len() != height * width {
            return Err(Error::argument("map", format!("{height}x{width} values"), values.len()));
        }
        Ok(Self { height, width, values })
    }

    /// Takes the last two axes of a tensor whose other axes are 1.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let dims = tensor.dims();
        let &[.., height, width] = dims else {
            return Err(Error::argument("map", "a tensor [.., height, width]", format!("{dims:?}")));
        };
        let values = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Self::new(height, width, values)
    }

    /// `[1, 1, height, width]` on `device`.
    pub fn to_tensor(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, (1, 1, self.height, self.width), device)?)
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The value at a pixel; `None` outside.
    pub fn at(&self, row: usize, column: usize) -> Option<f32> {
        (column < self.width).then(|| self.values.get(row * self.width + column).copied()).flatten()
    }

    /// `1/x` where x > 0 and finite, else 0: inverse depth to depth and back.
    pub fn inverted(&self) -> Self {
        self.mapped(|x| if x > 0.0 && x.is_finite() { x.recip() } else { 0.0 })
    }

    /// Every value through `f`.
    pub fn mapped(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { values: self.values.iter().map(|&x| f(x)).collect(), ..*self }
    }
}
