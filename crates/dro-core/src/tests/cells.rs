//! Recurrent cells against their equations, written out number by number.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder, VarMap};

use crate::cells::{Conv, ConvGru, CpuValues, Gru, GruWork, MapView, Scratch, SepConvGru};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A map as nested vectors: channels, rows, columns.
type Planes = Vec<Vec<Vec<f64>>>;

fn conv_same(x: &Planes, weight: &Tensor, bias: &Tensor) -> Planes {
    let (outputs, _, kh, kw) = weight.dims4().unwrap();
    let w: Vec<f64> = weight.flatten_all().unwrap().to_vec1().unwrap();
    let b: Vec<f64> = bias.to_vec1().unwrap();
    let (height, width) = (x[0].len() as isize, x[0][0].len() as isize);
    let at = |c: usize, row: isize, column: isize| {
        let inside = (0..height).contains(&row) && (0..width).contains(&column);
        if inside { x[c][row as usize][column as usize] } else { 0.0 }
    };
    let value = |o: usize, row: isize, column: isize| {
        let mut sum = b[o];
        for c in 0..x.len() {
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let weight = w[((o * x.len() + c) * kh + i) * kw + j];
                sum +=
                    weight * at(c, row + i as isize - kh as isize / 2, column + j as isize - kw as isize / 2);
            }
        }
        sum
    };
    (0..outputs)
        .map(|o| (0..height).map(|row| (0..width).map(|column| value(o, row, column)).collect()).collect())
        .collect()
}

fn zip(a: &Planes, b: &Planes, f: impl Fn(f64, f64) -> f64) -> Planes {
    let rows = |a: &Vec<Vec<f64>>, b: &Vec<Vec<f64>>| {
        a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()).collect()
    };
    a.iter().zip(b).map(|(a, b)| rows(a, b)).collect()
}

fn gru(h: &Planes, x: &Planes, vars: &VarMap, suffix: &str) -> Planes {
    let data = vars.data().lock().unwrap();
    let gate = |name: &str, h: &Planes| {
        let input: Planes = h.iter().chain(x).cloned().collect();
        conv_same(&input, &data[&format!("{name}{suffix}.weight")], &data[&format!("{name}{suffix}.bias")])
    };
    let z = gate("convz", h);
    let r = gate("convr", h);
    let q = gate("convq", &zip(&r, h, |r, h| sigmoid(r) * h));
    let kept = zip(&z, h, |z, h| (1.0 - sigmoid(z)) * h);
    zip(&kept, &zip(&z, &q, |z, q| sigmoid(z) * q.tanh()), |a, b| a + b)
}

fn planes(t: &Tensor) -> Planes {
    t.squeeze(0).unwrap().to_vec3().unwrap()
}

fn assert_close(found: &Tensor, expected: &Planes) {
    for (f, e) in planes(found).iter().flatten().flatten().zip(expected.iter().flatten().flatten()) {
        assert!((f - e).abs() < 1e-12, "{f} {e}");
    }
}

/// Repeatable numbers in [-1, 1] without structure.
fn noise(shape: &[usize], seed: f64) -> Tensor {
    let count = shape.iter().product::<usize>() as f64;
    (Tensor::arange(0.0, count, &Device::Cpu).unwrap() * 12.9898)
        .unwrap()
        .affine(1.0, seed)
        .unwrap()
        .sin()
        .unwrap()
        .reshape(shape)
        .unwrap()
}

/// Biases start at zero; here they must matter.
fn fill(vars: &VarMap) {
    for (name, var) in vars.data().lock().unwrap().iter() {
        var.set(&(noise(var.dims(), name.bytes().map(f64::from).sum()) * 0.5).unwrap()).unwrap();
    }
}

#[test]
fn conv_grus_follow_their_equations() {
    let device = Device::Cpu;
    let (h, x) = (noise(&[1, 3, 4, 6], 1.0), noise(&[1, 2, 4, 6], 2.0));
    let vars = VarMap::new();
    let cell = ConvGru::new(3, 2, VarBuilder::from_varmap(&vars, DType::F64, &device)).unwrap();
    fill(&vars);
    assert_close(&cell.step(&h, &x).unwrap(), &gru(&planes(&h), &planes(&x), &vars, ""));

    let vars = VarMap::new();
    let cell = SepConvGru::new(3, 2, VarBuilder::from_varmap(&vars, DType::F64, &device)).unwrap();
    assert_eq!(vars.data().lock().unwrap()["convz1.weight"].dims(), [3, 5, 1, 5]);
    fill(&vars);
    let horizontal = gru(&planes(&h), &planes(&x), &vars, "1");
    assert_close(&cell.step(&h, &x).unwrap(), &gru(&horizontal, &planes(&x), &vars, "2"));
}

