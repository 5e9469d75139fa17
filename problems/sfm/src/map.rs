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

    /// The value between four pixels, bilinear; `None` outside, or where one of the four is not `known`.
    pub(crate) fn between(&self, [x, y]: [f64; 2], known: impl Fn(f32) -> bool) -> Option<f64> {
        let last = |size: usize| size.checked_sub(1).map(|last| last as f64);
        let (right, bottom) = (last(self.width)?, last(self.height)?);
        if !((0.0..=right).contains(&x) && (0.0..=bottom).contains(&y)) {
            return None;
        }
        let (column, row) = (x as usize, y as usize);
        let (a, b) = (x - column as f64, y - row as f64);
        let value = |dy: usize, dx: usize| {
            let (row, column) = ((row + dy).min(bottom as usize), (column + dx).min(right as usize));
            self.at(row, column).filter(|x| known(*x)).map(f64::from)
        };
        let upper = value(0, 0)? * (1.0 - a) + value(0, 1)? * a;
        let lower = value(1, 0)? * (1.0 - a) + value(1, 1)? * a;
        Some(upper * (1.0 - b) + lower * b)
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
