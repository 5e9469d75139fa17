//! An endless supply of scenes to train on.
//!
//! | file | what it does |
//! | --- | --- |
//! | `config` | what is generated, and how large |
//! | `material` | random surfaces |
//! | `indoor` | furnished rooms |
//! | `floating` | objects that hang in space, in the manner of Scenes11 |
//! | `street` | two rows of blocks along a road |
//! | `motion` | where the cameras are |
//! | `photo` | from light to pixels: exposure, white balance, blur, noise |

mod config;
mod floating;
mod indoor;
mod material;
mod motion;
mod photo;
mod street;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use dro_vision::Pinhole;
use nalgebra::Isometry3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    texture::Colour,
    world::{World, pixel_colour, pixel_ray},
};
use crate::{Map, Result, sample::Sample, sorted::Sorted};

pub use config::GeneratedConfig;

/// Scenes by number: sample i of a seed is always the same, whatever came before and however many threads there are.
#[derive(Debug, Clone)]
pub struct Generated {
    config: GeneratedConfig,
    seed: u64,
}

/// A world and the camera's place in it.
struct Scene {
    world: World,
    /// Somewhere free, looking at something.
    world_from_target: Isometry3<f64>,
}

impl Generated {
    /// # Errors
    /// If a setting is out of range.
    pub fn new(config: GeneratedConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, seed })
    }

    /// Sample `index` with `neighbours` neighbours (1 or more) of `(height, width)` pixels. Rows are rendered in parallel.
    ///
    /// # Errors
    /// If a size is 0.
    ///
    /// ```
    /// use dro_sfm::scene::{Generated, GeneratedConfig};
    ///
    /// let scenes = Generated::new(GeneratedConfig::default(), 7)?;
    /// let sample = scenes.sample(12, 2, (32, 48))?;
    /// assert_eq!((sample.images.len(), sample.poses.len()), (3, 2));
    /// assert_eq!(sample, scenes.sample(12, 2, (32, 48))?);
    /// # Ok::<(), dro_sfm::Error>(())
    /// ```
    pub fn sample(&self, index: u64, neighbours: usize, size: (usize, usize)) -> Result<Sample> {
        let mut rng = self.stream(index);
        let camera = photo::lens(&mut rng, size)?;
        let scene = self.scene(&mut rng);
        let clear_m = nearest_m(&scene.world, &camera, &scene.world_from_target, size);
        let (typical_m, motion) = (clear_m.1, motion::draw(&mut rng, &self.config, clear_m.1));
        let cameras = motion::cameras(&motion, &scene, &camera, size, neighbours, typical_m);

        let film = photo::Film::draw(&mut rng, self.config.photo);
        let mut images = Vec::with_capacity(cameras.len());
        for (view, pose) in cameras.iter().enumerate() {
            let light = light(&scene.world, &camera, pose, size, self.config.rays);
            images.push(film.develop(&light, size, &mut self.stream_of_view(index, view as u64)));
        }
        let depth = depth(&scene.world, &camera, &scene.world_from_target, size)?;
        let target = scene.world_from_target;
        let poses = cameras.iter().skip(1).map(|neighbour| neighbour.inv_mul(&target)).collect();
        let sample = Sample { size, images, camera, depth, poses, start: None };
        sample.check()?;
        Ok(match (self.config.median_depth_m, sample.median_depth_m()) {
            (Some(wanted_m), Some(median_m)) => sample.scaled(wanted_m / median_m),
            _ => sample,
        })
    }

    fn scene(&self, rng: &mut ChaCha8Rng) -> Scene {
        let [indoor, floating, street] = self.config.shares;
        let drawn = rng.random_range(0.0..indoor + floating + street);
        if drawn < indoor {
            indoor::scene(rng, self.config.painted)
        } else if drawn < indoor + floating {
            floating::scene(rng)
        } else {
            street::scene(rng)
        }
    }

    fn stream(&self, index: u64) -> ChaCha8Rng {
        keyed([self.seed, index, 0, 0])
    }

    /// Noise has a stream of its own, so that a change of the film does not move the furniture.
    fn stream_of_view(&self, index: u64, view: u64) -> ChaCha8Rng {
        keyed([self.seed, index, 1, view])
    }
}

/// Four numbers are the key of the cipher, so different ones never share a stream.
fn keyed(numbers: [u64; 4]) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip(numbers) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Light on every pixel, linear.
fn light(
    world: &World,
    camera: &Pinhole,
    pose: &Isometry3<f64>,
    size: (usize, usize),
    rays: u32,
) -> Vec<Colour> {
    (0..size.0)
        .into_par_iter()
        .flat_map_iter(|row| {
            (0..size.1).map(move |column| pixel_colour(world, camera, pose, (row, column), rays))
        })
        .collect()
}

fn depth(
    world: &World,
    camera: &Pinhole,
    pose: &Isometry3<f64>,
    (height, width): (usize, usize),
) -> Result<Map> {
    let at = |row: usize, column: usize| {
        world.depth(&pixel_ray(camera, pose, column as f64, row as f64)).unwrap_or(0.0) as f32
    };
    let values = (0..height)
        .into_par_iter()
        .flat_map_iter(|row| (0..width).map(move |column| at(row, column)))
        .collect();
    Map::new(height, width, values)
}

/// Least and median depth over a coarse grid of pixels.
fn nearest_m(world: &World, camera: &Pinhole, pose: &Isometry3<f64>, size: (usize, usize)) -> (f64, f64) {
    let depths = Sorted::new(grid(size).filter_map(|(u, v)| world.depth(&pixel_ray(camera, pose, u, v))));
    let at = |below| depths.permille(below).unwrap_or(1.0);
    (at(0), at(500))
}

/// 8x8 pixels over the image.
fn grid((height, width): (usize, usize)) -> impl Iterator<Item = (f64, f64)> {
    let at = |k: usize, size: usize| (k as f64 + 0.5) / 8.0 * size as f64 - 0.5;
    (0..64).map(move |k| (at(k % 8, width), at(k / 8, height)))
}
