//! The mean over space of a convolution, without the convolution.

use candle_core::{Result, bail};
use dro_core::cells::Conv;
use rayon::prelude::*;

/// A 3x3 convolution at stride 1 with one pixel of zeros around, followed by the mean over space.
///
/// Both are linear, so the sum over space moves inside: `mean(w ⋆ x)_o = Σ_{c,k} w[o,c,k]·S_k(x_c) / (h·w) + b_o`, where
/// S_k is the sum of what tap k reads: all of x_c but for the row and the column that it never reaches.
#[derive(Debug)]
pub(super) struct MeanConv {
    /// `[outputs, inputs, 9]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl MeanConv {
    pub(super) fn new(conv: &Conv) -> Result<Self> {
        let (_, inputs, kernel_height, kernel_width) = conv.weight().dims4()?;
        let (Some(bias), (3, 3)) = (conv.bias(), (kernel_height, kernel_width)) else {
            bail!("MeanConv: expected a 3x3 convolution with bias, found {:?}", conv.weight().dims())
        };
        Ok(Self { weight: conv.weight().flatten_all()?.to_vec1()?, bias: bias.to_vec1()?, inputs })
    }

    /// `x` `[inputs, height, width]` → one number per output.
    pub(super) fn run(&self, x: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
        let plane = (height * width).max(1);
        let sums: Vec<[f64; 9]> = x.par_chunks_exact(plane).map(|x| tap_sums(x, width)).collect();
        let row = |weight: &[f32]| -> f64 {
            let taps = weight.chunks_exact(9).zip(&sums);
            taps.map(|(w, s)| w.iter().zip(s).map(|(&w, s)| f64::from(w) * s).sum::<f64>()).sum()
        };
        let rows = self.weight.chunks_exact(9 * self.inputs).zip(&self.bias);
        rows.map(|(weight, &bias)| (row(weight) / plane as f64) as f32 + bias).collect()
    }
}

/// What each of the 3x3 taps reads of one plane, summed over the places of the kernel.
fn tap_sums(x: &[f32], width: usize) -> [f64; 9] {
    let sum = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>();
    let column = |j: usize| x.iter().skip(j).step_by(width).map(|&v| f64::from(v)).sum::<f64>();
    let (first, last) = (&x[..width], &x[x.len() - width..]);
    let total: f64 = x.chunks_exact(width).map(sum).sum();
    // The taps above the centre never reach the last row, those below never the first; columns alike.
    let rows = [Some(last), None, Some(first)];
    let columns = [Some(width - 1), None, Some(0)];
    let mut sums = [0.0; 9];
    for (k, s) in sums.iter_mut().enumerate() {
        let (row, left_out) = (rows[k / 3], columns[k % 3]);
        *s = total - row.map_or(0.0, sum) - left_out.map_or(0.0, column);
        if let (Some(row), Some(j)) = (row, left_out) {
            *s += f64::from(row[j]);
        }
    }
    sums
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Tensor};
    use candle_nn::Module;

    use super::*;

    #[test]
    fn is_the_mean_of_the_convolution() {
        let wave = |shape: &[usize], seed: f64| {
            let count = shape.iter().product::<usize>() as f64;
            let x = Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(12.9898, seed).unwrap();
            x.sin().unwrap().to_dtype(candle_core::DType::F32).unwrap().reshape(shape).unwrap()
        };
        let tensors = [("weight".into(), wave(&[6, 5, 3, 3], 0.0)), ("bias".into(), wave(&[6], 1.0))];
        let vb = candle_nn::VarBuilder::from_tensors(tensors.into(), candle_core::DType::F32, &Device::Cpu);
        let conv = Conv::same(5, 6, (3, 3), vb).unwrap();
        for (height, width) in [(1, 1), (1, 4), (3, 2), (7, 5)] {
            let x = wave(&[1, 5, height, width], 2.0);
            let expected = conv.forward(&x).unwrap().mean((2, 3)).unwrap().flatten_all().unwrap();
            let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
            let found = MeanConv::new(&conv).unwrap().run(&values, (height, width));
            for (found, expected) in found.iter().zip(expected.to_vec1::<f32>().unwrap()) {
                assert!((found - expected).abs() < 1e-5, "{height}x{width}: {found} {expected}");
            }
        }
    }
}
