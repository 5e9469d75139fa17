//! The sizes of one call, or what is wrong with its arguments.

use candle_core::{Result, Tensor, bail};

use super::{Algorithm, ConvGeometry};

/// Sizes of a convolution of `[batch, inputs, height, width]` with `[outputs, inputs, kernel_height, kernel_width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvShape {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel: (usize, usize),
    pub geometry: ConvGeometry,
}

impl ConvShape {
    /// The sizes for maps `[batch, inputs, size]`.
    ///
    /// # Errors
    /// See [`ConvGeometry::output_size`].
    pub fn new(
        [batch, inputs]: [usize; 2],
        size: (usize, usize),
        outputs: usize,
        kernel: (usize, usize),
        geometry: ConvGeometry,
    ) -> Result<Self> {
        let (out_height, out_width) = geometry.output_size(kernel, size)?;
        let (height, width) = size;
        Ok(Self { batch, inputs, outputs, height, width, out_height, out_width, kernel, geometry })
    }

    /// The same convolution of maps of one long row, where the kernel is a single pixel and rows do not matter.
    pub fn flattened(&self) -> Self {
        let whole = ConvGeometry { stride: 1, pad_y: 0, pad_x: 0 };
        if self.kernel != (1, 1) || self.geometry != whole {
            return *self;
        }
        let pixels = self.height * self.width;
        Self { height: 1, width: pixels, out_height: 1, out_width: pixels, ..*self }
    }

    /// Which way it is computed where the weights are not prepared for other maps.
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::of_map(self.kernel, self.geometry.stride, (self.out_height, self.out_width))
    }

    /// Pixels of one output plane.
    pub fn out_plane(&self) -> usize {
        self.out_height * self.out_width
    }

    /// Numbers in the result.
    pub fn out_count(&self) -> usize {
        self.batch * self.outputs * self.out_plane()
    }
}

/// Checks the arguments of a convolution.
pub(crate) fn check(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: ConvGeometry,
) -> Result<ConvShape> {
    let &[batch, channels, height, width] = x.dims() else {
        bail!("conv2d: x: expected shape [batch, in, height, width], found {:?}", x.dims())
    };
    let (outputs, inputs, kernel) = check_weight(weight, bias)?;
    if channels != inputs {
        bail!("conv2d: x: expected the weight's {} input channels, found {channels}", inputs)
    }
    if x.dtype() != weight.dtype() {
        bail!("conv2d: weight: expected x's type {:?}, found {:?}", x.dtype(), weight.dtype())
    }
    ConvShape::new([batch, channels], (height, width), outputs, kernel, geometry)
}

/// `(outputs, inputs, kernel)` of a weight whose bias fits it.
pub(crate) fn check_weight(weight: &Tensor, bias: Option<&Tensor>) -> Result<(usize, usize, (usize, usize))> {
    let &[outputs, inputs, kernel_height, kernel_width] = weight.dims() else {
        bail!("conv2d: weight: expected shape [out, in, kh, kw], found {:?}", weight.dims())
    };
    if let Some(bias) = bias {
        if bias.dims() != [outputs] {
            bail!("conv2d: bias: expected shape [{outputs}], found {:?}", bias.dims())
        }
        if bias.dtype() != weight.dtype() {
            bail!("conv2d: bias: expected the weight's type {:?}, found {:?}", weight.dtype(), bias.dtype())
        }
    }
    Ok((outputs, inputs, (kernel_height, kernel_width)))
}
