//! The operation of candle.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType, bail};

use super::{
    BatchNormed,
    passes::{Backward, Sizes, scaled, statistics},
    per_channel,
};
use crate::conv::values;

/// All arguments f32 on the CPU, and contiguous.
pub(super) fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<BatchNormed> {
    let (batch, channels, height, width) = x.dims4()?;
    let sizes = Sizes { batch, channels, plane: height * width };
    let statistics = {
        let (storage, layout) = x.storage_and_layout();
        statistics(values(&storage, layout)?, sizes)
    };
    let normal =
        statistics.iter().map(|(mean, variance)| [*mean as f32, (variance + epsilon).sqrt().recip() as f32]);
    let op = BatchNorm { sizes, normal: normal.collect(), relu };
    Ok(BatchNormed {
        y: x.apply_op3(weight, bias, op)?,
        mean: per_channel(statistics.iter().map(|s| s.0 as f32).collect())?,
        variance: per_channel(statistics.iter().map(|s| s.1 as f32).collect())?,
    })
}

struct BatchNorm {
    sizes: Sizes,
    /// Mean and 1/√(σ² + ε) of each channel.
    normal: Vec<[f32; 2]>,
    relu: bool,
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&f32::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("batch_norm: expected a contiguous tensor, found {layout:?}"),
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let factors =
            self.normal.iter().zip(weight.iter().zip(bias)).map(|([mean, inverse], (weight, bias))| {
                let scale = weight * inverse;
                [scale, bias - mean * scale]
            });
        let factors: Vec<[f32; 2]> = factors.collect();
        let y = scaled(slice(x, x_layout)?, self.sizes, &factors, self.relu);
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let guards = [x, weight, result, &grad].map(Tensor::storage_and_layout);
        let [x_values, weight_values, y, grad_values] = &guards;
        let all = Backward {
            x: values(&x_values.0, x_values.1)?,
            y: self.relu.then(|| values(&y.0, y.1)).transpose()?,
            grad: values(&grad_values.0, grad_values.1)?,
            weight: values(&weight_values.0, weight_values.1)?,
            normal: &self.normal,
        };
        let [grad_x, grad_weight, grad_bias] = all.run(self.sizes);
        let grad_x = Tensor::from_vec(grad_x, x.shape(), &Device::Cpu)?;
        Ok((Some(grad_x), Some(per_channel(grad_weight)?), Some(per_channel(grad_bias)?)))
    }
}
