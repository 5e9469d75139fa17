//! The neighbour's picture as the target's camera would see it.

use dro_vision::Pinhole;
use image::{Rgb, RgbImage};
use nalgebra::{Isometry3, Point2};
use rayon::prelude::*;

use crate::{Error, Map, Result};

/// A neighbour warped into the target's view.
#[derive(Debug, Clone)]
pub struct Warped {
    /// The warped picture; black where nothing is seen.
    pub picture: RgbImage,
    /// Row by row: whether the neighbour sees the pixel's point.
    pub seen: Vec<bool>,
}

/// For every target pixel `u` with inverse depth `d > 0`, the neighbour's colour at `π(T π⁻¹(u, 1/d))` with
/// `T = neighbour_from_target`, bilinear. Occlusion is not tested.
///
/// # Errors
/// If the neighbour and the inverse depth are not of one size.
pub fn warped(
    neighbour: &RgbImage,
    inv_depth: &Map,
    camera: &Pinhole,
    neighbour_from_target: &Isometry3<f64>,
) -> Result<Warped> {
    let (height, width) = (inv_depth.height(), inv_depth.width());
    if neighbour.dimensions() != (width as u32, height as u32) {
        let (w, h) = neighbour.dimensions();
        return Err(Error::argument(
            "neighbour",
            format!("a picture of {width}x{height}"),
            format!("{w}x{h}"),
        ));
    }
    let colours: Vec<Option<Rgb<u8>>> = inv_depth
        .values()
        .par_iter()
        .enumerate()
        .map(|(index, &inverse)| {
            if !(inverse > 0.0 && inverse.is_finite()) {
                return None;
            }
            let pixel = Point2::new((index % width) as f64, (index / width) as f64);
            let p_in_neighbour = neighbour_from_target * camera.backproject(&pixel, 1.0 / f64::from(inverse));
            bilinear(neighbour, camera.project(&p_in_neighbour)?)
        })
        .collect();
    let seen = colours.iter().map(Option::is_some).collect();
    let mut picture = RgbImage::new(width as u32, height as u32);
    for (pixel, colour) in picture.pixels_mut().zip(colours) {
        *pixel = colour.unwrap_or(Rgb([0; 3]));
    }
    Ok(Warped { picture, seen })
}

/// The colour between four pixels; `None` outside the pixel centres.
fn bilinear(picture: &RgbImage, at: Point2<f64>) -> Option<Rgb<u8>> {
    let (right, bottom) = (picture.width().checked_sub(1)?, picture.height().checked_sub(1)?);
    let inside = |x: f64, end: u32| x >= 0.0 && x <= f64::from(end);
    if !(inside(at.x, right) && inside(at.y, bottom)) {
        return None;
    }
    let (column, row) = (at.x as u32, at.y as u32);
    let (a, b) = (at.x - f64::from(column), at.y - f64::from(row));
    let pixel = |dx: u32, dy: u32| picture.get_pixel((column + dx).min(right), (row + dy).min(bottom)).0;
    let corners = [pixel(0, 0), pixel(1, 0), pixel(0, 1), pixel(1, 1)];
    let weights = [(1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b];
    let channel = |c: usize| {
        let sum: f64 =
            corners.iter().zip(weights).map(|(corner, weight)| weight * f64::from(corner[c])).sum();
        sum.round() as u8
    };
    Some(Rgb([channel(0), channel(1), channel(2)]))
}
