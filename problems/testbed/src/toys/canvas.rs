//! Small pictures.

use image::{Rgb, RgbImage};

use crate::{Error, Result};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Paper.
pub(super) const WHITE: Colour = [255; 3];
/// What the eye should find first.
pub(super) const ORANGE: Colour = [213, 94, 0];
/// What it is held against.
pub(super) const BLUE: Colour = [0, 114, 178];
/// Everything else.
pub(super) const GREY: Colour = [190; 3];

/// A picture whose drawing calls ignore what lies outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas(RgbImage);

impl Canvas {
    /// A white picture.
    pub fn new(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width, height, Rgb(WHITE)))
    }

    /// One pixel per entry of `colour(column, row)`, enlarged `zoom` times.
    pub fn from_fn(width: u32, height: u32, zoom: u32, colour: impl Fn(u32, u32) -> Colour) -> Self {
        Self(RgbImage::from_fn(width * zoom, height * zoom, |x, y| Rgb(colour(x / zoom, y / zoom))))
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.0.dimensions()
    }

    /// The pixels.
    pub fn image(&self) -> &RgbImage {
        &self.0
    }

    /// One pixel; x to the right, y down.
    pub fn set(&mut self, x: f64, y: f64, colour: Colour) {
        // Casts saturate, and a NaN becomes 0.
        let (x, y) = (x.round() as i64, y.round() as i64);
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
        {
            *pixel = Rgb(colour);
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, x: f64, y: f64, radius: f64, colour: Colour) {
        let reach = radius.ceil() as i64;
        for (dx, dy) in (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx as f64, dy as f64)))
        {
            if dx * dx + dy * dy <= radius * radius {
                self.set(x + dx, y + dy, colour);
            }
        }
    }

    /// A line one pixel wide.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().clamp(1.0, 1e4) as u32;
        for i in 0..=steps {
            let t = f64::from(i) / f64::from(steps);
            self.set(from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1), colour);
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If the encoder refuses: a picture without pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        self.0
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|source| Error::Picture { size: self.size(), source })?;
        Ok(bytes.into_inner())
    }
}

/// Pictures in a row, with a little grey between.
pub fn side_by_side(panels: &[Canvas]) -> Canvas {
    const GAP: u32 = 6;
    let width = panels.iter().map(|panel| panel.size().0 + GAP).sum::<u32>().saturating_sub(GAP);
    let height = panels.iter().map(|panel| panel.size().1).max().unwrap_or(0);
    let mut row = Canvas(RgbImage::from_pixel(width, height, Rgb(GREY)));
    let mut left = 0;
    for panel in panels {
        image::imageops::replace(&mut row.0, &panel.0, i64::from(left), 0);
        left += panel.size().0 + GAP;
    }
    row
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_ignored() {
        let mut canvas = Canvas::new(10, 8);
        canvas.disc(9.0, 7.0, 3.0, ORANGE);
        canvas.line((-50.0, 4.0), (50.0, 4.0), BLUE);
        canvas.set(f64::NAN, f64::INFINITY, BLUE);
        assert_eq!(canvas.image().get_pixel(9, 7).0, ORANGE);
        assert_eq!((canvas.image().get_pixel(0, 4).0, canvas.image().get_pixel(9, 4).0), (BLUE, BLUE));
        assert_eq!(canvas.image().get_pixel(0, 0).0, WHITE);
        let row = side_by_side(&[canvas.clone(), canvas]);
        assert_eq!(row.size(), (26, 8));
        assert_eq!(row.image().get_pixel(25, 7).0, ORANGE);
        assert!(row.png().unwrap().starts_with(&[0x89, b'P', b'N', b'G']));
    }
}
