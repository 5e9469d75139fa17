//! Launches of `cuda/kernels/grid_sample.cu`.

use super::cpu::Dims;
use crate::launch::Launch;

/// From image and coordinates.
pub(super) fn forward(d: &Dims) -> Launch {
    let shape = vec![d.batch, d.channels, d.out_height, d.out_width];
    launch(d, "grid_sample_forward", shape.iter().product(), shape)
}

/// From coordinates and the samples' gradient.
pub(super) fn grad_image(d: &Dims) -> Launch {
    let threads = d.batch * d.channels * d.out_height * d.out_width;
    let shape = vec![d.batch, d.channels, d.height, d.width];
    Launch { zeroed: true, ..launch(d, "grid_sample_grad_image", threads, shape) }
}

/// From image, coordinates and the samples' gradient.
pub(super) fn grad_coords(d: &Dims) -> Launch {
    let shape = vec![d.batch, d.out_height, d.out_width, 2];
    launch(d, "grid_sample_grad_coords", d.batch * d.out_height * d.out_width, shape)
}

fn launch(d: &Dims, function: &'static str, threads: usize, shape: Vec<usize>) -> Launch {
    Launch {
        module: "grid_sample",
        function,
        threads,
        shape,
        zeroed: false,
        ints: vec![d.channels, d.height, d.width, d.out_height * d.out_width],
        floats: Vec::new(),
    }
}
