//! Shapes, their textures, and the light on them.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point2, Point3, Vector3};

use super::{
    shape::{Ball, Hit, Ray, Shape},
    texture::{Colour, Texture},
};

/// A shape with a texture for each of its faces (as [`Hit::face`] counts them; the last serves all further ones).
#[derive(Debug, Clone)]
pub(super) struct Thing {
    pub(super) shape: Shape,
    pub(super) textures: Vec<Texture>,
    /// What encloses the scene must not shade it.
    pub(super) shades: bool,
}

/// A point that shines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lamp {
    pub(super) at: Point3<f64>,
    pub(super) strength: f64,
}

/// Everything that can be seen. Surfaces are matt, so a point has one colour from wherever it is seen.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Each with the ball around it, which most rays miss.
    things: Vec<(Thing, Ball)>,
    lamps: Vec<Lamp>,
    ambient: f64,
    fade: f64,
}

impl World {
    /// * `ambient`: light from everywhere
    /// * `fade`: light of a lamp, and that from everywhere, is divided by 1 + fade · distance²
    pub(super) fn new(things: Vec<Thing>, lamps: Vec<Lamp>, ambient: f64, fade: f64) -> Self {
        let things = things.into_iter().map(|thing| {
            let ball = thing.shape.ball();
            (thing, ball)
        });
        Self { things: things.collect(), lamps, ambient, fade }
    }

    /// The nearest surface on a ray, and its colour in the light that falls on it, each channel in [0, 1].
    pub(super) fn seen(&self, ray: &Ray) -> Option<(f64, Colour)> {
        let (thing, hit) = self.nearest(ray)?;
        let texture = thing.textures.get(hit.face).or(thing.textures.last())?;
        let colour = texture.colour(hit.surface_m.0, hit.surface_m.1);
        let light = self.light(&(ray.origin + ray.direction * hit.t), &hit.normal);
        Some((hit.t, colour.map(|x| (x * light).clamp(0.0, 1.0))))
    }

    /// The depth of the nearest surface, in units of the ray's direction.
    pub(super) fn depth(&self, ray: &Ray) -> Option<f64> {
        self.nearest(ray).map(|(_, hit)| hit.t)
    }

    fn nearest(&self, ray: &Ray) -> Option<(&Thing, Hit)> {
        let near = self.things.iter().filter(|(_, ball)| ball.may_be_hit(ray));
        let hits = near.filter_map(|(thing, _)| Some((thing, thing.shape.hit(ray)?)));
        hits.min_by(|a, b| a.1.t.total_cmp(&b.1.t))
    }

    /// Lambert's law, with shadows.
    fn light(&self, at: &Point3<f64>, normal: &Vector3<f64>) -> f64 {
        let mut light = 0.0;
        for lamp in &self.lamps {
            let to_lamp = lamp.at - at;
            let distance_m = to_lamp.norm();
            let facing = (normal.dot(&to_lamp) / distance_m.max(1e-9)).max(0.0);
            let shadow_ray = Ray { origin: at + normal * 1e-4, direction: to_lamp };
            let shaded = facing > 0.0
                && self.things.iter().any(|(thing, ball)| {
                    thing.shades
                        && ball.may_be_hit(&shadow_ray)
                        && thing.shape.hit(&shadow_ray).is_some_and(|hit| hit.t < 1.0)
                });
            let direct = if shaded { 0.0 } else { facing };
            let everywhere = self.ambient / self.lamps.len() as f64;
            light += (everywhere + lamp.strength * direct) / (1.0 + self.fade * distance_m * distance_m);
        }
        light
    }
}

/// The ray through a pixel. Its direction has z = 1 in the camera's frame, so that t along it is the depth.
pub(super) fn pixel_ray(camera: &Pinhole, world_from_camera: &Isometry3<f64>, u: f64, v: f64) -> Ray {
    Ray {
        origin: Point3::from(world_from_camera.translation.vector),
        direction: world_from_camera.rotation * camera.backproject(&Point2::new(u, v), 1.0).coords,
    }
}

/// The mean colour over `rays × rays` places in a pixel, linear, each channel in [0, 1]; black where nothing is.
pub(super) fn pixel_colour(
    world: &World,
    camera: &Pinhole,
    world_from_camera: &Isometry3<f64>,
    (row, column): (usize, usize),
    rays: u32,
) -> Colour {
    let within = |k: u32| (f64::from(k) + 0.5) / f64::from(rays) - 0.5;
    let mut sum = [0.0; 3];
    for index in 0..rays * rays {
        let (u, v) = (column as f64 + within(index % rays), row as f64 + within(index / rays));
        let seen = world.seen(&pixel_ray(camera, world_from_camera, u, v));
        for (sum, x) in sum.iter_mut().zip(seen.map_or([0.0; 3], |(_, colour)| colour)) {
            *sum += x;
        }
    }
    sum.map(|x| x / f64::from(rays * rays))
}