#[test]
fn the_vector_gru_is_the_map_gru_on_one_pixel() {
    let device = Device::Cpu;
    let vars = VarMap::new();
    let cell = Gru::new(3, 2, VarBuilder::from_varmap(&vars, DType::F64, &device)).unwrap();
    fill(&vars);
    let (h, x) = (noise(&[1, 3], 3.0), noise(&[1, 2], 4.0));
    let maps = VarMap::new();
    for (name, var) in vars.data().lock().unwrap().iter() {
        let shape = if var.rank() == 2 { vec![3, 5, 1, 1] } else { vec![3] };
        let var = candle_core::Var::from_tensor(&var.reshape(shape).unwrap()).unwrap();
        maps.data().lock().unwrap().insert(name.clone(), var);
    }
    let pixel = |t: &Tensor| planes(&t.reshape((1, (), 1, 1)).unwrap());
    let found = cell.step(&h, &x).unwrap().reshape((1, 3, 1, 1)).unwrap();
    assert_close(&found, &gru(&pixel(&h), &pixel(&x), &maps, ""));
}

#[test]
fn a_prepared_gru_is_the_plain_one() {
    let vars = VarMap::new();
    let cell = SepConvGru::new(3, 6, VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu)).unwrap();
    for (name, var) in vars.data().lock().unwrap().iter() {
        let noise = noise(var.dims(), name.bytes().map(f64::from).sum()).to_dtype(DType::F32).unwrap();
        var.set(&(noise * 0.5).unwrap()).unwrap();
    }
    let prepared = cell.prepare(2).unwrap();
    let single = |t: Tensor| t.to_dtype(DType::F32).unwrap();
    let (mut work, mut scratch) = (GruWork::default(), Scratch::default());
    for (height, width) in [(1, 1), (4, 7), (9, 5)] {
        let context = single(noise(&[1, 2, height, width], 1.0));
        let constant = prepared.constant(&context).unwrap();
        let mut h = single(noise(&[1, 3, height, width], 2.0));
        let mut state: Vec<f32> = h.flatten_all().unwrap().to_vec1().unwrap();
        for step in 0..3 {
            let input = single(noise(&[1, 4, height, width], 3.0 + f64::from(step)));
            h = cell.step(&h, &Tensor::cat(&[&context, &input], 1).unwrap()).unwrap();
            let (input, constant) = (CpuValues::of(&input).unwrap(), CpuValues::of(&constant).unwrap());
            let view = MapView::new(input.as_slice(), [1, 4, height, width]).unwrap();
            prepared.step(&mut state, view, constant.as_slice(), &mut work, &mut scratch).unwrap();
            for (found, expected) in state.iter().zip(h.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
    assert!(cell.prepare(0).is_err());
    assert!(cell.prepare(6).unwrap_err().to_string().contains("1 to 5 channels, found 6"));
}

#[test]
fn a_batch_norm_folds_into_the_convolution_before_it() {
    let device = Device::Cpu;
    let layer = |biased: bool, vb: VarBuilder| match biased {
        true => Conv::same(2, 3, (3, 3), vb),
        false => Conv::unbiased(2, 3, 3, 1, vb),
    };
    for biased in [true, false] {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F64, &device);
        let conv = layer(biased, vb.pp("conv")).unwrap();
        let norm = candle_nn::batch_norm(3, 1e-5, vb.pp("norm")).unwrap();
        fill(&vars);
        let variance = vars.data().lock().unwrap()["norm.running_var"].clone();
        variance.set(&(variance.abs().unwrap() + 0.1).unwrap()).unwrap();
        let x = noise(&[2, 2, 5, 4], 1.0);
        let expected = norm.forward_t(&conv.forward(&x).unwrap(), false).unwrap();
        let found = conv.folded(&norm).unwrap().forward(&x).unwrap();
        let difference = (found - expected).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f64>().unwrap() < 1e-12);
    }
}
