//! Convolutions of a map that is constant.

/// Where a map is constant but for its border: the size of the smallest map that shows all there is to see.
///
/// Convolutions whose kernels reach `reach` pixels in all turn a constant into a map whose rows differ only within
/// `reach` of the border (zeros are padded there), and its columns alike. A map of `2·reach + 1` has every such row and
/// column once; a larger one repeats the middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constant {
    reach: usize,
    size: (usize, usize),
}

impl Constant {
    /// For maps of `size`.
    pub(super) fn new(reach: usize, size: (usize, usize)) -> Self {
        Self { reach, size }
    }

    /// Height and width of the small map.
    pub(super) fn small(&self) -> (usize, usize) {
        let side = 2 * self.reach + 1;
        (self.size.0.min(side), self.size.1.min(side))
    }

    /// The small map `[channels, …]` brought to the full size: `out` `[channels, height, width]`.
    pub(super) fn expand(&self, small: &[f32], out: &mut [f32]) {
        let ((height, width), (rows, columns)) = (self.size, self.small());
        if out.is_empty() {
            return;
        }
        // The middle column is repeated `width − columns` more times; likewise the middle row.
        let (left, right) = (columns.div_ceil(2), columns / 2);
        let (top, bottom) = (rows.div_ceil(2), rows / 2);
        let planes = out.chunks_exact_mut(height * width).zip(small.chunks_exact(rows * columns));
        for (out, small) in planes {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                let row = if y < top { y } else { (y + rows).saturating_sub(height).max(rows - bottom - 1) };
                let row = &small[row * columns..][..columns];
                out[..left].copy_from_slice(&row[..left]);
                out[left..width - right].fill(row[left - 1]);
                out[width - right..].copy_from_slice(&row[columns - right..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Constant;

    #[test]
    fn the_middle_is_repeated() {
        let small: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let mut out = vec![f32::NAN; 4 * 5];
        let map = Constant::new(1, (4, 5));
        assert_eq!(map.small(), (3, 3));
        map.expand(&small, &mut out);
        let expected =
            [[0., 1., 1., 1., 2.], [3., 4., 4., 4., 5.], [3., 4., 4., 4., 5.], [6., 7., 7., 7., 8.]];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn a_map_no_larger_than_the_small_one_is_itself() {
        for size in [(1, 1), (1, 2), (3, 2), (2, 3), (3, 3)] {
            let map = Constant::new(1, size);
            assert_eq!(map.small(), size);
            let small: Vec<f32> = (0..size.0 * size.1).map(|v| v as f32).collect();
            let mut out = vec![f32::NAN; small.len()];
            map.expand(&small, &mut out);
            assert_eq!(out, small);
        }
    }
}
