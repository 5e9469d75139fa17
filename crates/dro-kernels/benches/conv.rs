//! GFLOP/s of every convolution of the network at 320x960: ours (prepared and differentiable) and candle's own.
//!
//! One line per layer: `layer,shape,ours_gflops,conv2d_gflops,candle_gflops` (and for layers of a training step, forward
//! and backward together, `layer,shape,ours_gflops,candle_gflops`), where the operations are those of the
//! direct algorithm, 2·n·out·h'·w'·in·kh·kw. Best of several repeats, because other programs can only slow a run
//! down. `RAYON_NUM_THREADS=1 cargo bench -p dro-kernels --bench conv` for one thread; an argument filters by name.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor, Var};
use dro_kernels::{Activation, ConvGeometry, MapView, PreparedConv, Scratch, conv2d, conv2d_reference};

/// Name, inputs, outputs, kernel, stride, height and width of the input.
type Layer = (&'static str, usize, usize, (usize, usize), usize, usize, usize);

const LAYERS: [Layer; 20] = [
    ("conv1", 3, 64, (7, 7), 2, 320, 960),
    ("layer1", 64, 64, (3, 3), 1, 80, 240),
    ("layer2.0.conv1", 64, 128, (3, 3), 2, 80, 240),
    ("layer2.0.skip", 64, 128, (1, 1), 2, 80, 240),
    ("layer2", 128, 128, (3, 3), 1, 40, 120),
    ("layer3.0.conv1", 128, 256, (3, 3), 2, 40, 120),
    ("layer3", 256, 256, (3, 3), 1, 20, 60),
    ("upconv1", 256, 128, (3, 3), 1, 40, 120),
    ("out_conv", 128, 160, (3, 3), 1, 40, 120),
    ("encoder.convc1", 128, 128, (1, 1), 1, 40, 120),
    ("encoder.convc2", 128, 128, (3, 3), 1, 40, 120),
    ("encoder.convd1", 1, 128, (7, 7), 1, 40, 120),
    ("encoder.convd2", 128, 64, (3, 3), 1, 40, 120),
    ("encoder.convd", 192, 127, (3, 3), 1, 40, 120),
    ("gru.zr1", 256, 256, (1, 5), 1, 40, 120),
    ("gru.zr2", 256, 256, (5, 1), 1, 40, 120),
    ("gru.q1", 256, 128, (1, 5), 1, 40, 120),
    ("depth_head.out", 128, 1, (3, 3), 1, 40, 120),
    ("mask.conv1", 128, 256, (3, 3), 1, 40, 120),
    ("mask.conv2", 256, 576, (1, 1), 1, 40, 120),
];

/// Layers of a training step at 128x160 with two images, whose gradients are timed too.
const TRAINING: [Layer; 7] = [
    ("train.layer1", 64, 64, (3, 3), 1, 32, 40),
    ("train.layer2.0.conv1", 64, 128, (3, 3), 2, 32, 40),
    ("train.layer2", 128, 128, (3, 3), 1, 16, 20),
    ("train.layer3", 256, 256, (3, 3), 1, 8, 10),
    ("train.gru.z1", 288, 128, (1, 5), 1, 16, 20),
    ("train.gru.z2", 288, 128, (5, 1), 1, 16, 20),
    ("train.mask.conv2", 256, 576, (1, 1), 1, 16, 20),
];

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    println!("layer,shape,ours_gflops,conv2d_gflops,candle_gflops");
    for layer in LAYERS {
        if filter.as_ref().is_none_or(|f| layer.0.contains(f.as_str())) {
            measure(layer)?;
        }
    }
    println!("layer,shape,ours_gflops,candle_gflops");
    for layer in TRAINING {
        if filter.as_ref().is_none_or(|f| layer.0.contains(f.as_str())) {
            measure_training(layer)?;
        }
    }
    Ok(())
}

fn measure((name, inputs, outputs, kernel, stride, height, width): Layer) -> Result<()> {
    let device = &Device::Cpu;
    let x = Tensor::rand(-1f32, 1., (1, inputs, height, width), device)?;
    let weight = Tensor::rand(-1f32, 1., (outputs, inputs, kernel.0, kernel.1), device)?;
    let bias = Tensor::zeros(outputs, DType::F32, device)?;
    let geometry = ConvGeometry::strided(kernel, stride);
    let conv = PreparedConv::new(&weight, Some(&bias), geometry, Activation::Relu)?;
    let (ho, wo) = geometry.output_size(kernel, (height, width))?;
    let flop = 2.0 * (outputs * ho * wo * inputs * kernel.0 * kernel.1) as f64;

    let values = x.flatten_all()?.to_vec1::<f32>()?;
    let view = [MapView::new(&values, [1, inputs, height, width])?];
    let (mut out, mut scratch) = (vec![0f32; outputs * ho * wo], Scratch::new());
    let ours = best(|| conv.run(&view, None, &mut out, &mut scratch))?;
    let op = best(|| conv2d(&x, &weight, Some(&bias), geometry).map(drop))?;
    let candle = best(|| conv2d_reference(&x, &weight, Some(&bias), geometry).map(drop))?;
    let rate = |seconds: f64| flop / seconds / 1e9;
    let shape = format!("{inputs}x{height}x{width}->{outputs} {}x{}/{stride}", kernel.0, kernel.1);
    println!("{name},{shape},{:.1},{:.1},{:.1}", rate(ours), rate(op), rate(candle));
    Ok(())
}

/// The convolution of two images with its gradients for input, weight and bias: three times the operations.
fn measure_training((name, inputs, outputs, kernel, stride, height, width): Layer) -> Result<()> {
    let device = &Device::Cpu;
    let x = Var::rand(-1f32, 1., (2, inputs, height, width), device)?;
    let weight = Var::rand(-1f32, 1., (outputs, inputs, kernel.0, kernel.1), device)?;
    let bias = Var::zeros(outputs, DType::F32, device)?;
    let geometry = ConvGeometry::strided(kernel, stride);
    let (ho, wo) = geometry.output_size(kernel, (height, width))?;
    let flop = 3.0 * 2.0 * (2 * outputs * ho * wo * inputs * kernel.0 * kernel.1) as f64;
    let ours = best(|| conv2d(&x, &weight, Some(&bias), geometry)?.backward().map(drop))?;
    let candle = best(|| conv2d_reference(&x, &weight, Some(&bias), geometry)?.backward().map(drop))?;
    let shape = format!("2x{inputs}x{height}x{width}->{outputs} {}x{}/{stride}", kernel.0, kernel.1);
    println!("{name},{shape},{:.1},{:.1}", flop / ours / 1e9, flop / candle / 1e9);
    Ok(())
}

/// Seconds per call: of the clock for the fastest of the calls that fit into some tenths of a second, or with `--cpu`
/// the mean of all threads' work, which other programs disturb less (Linux).
fn best(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let cpu = std::env::args().any(|a| a == "--cpu");
    f()?;
    let (start, work) = (Instant::now(), if cpu { cpu_seconds()? } else { 0.0 });
    let (mut best, mut calls) = (f64::MAX, 0.0);
    while start.elapsed() < Duration::from_millis(400) {
        let call = Instant::now();
        f()?;
        best = best.min(call.elapsed().as_secs_f64());
        calls += 1.0;
    }
    if cpu { Ok((cpu_seconds()? - work) / calls) } else { Ok(best) }
}

/// Seconds that the threads of this process have worked.
fn cpu_seconds() -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(nanoseconds * 1e-9)
}
