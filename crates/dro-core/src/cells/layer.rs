//! A convolution layer with a padding per axis, "same" size at stride 1.

use std::ops::Range;

use candle_core::{Result, Tensor, Var};
use candle_nn::{BatchNorm, Init, Module, ModuleT, VarBuilder};
use dro_kernels::{
    Activation, BatchNormed, ConvGeometry, PreparedConv, SharedWeights, batch_norm, conv2d, conv2d_shared,
};

/// A convolution with bias; the parameters are named `weight` `[out, in, kh, kw]` and `bias` `[out]`.
#[derive(Debug, Clone)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    geometry: ConvGeometry,
    shared: Option<SharedWeights>,
}

impl Conv {
    /// An odd `kernel` (height, width) at stride 1, zero-padded to keep the size.
    pub fn same(inputs: usize, outputs: usize, kernel: (usize, usize), vb: VarBuilder) -> Result<Self> {
        Self::build(inputs, outputs, kernel, 1, true, vb)
    }

    /// A square kernel without bias, padded by `kernel / 2`, as before a batch norm.
    pub fn unbiased(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        Self::build(inputs, outputs, (kernel, kernel), stride, false, vb)
    }

    fn build(
        inputs: usize,
        outputs: usize,
        kernel: (usize, usize),
        stride: usize,
        bias: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let weight = vb.get_with_hints(
            (outputs, inputs, kernel.0, kernel.1),
            "weight",
            candle_nn::init::DEFAULT_KAIMING_NORMAL,
        )?;
        let bias = if bias { Some(vb.get_with_hints(outputs, "bias", Init::Const(0.0))?) } else { None };
        Ok(Self { weight, bias, geometry: ConvGeometry::strided(kernel, stride), shared: None })
    }
}

/// A convolution is linear, so it can be taken apart and put together. Used to prepare weights for inference.
impl Conv {
    /// The weight, `[out, in, kernel height, kernel width]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// What the input channels in `ranges` (joined in this order) contribute, without the bias.
    ///
    /// The contributions of all channels and the bias add up to the layer.
    ///
    /// # Errors
    /// When a range reaches beyond the input channels.
    pub fn part(&self, ranges: impl IntoIterator<Item = Range<usize>>) -> Result<Self> {
        let part = |range: Range<usize>| self.weight.narrow(1, range.start, range.len());
        let parts = ranges.into_iter().map(part).collect::<Result<Vec<_>>>()?;
        Ok(Self { weight: Tensor::cat(&parts, 1)?, bias: None, geometry: self.geometry, shared: None })
    }

    /// The same weights with another bias, `[out]`.
    pub fn with_bias(&self, bias: Option<&Tensor>) -> Self {
        Self { bias: bias.cloned(), ..self.clone() }
    }

    /// The layer followed by a multiplication.
    ///
    /// # Errors
    /// When the weights are not floating point numbers.
    pub fn scaled(&self, by: f64) -> Result<Self> {
        Ok(Self {
            weight: (&self.weight * by)?,
            bias: self.bias.as_ref().map(|bias| bias * by).transpose()?,
            geometry: self.geometry,
            shared: None,
        })
    }

    /// Layers that read the same input as one layer, whose output channels are theirs in a row.
    ///
    /// # Errors
    /// When kernels or input channels differ, or only some of the layers have a bias.
    pub fn stacked(layers: &[&Self]) -> Result<Self> {
        let Some(first) = layers.first() else {
            candle_core::bail!("Conv::stacked: expected at least one layer, found none")
        };
        let biases: Vec<_> = layers.iter().filter_map(|layer| layer.bias.as_ref()).collect();
        if !biases.is_empty() && biases.len() != layers.len() {
            candle_core::bail!(
                "Conv::stacked: expected a bias in all {} layers or in none, found {}",
                layers.len(),
                biases.len()
            )
        }
        let weights: Vec<_> = layers.iter().map(|layer| &layer.weight).collect();
        Ok(Self {
            weight: Tensor::cat(&weights, 0)?,
            bias: if biases.is_empty() { None } else { Some(Tensor::cat(&biases, 0)?) },
            geometry: first.geometry,
            shared: None,
        })
    }

    /// This layer followed by `norm` in evaluation mode, as one layer:
    /// `γ/√(σ² + ε)·(w ⋆ x + b − μ) + β` with the running statistics μ, σ² (Ioffe & Szegedy 2015, arXiv 1502.03167).
    ///
    /// # Errors
    /// When the norm has another number of channels.
    pub fn folded(&self, norm: &BatchNorm) -> Result<Self> {
        let deviation = (norm.running_var() + norm.eps())?.sqrt()?;
        let (scale, shift) = match norm.weight_and_bias() {
            Some((weight, bias)) => ((weight / deviation)?, Some(bias)),
            None => (deviation.recip()?, None),
        };
        let offset = match &self.bias {
            Some(bias) => (bias - norm.running_mean())?,
            None => norm.running_mean().neg()?,
        };
        let bias = (offset * &scale)?;
        Ok(Self {
            weight: self.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?,
            bias: Some(match shift {
                Some(shift) => (bias + shift)?,
                None => bias,
            }),
            geometry: self.geometry,
            shared: None,
        })
    }

    /// The same layer, with gradients, whose calls (and those of its clones) share what the kernels make of the weights. They
    /// must not change while it lives.
    pub fn shared(&self) -> Self {
        Self { shared: Some(SharedWeights::default()), ..self.clone() }
    }

    /// Transforms and packs the weights as they are now, for inference; `activation` follows the bias.
    ///
    /// # Errors
    /// When the weights cannot be prepared.
    pub fn prepare(&self, activation: Activation) -> Result<PreparedConv> {
        PreparedConv::new(&self.weight, self.bias.as_ref(), self.geometry, activation)
    }
}

impl Module for Conv {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (&self.weight, self.bias.as_ref());
        match &self.shared {
            Some(shared) => conv2d_shared(x, weight, bias, self.geometry, shared),
            None => conv2d(x, weight, bias, self.geometry),
        }
    }
}

/// `norm` and then, where `relu` says so, `max(y, 0)`. With `train` it uses the statistics of the batch, and moves the running
/// ones a tenth of the way towards them, as [`BatchNorm`] does, in fewer passes.
///
/// # Errors
/// When `x` `[batch, channels, height, width]` has other channels than the norm.
pub fn batch_normed(norm: &BatchNorm, x: &Tensor, train: bool, relu: bool) -> Result<Tensor> {
    let (Some((weight, bias)), true) = (norm.weight_and_bias(), train) else {
        let y = norm.forward_t(x, train)?;
        return if relu { y.relu() } else { Ok(y) };
    };
    let BatchNormed { y, mean, variance } = batch_norm(x, weight, bias, norm.eps(), relu)?;
    let count = x.elem_count() as f64 / x.dim(1)? as f64;
    // The estimate of the variance of more than this batch.
    let variance = (variance * (count / (count - 1.0).max(1.0)))?;
    for (running, new) in [(norm.running_mean(), mean), (norm.running_var(), variance)] {
        let moved = ((running * (1.0 - norm.momentum()))? + (new * norm.momentum())?)?;
        // The same memory: a running statistic is a variable.
        Var::from_tensor(running)?.set(&moved)?;
    }
    Ok(y)
}
