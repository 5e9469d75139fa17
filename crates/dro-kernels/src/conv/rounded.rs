//! What less precise arithmetic makes of the numbers, on any device.

use candle_core::{DType, Result, Tensor};

use crate::Precision;

/// 2¹³ + 1: takes 13 of the 24 bits off.
const SPLITTER: f64 = 8193.0;

/// The number nearest to each factor, ties to even; its gradient is that of the identity.
///
/// TF32 by Dekker's splitting (*A floating-point technique for extending the available precision*, 1971): `c − (c − x)` for
/// `c = 8193·x`, which needs |x| below 2¹¹⁴.
pub(super) fn factor(x: &Tensor, precision: Precision) -> Result<Tensor> {
    match precision {
        Precision::Float32 => Ok(x.clone()),
        Precision::Tf32 => {
            let c = (x.detach() * SPLITTER)?;
            let error = ((&c - (&c - x.detach())?)? - x.detach())?;
            x + error
        }
        Precision::Bf16 => x.to_dtype(DType::BF16)?.to_dtype(DType::F32),
    }
}

/// Likewise for a result, which TF32 leaves as it is.
pub(super) fn result(y: &Tensor, precision: Precision) -> Result<Tensor> {
    match precision {
        Precision::Float32 | Precision::Tf32 => Ok(y.clone()),
        Precision::Bf16 => factor(y, precision),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn factors_keep_as_many_bits_as_the_type_has() {
        let step = |bits: i32| 2f32.powi(1 - bits);
        for (precision, bits) in [(Precision::Tf32, 11), (Precision::Bf16, 8), (Precision::Float32, 24)] {
            let ulp = step(bits);
            // Exact, half way to an even and to an odd neighbour, just above half way, and a negative number.
            let x = [1.0 + ulp, 1.0 + 0.5 * ulp, 1.0 + 1.5 * ulp, 1.0 + 0.625 * ulp, -3.0];
            let expected = [1.0 + ulp, 1.0, 1.0 + 2.0 * ulp, 1.0 + ulp, -3.0];
            let x = Var::new(&x, &Device::Cpu).unwrap();
            let y = factor(x.as_tensor(), precision).unwrap();
            assert_eq!(
                y.to_vec1::<f32>().unwrap(),
                if bits < 24 { expected.to_vec() } else { x.to_vec1().unwrap() }
            );
            let gradient = y.sum_all().unwrap().backward().unwrap();
            assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [1.0; 5]);
        }
    }
}
