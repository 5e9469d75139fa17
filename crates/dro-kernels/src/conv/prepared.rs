//! Convolutions whose weights were prepared once.

use candle_core::{DType, Device, Result, Tensor, bail};

use super::engine::Convolution;
use super::epilogue::Epilogue;
use super::shapes::{self, ConvShape};
use super::weights::{Packed, Weights};
use super::{Activation, Algorithm, ConvGeometry, MapView, Scratch, conv2d_reference, values};
use crate::select::fast;
use crate::simd::Arch;

/// A convolution whose weights were transformed and packed once, for inference: it keeps no gradient.
///
/// Computes `activation(b[o] + Σ_i w[o,i] ⋆ x[n,i] + add[n,o])`; see [`conv2d`](super::conv2d) for the sizes.
/// For f32 on the CPU the fast kernels run; for other types and devices, and for what is made under
/// [`Kernels::Reference`](crate::Kernels::Reference), candle's own convolution.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use dro_kernels::{Activation, ConvGeometry, PreparedConv};
/// let weight = Tensor::ones((2, 4, 3, 3), DType::F32, &Device::Cpu)?;
/// let conv = PreparedConv::new(&weight, None, ConvGeometry::same((3, 3)), Activation::Relu)?;
/// let x = Tensor::ones((1, 3, 5, 5), DType::F32, &Device::Cpu)?;
/// let y = Tensor::ones((1, 1, 5, 5), DType::F32, &Device::Cpu)?;
/// assert_eq!(conv.forward(&[&x, &y], None)?.dims(), [1, 2, 5, 5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PreparedConv {
    form: Form,
    geometry: ConvGeometry,
    activation: Activation,
    outputs: usize,
    inputs: usize,
    kernel: (usize, usize),
}

/// The weights, once: a network holds many.
#[derive(Debug, Clone)]
enum Form {
    Fast(Prepared),
    Plain { weight: Tensor, bias: Option<Tensor> },
}

