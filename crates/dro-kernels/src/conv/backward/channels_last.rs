//! Maps with the channels of a pixel side by side, and zeros around.

use rayon::prelude::*;

/// `[images, height, width, channels]`: the sizes include the zeros.
#[derive(Debug)]
pub(in crate::conv) struct ChannelsLast {
    pub values: Vec<f32>,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl ChannelsLast {
    /// Transposes maps `[images, channels, height, width]` into a frame of zeros of the size `frame` (height, width),
    /// `offset` rows and columns from its corner, with zeros in the channels from `channels` to `padded`.
    ///
    /// What lies outside of the frame is dropped.
    pub fn new(
        maps: &[f32],
        [channels, height, width]: [usize; 3],
        padded: usize,
        frame: (usize, usize),
        offset: (usize, usize),
    ) -> Self {
        let image = frame.0 * frame.1 * padded;
        let plane = height * width;
        let images = maps.len().checked_div(channels * plane).unwrap_or(0);
        let mut values = vec![0f32; images * image];
        let row = frame.1 * padded;
        if row > 0 {
            values.par_chunks_mut(row).enumerate().for_each(|(i, row)| {
                let (image, y) = (i / frame.0, i % frame.0);
                let y = y.wrapping_sub(offset.0);
                if y >= height {
                    return;
                }
                let Some(row) = row.get_mut(offset.1 * padded..) else { return };
                let pixels = width.min(row.len() / padded);
                // Eight pixels at a time: a line of cache of each channel is used while it is there.
                for first in (0..pixels).step_by(8) {
                    let count = (pixels - first).min(8);
                    let out = &mut row[first * padded..(first + count) * padded];
                    for channel in 0..channels {
                        let start = (image * channels + channel) * plane + y * width + first;
                        for (x, value) in maps[start..start + count].iter().enumerate() {
                            out[x * padded + channel] = *value;
                        }
                    }
                }
            });
        }
        Self { values, height: frame.0, width: frame.1, channels: padded }
    }

    /// The numbers from a pixel on.
    #[inline(always)]
    pub fn pixels_from(&self, image: usize, y: usize, x: usize) -> &[f32] {
        &self.values[((image * self.height + y) * self.width + x) * self.channels..]
    }
}
