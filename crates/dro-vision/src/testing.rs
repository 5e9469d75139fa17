//! What the tests of this crate share.

use candle_core::{DType, Device, Tensor, Var};

/// Numbers in [-1, 1) from a formula (splitmix64), f64.
pub fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f64> = (1..=count)
        .map(|i| {
            let mut z = (seed ^ 0x5bd1_e995).wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// All numbers of a tensor, row by row.
pub fn list(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference of two tensors of one shape, relative to the larger of 1 and the value.
pub fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let far = |(a, b): (f64, f64)| match a == b {
        true => 0.0,
        false => (a - b).abs() / b.abs().max(1.0),
    };
    list(a).into_iter().zip(list(b)).map(far).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

/// Compares the gradient of `Σ weights·f(inputs)` in every input with central differences.
///
/// The derivative of the sum must be larger than 1e-3 somewhere in each input, or this proves nothing.
pub fn assert_gradients(f: impl Fn(&[Tensor]) -> crate::Result<Tensor>, inputs: &[Tensor], tolerance: f64) {
    let variables: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tracked: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
    let out = f(&tracked).unwrap();
    let weights = noise(0xfeed, out.dims());
    let loss = |inputs: &[Tensor]| -> Tensor { (f(inputs).unwrap() * &weights).unwrap().sum_all().unwrap() };
    let grads = (&out * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    let step = 1e-6;
    for (which, variable) in variables.iter().enumerate() {
        let grad = list(grads.get(variable).expect("a gradient"));
        let values = list(&inputs[which]);
        assert!(grad.iter().any(|g| g.abs() > 1e-3), "input {which}: the gradient is 0 everywhere");
        for i in 0..values.len() {
            let at = |by: f64| -> f64 {
                let mut moved = values.clone();
                moved[i] += by;
                let mut inputs = inputs.to_vec();
                inputs[which] = Tensor::from_vec(moved, inputs[which].dims(), &Device::Cpu).unwrap();
                loss(&inputs).to_scalar().unwrap()
            };
            let difference = (at(step) - at(-step)) / (2.0 * step);
            let error = (difference - grad[i]).abs() / difference.abs().max(1.0);
            assert!(error < tolerance, "input {which}[{i}]: difference {difference}, gradient {}", grad[i]);
        }
    }
}
