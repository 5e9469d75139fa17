//! Pictures and depth of the room.

use dro_vision::Pinhole;
use image::RgbImage;
use nalgebra::Isometry3;
use rayon::prelude::*;

use super::{
    room::Room,
    world::{pixel_colour, pixel_ray},
};
use crate::{Error, Map, Result};

/// Each pixel's colour is the mean over this many rays squared, so that edges and fine texture do not flicker.
const RAYS: u32 = 3;

/// What a camera sees.
#[derive(Debug, Clone)]
pub struct Rendering {
    /// The picture.
    pub rgb: RgbImage,
    /// Exact depth (z) at the pixel centres, metres; 0 would be "none" and does not occur inside the room.
    pub depth: Map,
}

impl Room {
    /// Renders `height × width` pixels of the view from `world_from_camera`.
    ///
    /// # Errors
    /// If the size is 0 or larger than 2¹⁶.
    ///
    /// # Example
    /// ```
    /// use dro_sfm::scene::{Room, hand_held_path};
    /// use dro_vision::Pinhole;
    ///
    /// let camera = Pinhole::from_fov_deg(65.0, 48, 64)?;
    /// let view = Room::new(7).render(&camera, 48, 64, &hand_held_path(1, 7)[0])?;
    /// assert!(view.depth.values().iter().all(|depth_m| (0.3..6.0).contains(depth_m)));
    /// # Ok::<(), dro_sfm::Error>(())
    /// ```
    pub fn render(
        &self,
        camera: &Pinhole,
        height: usize,
        width: usize,
        world_from_camera: &Isometry3<f64>,
    ) -> Result<Rendering> {
        let allowed = 1..=1 << 16;
        if !(allowed.contains(&height) && allowed.contains(&width)) {
            return Err(Error::argument("size", "1 to 65536 pixels each way", format!("{height}x{width}")));
        }
        let pixel = |row: usize, column: usize| {
            let colour = pixel_colour(&self.world, camera, world_from_camera, (row, column), RAYS);
            // Display gamma, so that shadows keep their texture.
            let shown = colour.map(|x| (x.powf(1.0 / 1.4) * 255.0).round() as u8);
            let depth = self.world.depth(&pixel_ray(camera, world_from_camera, column as f64, row as f64));
            (shown, depth.unwrap_or(0.0) as f32)
        };
        let pixels: Vec<([u8; 3], f32)> = (0..height)
            .into_par_iter()
            .flat_map_iter(|row| (0..width).map(move |column| pixel(row, column)))
            .collect();
        let colours = pixels.iter().flat_map(|(colour, _)| *colour).collect();
        let rgb = RgbImage::from_raw(width as u32, height as u32, colours)
            .ok_or_else(|| Error::argument("size", "one colour per pixel", format!("{height}x{width}")))?;
        Ok(Rendering {
            rgb,
            depth: Map::new(height, width, pixels.into_iter().map(|(_, depth)| depth).collect())?,
        })
    }
}
