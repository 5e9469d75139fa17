//! Other colours.

use std::f64::consts::TAU;

/// A change of colours. `1, 1, 1, 0` changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// Factor of all values.
    pub brightness: f64,
    /// Factor of the distance from the mean grey of the image.
    pub contrast: f64,
    /// Factor of the distance from the pixel's own grey.
    pub saturation: f64,
    /// Turn of the hue, in whole turns.
    pub hue: f64,
}

/// Grey of a colour (ITU-R BT.601).
const GREY: [f64; 3] = [0.299, 0.587, 0.114];

impl Jitter {
    /// Changes three planes of values in [0, 1], and clamps to that.
    ///
    /// Hue is turned in the YIQ space, the plane across the grey axis.
    pub fn apply(&self, image: &mut [f32]) {
        let count = image.len() / 3;
        let (red, rest) = image.split_at_mut(count);
        let (green, blue) = rest.split_at_mut(count);
        let grey = |rgb: [f64; 3]| GREY.iter().zip(rgb).map(|(weight, x)| weight * x).sum::<f64>();
        let pixel = |r: &f32, g: &f32, b: &f32| [f64::from(*r), f64::from(*g), f64::from(*b)];
        let sum: f64 = red.iter().zip(&*green).zip(&*blue).map(|((r, g), b)| grey(pixel(r, g, b))).sum();
        let mean = self.brightness * sum / count.max(1) as f64;
        let (sin, cos) = (TAU * self.hue).sin_cos();
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let rgb = pixel(r, g, b).map(|x| mean + self.contrast * (self.brightness * x - mean));
            let y = grey(rgb);
            let i = 0.596 * rgb[0] - 0.274 * rgb[1] - 0.322 * rgb[2];
            let q = 0.211 * rgb[0] - 0.523 * rgb[1] + 0.312 * rgb[2];
            let (i, q) = (self.saturation * (cos * i - sin * q), self.saturation * (sin * i + cos * q));
            let shown = [y + 0.956 * i + 0.621 * q, y - 0.272 * i - 0.647 * q, y - 1.106 * i + 1.703 * q];
            let [red, green, blue] = shown.map(|x| x.clamp(0.0, 1.0) as f32);
            (*r, *g, *b) = (red, green, blue);
        }
    }
}
