//! Places compared by census transforms.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::{Error, Result, network::STRIDE};

/// Census transforms (Zabih & Woodfill, ECCV 1994) of every pixel: for 24 places around it whether each is brighter, at two
/// distances. 24 + 24 bits in one number.
#[derive(Debug)]
pub(super) struct CensusMaps {
    /// `[batch, 8·h · 8·w]`.
    target: Vec<u64>,
    /// `[batch · count, 8·h · 8·w]`.
    neighbours: Vec<u64>,
    height: usize,
    width: usize,
}

/// Places of a cell that are compared, pixels from its corner, each way.
const SAMPLES: [usize; 4] = [1, 3, 5, 7];
const BITS: f32 = 48.0;
/// Distances of the places that are compared with a pixel.
const SPACINGS: [usize; 2] = [1, 3];

impl CensusMaps {
    pub(super) fn new(target: &Tensor, neighbours: &Tensor) -> Result<Self> {
        let (_, _, height, width) = target.dims4()?;
        if height % STRIDE != 0 || width % STRIDE != 0 {
            let found = format!("{height}x{width}");
            return Err(Error::argument("images", format!("sides that are multiples of {STRIDE}"), found));
        }
        let all = |images: &Tensor| -> Result<Vec<u64>> {
            let grey = images.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?.mean(1)?;
            let grey = grey.flatten_all()?.to_vec1::<f32>()?;
            Ok(grey
                .par_chunks_exact(height * width)
                .flat_map_iter(|image| transformed(image, width))
                .collect())
        };
        Ok(Self { target: all(target)?, neighbours: all(neighbours)?, height, width })
    }

    /// The share of bits that differ, mean over 16 pixels of the cell; those that the neighbour does not see are left
    /// out, and the cell is outside where its middle is. Twice that, as bits of places that do not match differ by half.
    pub(super) fn cost(&self, b: usize, pair: usize, (y, x): (usize, usize), at: (f32, f32)) -> Option<f32> {
        let (height, width) = (self.height as isize, self.width as isize);
        let pixel = |at: f32| at * STRIDE as f32;
        let (left, top) = (pixel(at.0).round(), pixel(at.1).round());
        // NaN fails the comparisons.
        let half = STRIDE as f32 / 2.0;
        if !(left >= -half && top >= -half && left < width as f32 - half && top < height as f32 - half) {
            return None;
        }
        let (left, top) = (left as isize, top as isize);
        let plane = self.height * self.width;
        let target = &self.target[b * plane..][..plane];
        let neighbour = &self.neighbours[pair * plane..][..plane];
        let (mut differ, mut seen) = (0u32, 0u32);
        for dy in SAMPLES {
            let row = top + dy as isize;
            if !(0..height).contains(&row) {
                continue;
            }
            let own = &target[(y * STRIDE + dy) * self.width + x * STRIDE..][..STRIDE];
            let other = &neighbour[row as usize * self.width..][..self.width];
            for dx in SAMPLES {
                let column = left + dx as isize;
                if (0..width).contains(&column) {
                    differ += (own[dx] ^ other[column as usize]).count_ones();
                    seen += 1;
                }
            }
        }
        (seen > 0).then(|| (2.0 * differ as f32 / (seen as f32 * BITS)).min(1.0))
    }
}

fn transformed(image: &[f32], width: usize) -> Vec<u64> {
    let height = image.len() / width;
    let at = |y: usize, dy: isize, x: usize, dx: isize| {
        let y = (y as isize + dy).clamp(0, height as isize - 1) as usize;
        let x = (x as isize + dx).clamp(0, width as isize - 1) as usize;
        image[y * width + x]
    };
    let mut out = Vec::with_capacity(image.len());
    for y in 0..height {
        for x in 0..width {
            let own = image[y * width + x];
            let mut bits = 0u64;
            for spacing in SPACINGS {
                let spacing = spacing as isize;
                for dy in -2isize..=2 {
                    for dx in -2isize..=2 {
                        if (dy, dx) != (0, 0) {
                            bits = bits << 1 | u64::from(at(y, dy * spacing, x, dx * spacing) > own);
                        }
                    }
                }
            }
            out.push(bits);
        }
    }
    out
}