/// What the fast kernels read.
#[derive(Debug, Clone)]
struct Prepared {
    arch: Arch,
    weights: Packed,
    bias: Option<Vec<f32>>,
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
        let form = if fast() && weight.device().is_cpu() && weight.dtype() == DType::F32 {
            let arch = Arch::new();
            let values = weight.flatten_all()?.to_vec1::<f32>()?;
            let taps = kernel.0 * kernel.1;
            let view = Weights { values: &values, outputs, inputs, taps, adjoint: false };
            let weights =
                Packed::new(arch, &view, Algorithm::prepared([outputs, inputs], kernel, geometry.stride));
            let bias = bias.as_ref().map(Tensor::to_vec1).transpose()?;
            Form::Fast(Prepared { arch, weights, bias })
        } else {
            Form::Plain { weight, bias }
        };
        Ok(Self { form, geometry, activation, outputs, inputs, kernel })
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
        if let Form::Plain { weight, bias } = &self.form {
            return self.forward_reference(weight, bias.as_ref(), inputs, add);
        }
        let contiguous = inputs.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
        let guards: Vec<_> = contiguous.iter().map(Tensor::storage_and_layout).collect();
        let mut views = Vec::with_capacity(inputs.len());
        for (tensor, (storage, layout)) in contiguous.iter().zip(&guards) {
            let (n, c, h, w) = tensor.dims4()?;
            views.push(MapView::new(values(storage, layout)?, [n, c, h, w])?);
        }
        let shape = self.shape(&views)?;
        let add = add.map(Tensor::contiguous).transpose()?;
        let add_guard = add.as_ref().map(Tensor::storage_and_layout);
        let add_values = match (&add, &add_guard) {
            (Some(add), Some((storage, layout))) => {
                let one = [1, shape.outputs, shape.out_height, shape.out_width];
                if add.dims() != one && add.dims() != [&[shape.batch], &one[1..]].concat() {
                    bail!(
                        "PreparedConv: add: expected shape {one:?} or that of {} images, found {:?}",
                        shape.batch,
                        add.dims()
                    )
                }
                Some(values(storage, layout)?)
            }
            _ => None,
        };
        let mut out = vec![0f32; shape.out_count()];
        Scratch::with_thread_local(|scratch| self.run(&views, add_values, &mut out, scratch))?;
        Tensor::from_vec(out, (shape.batch, shape.outputs, shape.out_height, shape.out_width), &Device::Cpu)
    }

    fn forward_reference(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        inputs: &[&Tensor],
        add: Option<&Tensor>,
    ) -> Result<Tensor> {
        let x = Tensor::cat(inputs, 1)?.detach();
        let y = conv2d_reference(&x, weight, bias, self.geometry)?;
        let y = match add {
            Some(add) => y.broadcast_add(&add.detach())?,
            None => y,
        };
        self.activation.apply(&y)
    }

    /// [`forward`](Self::forward) from and into memory of the caller: with the fast kernels nothing is allocated once `scratch`
    /// has grown.
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
        let shape = self.shape(inputs)?;
        if out.len() != shape.out_count() {
            bail!("PreparedConv: out: expected room for {} numbers, found {}", shape.out_count(), out.len())
        }
        if let Some(add) = add {
            let image = shape.outputs * shape.out_plane();
            if add.len() != image && add.len() != shape.batch * image {
                bail!(
                    "PreparedConv: add: expected the {image} numbers of one image or those of {}, found {}",
                    shape.batch,
                    add.len()
                )
            }
        }
        let prepared = match &self.form {
            Form::Fast(prepared) => prepared,
            Form::Plain { weight, bias } => {
                if !weight.device().is_cpu() || weight.dtype() != DType::F32 {
                    bail!("PreparedConv: expected weights of type F32 on the CPU, found {:?}", weight.dtype())
                }
                return self.run_reference(weight, bias.as_ref(), inputs, add, &shape, out);
            }
        };
        let epilogue = Epilogue { bias: prepared.bias.as_deref(), add, activation: self.activation };
        let (arch, weights) = (prepared.arch, &prepared.weights);
        Convolution { arch, shape, weights, maps: inputs, epilogue }.run(out, scratch);
        Ok(())
    }

    /// The same through tensors.
    fn run_reference(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        inputs: &[MapView<'_>],
        add: Option<&[f32]>,
        shape: &ConvShape,
        out: &mut [f32],
    ) -> Result<()> {
        let tensor = |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu);
        let inputs = inputs.iter().map(|m| tensor(m.values(), &m.shape())).collect::<Result<Vec<_>>>()?;
        let image = shape.outputs * shape.out_plane();
        let add = match add {
            Some(add) if image > 0 => {
                Some(tensor(add, &[add.len() / image, shape.outputs, shape.out_height, shape.out_width])?)
            }
            _ => None,
        };
        let y = self.forward_reference(weight, bias, &inputs.iter().collect::<Vec<_>>(), add.as_ref())?;
        out.copy_from_slice(&y.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    /// The sizes of a call on `inputs`.
    fn shape(&self, inputs: &[MapView<'_>]) -> Result<ConvShape> {
        let Some(first) = inputs.first() else {
            bail!("PreparedConv: inputs: expected at least one, found none")
        };
        let [batch, _, height, width] = first.shape();
        for input in inputs {
            let [n, _, h, w] = input.shape();
            if [n, h, w] != [batch, height, width] {
                bail!(
                    "PreparedConv: inputs: expected {batch} images of {height}x{width} as in the first, found {n} of {h}x{w}"
                )
            }
        }
        let channels: usize = inputs.iter().map(|m| m.shape()[1]).sum();
        if channels != self.inputs {
            bail!("PreparedConv: inputs: expected {} channels in all, found {channels}", self.inputs)
        }
        ConvShape::new([batch, channels], (height, width), self.outputs, self.kernel, self.geometry)
    }
}
