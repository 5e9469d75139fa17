//! Where is the camera? As many pixels as possible should agree.

use std::sync::Arc;

use candle_core::Tensor;
use dro_core::{Block, Manifold, Space, search::Encoding};
use dro_vision::{Pinhole, se3, se3_retract};
use nalgebra::{
    Isometry3, Matrix3, Point2, Point3, Rotation3, Translation3, UnitQuaternion, Vector3, Vector6,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Canvas, Toy, canvas::ORANGE};
use crate::Result;

/// Height and width of the image.
const SIZE: (usize, usize) = (36, 48);
const BALLS: usize = 7;

/// Poses `camera_from_world` as matrices `[3, 4]`; increments act on the left, `exp(ξ) ∘ T`, translation first.
#[derive(Debug)]
struct Poses;

impl Manifold for Poses {
    fn name(&self) -> &str {
        "SE(3)"
    }

    fn retract(&self, x: &Tensor, d: &Tensor) -> dro_core::Result<Tensor> {
        se3_retract(x, d).map_err(dro_core::Error::outside)
    }

    fn increment_elements(&self, _stored: usize) -> usize {
        6
    }
}

/// A map of seven balls and one binary image of them, taken from an unknown place. The search starts 0.5 m and
/// 13 degrees away, on the manifold of poses; the cost is the share of pixels that disagree (Hamming) with the rendered map.
#[derive(Debug)]
pub struct Localisation {
    encoding: Encoding,
    camera: Pinhole,
    /// Centre in the world and radius, metres.
    balls: Vec<(Point3<f64>, f64)>,
    image: Vec<bool>,
    truth: Isometry3<f64>,
}

impl Localisation {
    /// Another map and another camera for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut number = |low: f64, high: f64| rng.random_range(low..=high);
        let balls: Vec<_> = (0..BALLS)
            .map(|_| (Point3::new(number(-1.6, 1.6), number(-1.1, 1.1), number(3.0, 6.0)), number(0.15, 0.5)))
            .collect();
        let camera = Pinhole::from_fov_deg(60.0, SIZE.0, SIZE.1)?;
        let truth = se3::exp(&Vector6::from_fn(|_, _| number(-0.1, 0.1)));
        let direction =
            |number: &mut dyn FnMut(f64, f64) -> f64| Vector3::from_fn(|_, _| number(-1.0, 1.0)).normalize();
        let away = (direction(&mut number) * 0.5, direction(&mut number) * 13f64.to_radians());
        let start =
            se3::exp(&Vector6::new(away.0.x, away.0.y, away.0.z, away.1.x, away.1.y, away.1.z)) * truth;
        let space = Space::new(vec![Block::manifold("camera_from_world", [3, 4], Arc::new(Poses))])?;
        let encoding = Encoding::new(&space)?
            .start("camera_from_world", &numbers(&start))?
            .scale("camera_from_world", 0.4)?;
        let image = render(&camera, &balls, &truth);
        Ok(Self { encoding, camera, balls, image, truth })
    }
}

/// The matrix `[R | t]`, row by row.
fn numbers(pose: &Isometry3<f64>) -> Vec<f64> {
    let matrix = pose.to_homogeneous();
    (0..12).map(|at| matrix[(at / 4, at % 4)]).collect()
}

fn pose(values: &[f64]) -> Option<Isometry3<f64>> {
    let &[a, b, c, x, d, e, f, y, g, h, i, z] = values else { return None };
    let rotation = Rotation3::from_matrix_unchecked(Matrix3::new(a, b, c, d, e, f, g, h, i));
    Some(Isometry3::from_parts(Translation3::new(x, y, z), UnitQuaternion::from_rotation_matrix(&rotation)))
}

/// Row by row, whether the ray through each pixel meets a ball.
fn render(camera: &Pinhole, balls: &[(Point3<f64>, f64)], camera_from_world: &Isometry3<f64>) -> Vec<bool> {
    let seen: Vec<_> =
        balls.iter().map(|(centre, radius)| (camera_from_world * centre, radius * radius)).collect();
    (0..SIZE.0 * SIZE.1)
        .map(|at| {
            let pixel = Point2::new((at % SIZE.1) as f64, (at / SIZE.1) as f64);
            let ray = camera.backproject(&pixel, 1.0).coords.normalize();
            seen.iter().any(|(centre, square)| {
                let along = ray.dot(&centre.coords);
                along > 0.0 && centre.coords.norm_squared() - along * along < *square
            })
        })
        .collect()
}

impl Toy for Localisation {
    fn name(&self) -> &'static str {
        "localisation"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        let Some(pose) = pose(values) else { return f64::NAN };
        let rendered = render(&self.camera, &self.balls, &pose);
        let wrong = rendered.iter().zip(&self.image).filter(|(a, b)| a != b).count();
        wrong as f64 / self.image.len() as f64
    }

    fn truth(&self) -> Option<Vec<f64>> {
        Some(numbers(&self.truth))
    }

    fn evaluations(&self) -> usize {
        600
    }

    fn say(&self, values: &[f64]) -> String {
        let Some(pose) = pose(values) else { return "no pose".into() };
        let off = pose * self.truth.inverse();
        format!(
            "{:.1} % of the pixels disagree, {:.1} degrees and {:.2} m off",
            100.0 * self.cost(values),
            off.rotation.angle().to_degrees(),
            // How far apart the two camera centres are.
            (pose.inverse().translation.vector - self.truth.inverse().translation.vector).norm()
        )
    }

    /// Grey: both images; orange: one of them.
    fn draw(&self, values: &[f64]) -> Canvas {
        let rendered = pose(values).map(|pose| render(&self.camera, &self.balls, &pose)).unwrap_or_default();
        Canvas::from_fn(SIZE.1 as u32, SIZE.0 as u32, 5, |x, y| {
            let at = y as usize * SIZE.1 + x as usize;
            match (self.image.get(at), rendered.get(at)) {
                (Some(true), Some(true)) => [90; 3],
                (Some(false), Some(false)) => [240; 3],
                _ => ORANGE,
            }
        })
    }
}
