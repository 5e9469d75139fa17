//! Contact sheets: pictures in rows and columns.

use image::{Rgb, RgbImage, imageops};

/// White pixels between cells and around them.
const GAP: u32 = 4;

/// Puts pictures into rows and columns on white; each is resized to `cell` (height, width).
///
/// Small maps are enlarged pixel by pixel, so that their resolution is seen; larger pictures are reduced smoothly.
/// Rows may differ in length. Empty input gives an empty cell's sheet, never a panic.
pub fn grid(rows: &[Vec<RgbImage>], cell: (u32, u32)) -> RgbImage {
    let (height, width) = (cell.0.max(1), cell.1.max(1));
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1) as u32;
    let row_count = rows.len().max(1) as u32;
    let sheet_size = (columns * (width + GAP) + GAP, row_count * (height + GAP) + GAP);
    let mut sheet = RgbImage::from_pixel(sheet_size.0, sheet_size.1, Rgb([255; 3]));
    for (row, pictures) in (0u32..).zip(rows) {
        for (column, picture) in (0u32..).zip(pictures) {
            let left = GAP + column * (width + GAP);
            let top = GAP + row * (height + GAP);
            imageops::replace(&mut sheet, &fitted(picture, height, width), left.into(), top.into());
        }
    }
    sheet
}

fn fitted(picture: &RgbImage, height: u32, width: u32) -> RgbImage {
    let enlarges = picture.width() < width && picture.height() < height;
    let filter = if enlarges { imageops::FilterType::Nearest } else { imageops::FilterType::Triangle };
    imageops::resize(picture, width, height, filter)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_in_their_places() {
        let plain = |colour, width, height| RgbImage::from_pixel(width, height, Rgb(colour));
        let rows =
            [vec![plain([255, 0, 0], 4, 3), plain([0, 255, 0], 80, 60)], vec![plain([0, 0, 255], 20, 10)]];
        let sheet = grid(&rows, (10, 20));
        assert_eq!(sheet.dimensions(), (2 * 24 + 4, 2 * 14 + 4));
        let at = |row: u32, column: u32| sheet.get_pixel(4 + 24 * column + 10, 4 + 14 * row + 5).0;
        assert_eq!([at(0, 0), at(0, 1), at(1, 0)], [[255, 0, 0], [0, 255, 0], [0, 0, 255]]);
        assert_eq!(at(1, 1), [255; 3]);
        assert_eq!(sheet.get_pixel(25, 8).0, [255; 3]);
    }

    #[test]
    fn nothing_gives_an_empty_sheet() {
        assert_eq!(grid(&[], (2, 3)).dimensions(), (11, 10));
        assert_eq!(grid(&[vec![RgbImage::new(0, 0)]], (0, 0)).dimensions(), (9, 9));
    }
}
