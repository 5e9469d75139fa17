//! The loops over pixels. Every output number is summed by one thread in a fixed order, so that the
//! result does not depend on the number of threads.

use candle_core::WithDType;
use rayon::prelude::*;

/// Sizes of the image `[batch, channels, height, width]` and of the samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dims {
    pub batch: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Dims {
    /// Pixels of one image plane.
    fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Samples of one plane.
    fn samples(&self) -> usize {
        self.out_height * self.out_width
    }
}

/// Where one sample reads: four corners and the position between them.
#[derive(Clone, Copy)]
struct Tap<T> {
    /// Index of the top left corner in its plane; may be outside, see the flags.
    corner: isize,
    /// Which columns and rows are inside the image.
    left: bool,
    right: bool,
    top: bool,
    bottom: bool,
    /// Fractions of a pixel from the top left corner.
    a: T,
    b: T,
}

impl<T: WithDType> Tap<T> {
    /// `None` where all four corners are outside, and for NaN and infinity.
    fn new(x: T, y: T, d: &Dims) -> Option<Self> {
        let (xf, yf) = (x.to_f64(), y.to_f64());
        let (height, width) = (d.height as isize, d.width as isize);
        // NaN fails the comparisons; what passes is small enough for the conversions below.
        if !(xf >= -1.0 && xf < width as f64 && yf >= -1.0 && yf < height as f64) {
            return None;
        }
        let (x0, y0) = (xf.floor(), yf.floor());
        let (column, row) = (x0 as isize, y0 as isize);
        Some(Self {
            corner: row * width + column,
            left: column >= 0,
            right: column + 1 < width,
            top: row >= 0,
            bottom: row + 1 < height,
            a: x - T::from_f64(x0),
            b: y - T::from_f64(y0),
        })
    }

    /// Indices of the corners (top left, top right, bottom left, bottom right); `None` outside.
    #[inline]
    fn corners(&self, width: usize) -> [Option<usize>; 4] {
        let at = |offset: usize, inside: bool| inside.then_some((self.corner + offset as isize) as usize);
        [
            at(0, self.top && self.left),
            at(1, self.top && self.right),
            at(width, self.bottom && self.left),
            at(width + 1, self.bottom && self.right),
        ]
    }

    /// Values at the corners, 0 outside.
    #[inline]
    fn read(&self, plane: &[T], width: usize) -> [T; 4] {
        self.corners(width).map(|index| index.map_or(T::zero(), |index| plane[index]))
    }
}

fn taps<T: WithDType>(d: &Dims, coords: &[T]) -> Vec<Option<Tap<T>>> {
    coords.par_chunks_exact(2).map(|xy| Tap::new(xy[0], xy[1], d)).collect()
}

/// The samples.
pub(super) fn forward<T: WithDType>(d: Dims, image: &[T], coords: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); d.batch * d.channels * d.samples()];
    if out.is_empty() || d.plane() == 0 {
        return out;
    }
    let taps = taps(&d, coords);
    // By rows, so that three channels of a large image keep more than three threads busy.
    out.par_chunks_mut(d.out_width).enumerate().for_each(|(row, out)| {
        let (plane, row) = (row / d.out_height, row % d.out_height);
        let batch = plane / d.channels;
        let image = &image[plane * d.plane()..][..d.plane()];
        let taps = &taps[batch * d.samples() + row * d.out_width..];
        for (out, tap) in out.iter_mut().zip(taps) {
            if let Some(tap) = tap {
                let [p, q, r, s] = tap.read(image, d.width);
                let (a, b, one) = (tap.a, tap.b, T::one());
                *out = (p * (one - a) + q * a) * (one - b) + (r * (one - a) + s * a) * b;
            }
        }
    });
    out
}

/// The transpose of [`forward`] in the image.
pub(super) fn grad_image<T: WithDType>(d: Dims, coords: &[T], grad: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); d.batch * d.channels * d.plane()];
    if out.is_empty() || d.samples() == 0 {
        return out;
    }
    let taps = taps(&d, coords);
    // One thread per plane: samples of one plane may share a pixel.
    out.par_chunks_mut(d.plane()).enumerate().for_each(|(plane, out)| {
        let grad = &grad[plane * d.samples()..][..d.samples()];
        let taps = &taps[plane / d.channels * d.samples()..];
        for (&grad, tap) in grad.iter().zip(taps) {
            if let Some(tap) = tap {
                let (a, b, one) = (tap.a, tap.b, T::one());
                let weights = [(one - a) * (one - b), a * (one - b), (one - a) * b, a * b];
                for (index, weight) in tap.corners(d.width).into_iter().zip(weights) {
                    if let Some(index) = index {
                        out[index] += grad * weight;
                    }
                }
            }
        }
    });
    out
}

/// `Σ_c grad · ∂out/∂(x, y)`; at integer coordinates the derivative to the right and downwards.
pub(super) fn grad_coords<T: WithDType>(d: Dims, image: &[T], coords: &[T], grad: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); d.batch * d.samples() * 2];
    if out.is_empty() || d.plane() == 0 {
        return out;
    }
    let taps = taps(&d, coords);
    out.par_chunks_mut(2 * d.out_width).enumerate().for_each(|(row, out)| {
        let (batch, start) = (row / d.out_height, row % d.out_height * d.out_width);
        let taps = &taps[row * d.out_width..];
        for channel in 0..d.channels {
            let plane = batch * d.channels + channel;
            let image = &image[plane * d.plane()..][..d.plane()];
            let grad = &grad[plane * d.samples() + start..];
            for ((out, tap), &grad) in out.chunks_exact_mut(2).zip(taps).zip(grad) {
                if let Some(tap) = tap {
                    let [p, q, r, s] = tap.read(image, d.width);
                    let (a, b, one) = (tap.a, tap.b, T::one());
                    out[0] += grad * ((q - p) * (one - b) + (s - r) * b);
                    out[1] += grad * ((r - p) * (one - a) + (s - q) * a);
                }
            }
        }
    });
    out
}
