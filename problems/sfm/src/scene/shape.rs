//! Where a ray meets a shape.

use nalgebra::{Isometry3, Point3, Vector3};

/// A half-line `origin + t·direction`, `t > 0`. The direction need not have length 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ray {
    pub(super) origin: Point3<f64>,
    pub(super) direction: Vector3<f64>,
}

/// The first point of a shape on a ray.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    /// In units of the ray's direction.
    pub(super) t: f64,
    /// Of length 1, towards the ray's origin.
    pub(super) normal: Vector3<f64>,
    /// 0, 1, 2 for the faces across x, y, z; +3 on the side with the larger coordinate. 0 on a sphere.
    pub(super) face: usize,
    /// Coordinates on the surface, metres.
    pub(super) surface_m: (f64, f64),
}

/// Things with a surface.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A box of the given half sizes; seen from the inside too.
    Cuboid { world_from_box: Isometry3<f64>, half_m: Vector3<f64> },
    /// A ball.
    Sphere { centre: Point3<f64>, radius_m: f64 },
    /// A ball that is stretched along its own axes.
    Ellipsoid { world_from_ball: Isometry3<f64>, half_m: Vector3<f64> },
}

/// A ball that has all of a shape in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ball {
    centre: Point3<f64>,
    radius_m: f64,
}

impl Ball {
    /// False only where the ray misses the ball.
    pub(super) fn may_be_hit(&self, ray: &Ray) -> bool {
        let to_centre = self.centre - ray.origin;
        let (along, square) = (to_centre.dot(&ray.direction), to_centre.norm_squared());
        let radius_square = self.radius_m * self.radius_m;
        let across = square - along * along / ray.direction.norm_squared();
        // From the inside every ray hits; from the outside only those that go towards it, and near enough.
        square <= radius_square || (along > 0.0 && across <= radius_square)
    }
}

/// Hits nearer than this belong to the surface that the ray starts from.
const NEAR: f64 = 1e-6;

impl Shape {
    /// The smallest ball around it, and a little more against rounding.
    pub(super) fn ball(&self) -> Ball {
        let (centre, radius_m) = match self {
            Self::Cuboid { world_from_box, half_m } => {
                (Point3::from(world_from_box.translation.vector), half_m.norm())
            }
            Self::Sphere { centre, radius_m } => (*centre, *radius_m),
            Self::Ellipsoid { world_from_ball, half_m } => {
                (Point3::from(world_from_ball.translation.vector), half_m.max())
            }
        };
        Ball { centre, radius_m: radius_m * (1.0 + 1e-9) + 1e-9 }
    }

    /// The nearest hit in front of the origin.
    pub(super) fn hit(&self, ray: &Ray) -> Option<Hit> {
        match self {
            Self::Cuboid { world_from_box, half_m } => cuboid(ray, world_from_box, half_m),
            Self::Sphere { centre, radius_m } => sphere(ray, centre, *radius_m),
            Self::Ellipsoid { world_from_ball, half_m } => ellipsoid(ray, world_from_ball, half_m),
        }
    }
}

/// The slab method: the ray is inside the box between the last entry and the first exit over the three axes.
fn cuboid(ray: &Ray, world_from_box: &Isometry3<f64>, half_m: &Vector3<f64>) -> Option<Hit> {
    let origin = world_from_box.inverse_transform_point(&ray.origin);
    let direction = world_from_box.inverse_transform_vector(&ray.direction);
    let (mut entry, mut exit) = ((f64::NEG_INFINITY, 0), (f64::INFINITY, 0));
    for axis in 0..3 {
        let to = |side: f64| (side * half_m[axis] - origin[axis]) / direction[axis];
        let (a, b) = (to(-1.0), to(1.0));
        // Along the slab (0/0 or ±∞): no limit if inside, no hit if outside.
        if direction[axis] == 0.0 {
            if origin[axis].abs() > half_m[axis] {
                return None;
            }
            continue;
        }
        if a.min(b) > entry.0 {
            entry = (a.min(b), axis);
        }
        if a.max(b) < exit.0 {
            exit = (a.max(b), axis);
        }
    }
    if entry.0 > exit.0 {
        return None;
    }
    let (t, axis) = if entry.0 > NEAR { entry } else { exit };
    if !(t > NEAR && t.is_finite()) {
        return None;
    }
    let point = origin + direction * t;
    let mut normal = Vector3::zeros();
    normal[axis] = -direction[axis].signum();
    let surface_m = match axis {
        0 => (point.z, point.y),
        1 => (point.x, point.z),
        _ => (point.x, point.y),
    };
    let face = axis + if point[axis] > 0.0 { 3 } else { 0 };
    Some(Hit { t, normal: world_from_box * normal, face, surface_m })
}

fn sphere(ray: &Ray, centre: &Point3<f64>, radius_m: f64) -> Option<Hit> {
    let offset = ray.origin - centre;
    let (a, half_b) = (ray.direction.norm_squared(), offset.dot(&ray.direction));
    let root = (half_b * half_b - a * (offset.norm_squared() - radius_m * radius_m)).sqrt();
    // NaN where the ray passes by: no comparison holds.
    let t = [(-half_b - root) / a, (-half_b + root) / a].into_iter().find(|t| *t > NEAR)?;
    let outward = (offset + ray.direction * t) / radius_m;
    let surface_m = (outward.z.atan2(outward.x) * radius_m, outward.y.clamp(-1.0, 1.0).asin() * radius_m);
    let normal = if outward.dot(&ray.direction) < 0.0 { outward } else { -outward };
    Some(Hit { t, normal, face: 0, surface_m })
}

/// In coordinates divided by the half sizes it is the unit sphere; t stays what it is.
fn ellipsoid(ray: &Ray, world_from_ball: &Isometry3<f64>, half_m: &Vector3<f64>) -> Option<Hit> {
    let origin = world_from_ball.inverse_transform_point(&ray.origin).coords.component_div(half_m);
    let direction = world_from_ball.inverse_transform_vector(&ray.direction).component_div(half_m);
    let unit = sphere(&Ray { origin: origin.into(), direction }, &Point3::origin(), 1.0)?;
    let normal = (world_from_ball * unit.normal.component_div(half_m)).normalize();
    let size_m = half_m.mean();
    Some(Hit { normal, surface_m: (unit.surface_m.0 * size_m, unit.surface_m.1 * size_m), ..unit })
}
