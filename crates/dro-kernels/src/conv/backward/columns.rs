//! The adjoint of taking patches.

use rayon::prelude::*;

use crate::conv::shapes::ConvShape;

/// Adds `patches` `[batch, inputs, taps, out_height, out_width]` up to maps `[batch, inputs, height, width]`.
pub(super) fn add_patches(shape: &ConvShape, patches: &[f32]) -> Vec<f32> {
    let (plane, out_plane) = (shape.height * shape.width, shape.out_plane());
    let taps = shape.kernel.0 * shape.kernel.1;
    let mut maps = vec![0f32; shape.batch * shape.inputs * plane];
    if plane == 0 || out_plane == 0 {
        return maps;
    }
    let patches = patches.par_chunks(taps * out_plane);
    maps.par_chunks_mut(plane).zip(patches).for_each(|(map, patches)| {
        for (tap, patches) in patches.chunks(out_plane).enumerate() {
            let (ky, kx) = (tap / shape.kernel.1, tap % shape.kernel.1);
            for (y, patches) in patches.chunks(shape.out_width).enumerate() {
                // Positions before the map wrap around to huge ones.
                let y = (y * shape.geometry.stride + ky).wrapping_sub(shape.geometry.pad_y);
                if y >= shape.height {
                    continue;
                }
                let row = &mut map[y * shape.width..][..shape.width];
                for (x, patch) in patches.iter().enumerate() {
                    let x = (x * shape.geometry.stride + kx).wrapping_sub(shape.geometry.pad_x);
                    if let Some(out) = row.get_mut(x) {
                        *out += patch;
                    }
                }
            }
        }
    });
    maps
}
