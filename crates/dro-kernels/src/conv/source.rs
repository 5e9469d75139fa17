//! What a convolution reads: planes of maps that stand side by side along channels.

use super::MapView;

/// Some images of maps that are joined along channels without a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub maps: &'a [MapView<'a>],
    /// What the caller calls image 0 is this one of the maps.
    pub first_image: usize,
    pub height: usize,
    pub width: usize,
}

impl<'a> Source<'a> {
    /// The numbers of one channel of the joined maps; none for a channel that does not exist.
    #[inline(always)]
    pub fn plane(&self, image: usize, mut channel: usize) -> &'a [f32] {
        let size = self.height * self.width;
        for map in self.maps {
            let channels = map.shape()[1];
            if channel < channels {
                return &map.values()[((self.first_image + image) * channels + channel) * size..][..size];
            }
            channel -= channels;
        }
        &[]
    }

    /// `out[i] = plane[y, x + i]`, zero outside of the map.
    #[inline(always)]
    pub fn copy_row(&self, plane: &[f32], y: isize, x: isize, out: &mut [f32]) {
        if y < 0 || y >= self.height as isize {
            out.fill(0.0);
            return;
        }
        let row = &plane[y as usize * self.width..][..self.width];
        let count = out.len() as isize;
        if x >= 0 && x + count <= row.len() as isize {
            out.copy_from_slice(&row[x as usize..][..out.len()]);
            return;
        }
        let left = (-x).clamp(0, count);
        let right = (row.len() as isize - x).clamp(left, count);
        out[..left as usize].fill(0.0);
        out[right as usize..].fill(0.0);
        if right > left {
            out[left as usize..right as usize]
                .copy_from_slice(&row[(x + left) as usize..(x + right) as usize]);
        }
    }

    /// `out[i] = plane[y, x + step·i]`, zero outside of the map.
    #[inline(always)]
    pub fn copy_row_strided(&self, plane: &[f32], y: isize, x: isize, step: usize, out: &mut [f32]) {
        if step == 1 {
            return self.copy_row(plane, y, x, out);
        }
        if y < 0 || y >= self.height as isize {
            out.fill(0.0);
            return;
        }
        let row = &plane[y as usize * self.width..][..self.width];
        // Inside, no element is checked for itself.
        let last = x + (step * out.len().saturating_sub(1)) as isize;
        if step == 2 && x >= 0 && last < row.len() as isize {
            // A constant step becomes vector instructions.
            let pairs = pulp::as_arrays::<2, f32>(&row[x as usize..]).0;
            for (out, pair) in out.iter_mut().zip(pairs) {
                *out = pair[0];
            }
            if let Some(out) = out.last_mut() {
                *out = row[last as usize];
            }
            return;
        }
        if x >= 0 && last < row.len() as isize {
            for (out, value) in out.iter_mut().zip(row[x as usize..].iter().step_by(step)) {
                *out = *value;
            }
            return;
        }
        // Positions before the row wrap around to huge ones.
        for (i, out) in out.iter_mut().enumerate() {
            *out = row.get((x + (step * i) as isize) as usize).copied().unwrap_or(0.0);
        }
    }
}
