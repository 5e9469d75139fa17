//! Convolutions whose weights were prepared once.

use candle_core::{DType, Device, Result, Tensor, bail};

use super::{Activation, ConvGeometry, MapView, Scratch, conv2d, shapes};

/// A convolution whose weights were transformed and packed once, for inference: it keeps no gradient.
///
/// Computes `activation(b[o] + Σ_i w[o,i] ⋆ x[n,i] + add[n,o])`; see [`conv2d`] for the sizes.
#[derive(Debug, Clone)]
pub struct PreparedConv {
    weight: Tensor,
    bias: Option<Tensor>,
    geometry: ConvGeometry,
    activation: Activation,
    outputs: usize,
    inputs: usize,
    kernel: (usize, usize),
}

impl PreparedConv {
    /// From `weight` `[out, in, kh, kw]` and `bias` `[out]`.
    ///
    /// # Errors
    /// When the shapes or types of weight and bias do not fit each other.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: ConvGeometry,
        activation: Activation,
    ) -> Result<Self> {
        let (outputs, inputs, kernel) = shapes::check_weight(weight, bias)?;
        let (weight, bias) = (weight.detach(), bias.map(Tensor::detach));
        Ok(Self { weight, bias, geometry, activation, outputs, inputs, kernel })
    }

    /// The number of output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The number of input channels, of all inputs together.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Height and width of the result for maps of `size` (height, width).
    ///
    /// # Errors
    /// See [`ConvGeometry::output_size`].
    pub fn output_size(&self, size: (usize, usize)) -> Result<(usize, usize)> {
        self.geometry.output_size(self.kernel, size)
    }

    /// The convolution of `inputs` joined along channels (without a copy of them).
    ///
    /// * `inputs`: `[n, c_i, h, w]`, `Σ c_i` = [`inputs`](Self::inputs)
    /// * `add`: `[n, out, h', w']` or `[1, out, h', w']`, what is added before the activation
    /// * result: `[n, out, h', w']`, without a gradient
    ///
    /// # Errors
    /// When a shape, type or device does not fit.
    pub fn forward(&self, inputs: &[&Tensor], add: Option<&Tensor>) -> Result<Tensor> {
        let x = Tensor::cat(inputs, 1)?.detach();
        let y = conv2d(&x, &self.weight, self.bias.as_ref(), self.geometry)?;
        let y = match add {
            Some(add) => y.broadcast_add(&add.detach())?,
            None => y,
        };
        self.activation.apply(&y)
    }

    /// [`forward`](Self::forward) from and into memory of the caller; allocates nothing once `scratch` has grown.
    ///
    /// * `add`: the numbers of `[n, out, h', w']` or of `[1, out, h', w']`
    /// * `out`: the result `[n, out, h', w']`, overwritten
    ///
    /// # Errors
    /// When a size does not fit, or the weights are not f32 on the CPU.
    pub fn run(
        &self,
        inputs: &[MapView<'_>],
        add: Option<&[f32]>,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        scratch.memory.clear();
        let tensors: Vec<Tensor> = inputs
            .iter()
            .map(|m| Tensor::from_slice(m.values(), &m.shape(), &Device::Cpu))
            .collect::<Result<_>>()?;
        let Some(first) = tensors.first() else {
            bail!("PreparedConv: expected at least one input, found none")
        };
        let (n, _, h, w) = first.dims4()?;
        let (h, w) = self.output_size((h, w))?;
        let plane = h * w * self.outputs;
        let add = match add {
            None => None,
            Some(add) => {
                if plane == 0 || !add.len().is_multiple_of(plane) {
                    bail!("PreparedConv: add: expected {plane} numbers per image, found {}", add.len())
                }
                Some(Tensor::from_slice(add, (add.len() / plane, self.outputs, h, w), &Device::Cpu)?)
            }
        };
        let y = self.forward(&tensors.iter().collect::<Vec<_>>(), add.as_ref())?;
        let y = y.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if out.len() != n * plane {
            bail!("PreparedConv: out: expected room for {} numbers, found {}", n * plane, out.len())
        }
        out.copy_from_slice(&y);
        Ok(())
    }
}
