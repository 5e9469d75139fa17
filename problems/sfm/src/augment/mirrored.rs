//! A solver asked twice: for the views and for their mirror image.

use candle_core::{DType, Device, Tensor};
use dro_vision::Pinhole;
use nalgebra::Isometry3;

use super::flip::{mirrored_camera, mirrored_pose};
use crate::{Error, Estimate, Map, Result, Solver, Views, Watch, watch::Unshown};

/// Solves the views and their mirror image with the same solver and averages the two answers.
///
/// Images, camera and poses are mirrored together, so that both problems are equally true. Inverse depths are averaged,
/// except within a tenth of the width of a border, where the left one goes over to the mirrored answer and the right one
/// to the plain answer (the post-processing of Monodepth, Godard et al., CVPR 2017). Translations are averaged and
/// rotations meet half way. A solver that cannot know the scale must give both answers in one unit.
pub struct MirrorAveraged<'a> {
    solver: &'a dyn Solver,
}

impl<'a> MirrorAveraged<'a> {
    /// Asks `solver` twice each time.
    pub fn new(solver: &'a dyn Solver) -> Self {
        Self { solver }
    }
}

impl Solver for MirrorAveraged<'_> {
    fn multiple_of(&self) -> usize {
        self.solver.multiple_of()
    }

    fn max_depth(&self) -> f64 {
        self.solver.max_depth()
    }

    /// The watch sees the updates of the views as they are.
    fn solve(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate> {
        let plain = self.solver.solve(views, watch)?;
        let mirrored = self.solver.solve(&mirrored_views(views)?, &mut Unshown(|| watch.interrupted()))?;
        let poses = plain.poses.iter().zip(&mirrored.poses);
        Ok(Estimate {
            inv_depth: averaged(&plain.inv_depth, &mirrored.inv_depth)?,
            poses: poses.map(|(pose, other)| half_way(pose, &mirrored_pose(other))).collect(),
            cost_start: 0.5 * (plain.cost_start + mirrored.cost_start),
            cost_end: 0.5 * (plain.cost_end + mirrored.cost_end),
            updates: plain.updates,
        })
    }
}

fn mirrored_views(views: &Views) -> Result<Views> {
    let (_, _, _, width) = views.target.dims4()?;
    // On the CPU: not every device has a kernel for it.
    let mirror = |image: &Tensor| -> Result<Tensor> {
        let mirrored = image.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flip(&[3])?.contiguous()?;
        Ok(mirrored.to_device(image.device())?)
    };
    let camera: Pinhole = mirrored_camera(&views.camera, width)?;
    let neighbours = views.neighbours.iter().map(mirror).collect::<Result<Vec<_>>>()?;
    Ok(Views { target: mirror(&views.target)?, neighbours, camera })
}

/// Monodepth's average of an inverse depth and of the one of the mirror image (here still mirrored).
fn averaged(plain: &Map, mirrored: &Map) -> Result<Map> {
    let (height, width) = (plain.height(), plain.width());
    if (mirrored.height(), mirrored.width()) != (height, width) {
        let found = format!("{}x{}", mirrored.height(), mirrored.width());
        return Err(Error::argument("mirrored answer", format!("{height}x{width}"), found));
    }
    // From 1 at the border to 0 at a tenth of the width.
    let border = |column: usize| {
        let x = column as f32 / (width.saturating_sub(1).max(1)) as f32;
        1.0 - (20.0 * (x - 0.05)).clamp(0.0, 1.0)
    };
    let rows = plain.values().chunks(width.max(1)).zip(mirrored.values().chunks(width.max(1)));
    let mut values = Vec::with_capacity(height * width);
    for (plain, mirrored) in rows {
        for (column, (&own, &other)) in plain.iter().zip(mirrored.iter().rev()).enumerate() {
            let (left, right) = (border(column), border(width - 1 - column));
            values.push(right * own + left * other + (1.0 - left - right) * 0.5 * (own + other));
        }
    }
    Map::new(height, width, values)
}

fn half_way(a: &Isometry3<f64>, b: &Isometry3<f64>) -> Isometry3<f64> {
    // Opposite rotations have no mean: keep the first.
    a.try_lerp_slerp(b, 0.5, 1e-9).unwrap_or(*a)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Unwatched;

    /// Answers with the target's red channel as inverse depth, and with a pose that follows from the camera.
    struct Reads;

    impl Solver for Reads {
        fn solve(&self, views: &Views, _: &mut dyn Watch) -> Result<Estimate> {
            let inv_depth = Map::from_tensor(&views.target.narrow(1, 0, 1)?)?;
            let (width, cx) = (inv_depth.width() as f64, views.camera.cx);
            let off = cx - 0.5 * (width - 1.0);
            let pose = Isometry3::new(
                nalgebra::Vector3::new(off, 2.0, 3.0),
                nalgebra::Vector3::new(0.1, 0.1 * off, 0.0),
            );
            Ok(Estimate { inv_depth, poses: vec![pose], cost_start: 2.0, cost_end: 1.0, updates: 4 })
        }
    }

    /// For a solver that treats mirrored views as what they are, averaging changes nothing.
    #[test]
    fn a_solver_without_a_side_stays_as_it_is() {
        let (height, width) = (4, 40);
        let values: Vec<f32> = (0..3 * height * width).map(|i| 0.1 + (i % 7) as f32 * 0.1).collect();
        let target = Tensor::from_vec(values, (1, 3, height, width), &Device::Cpu).unwrap();
        let camera = Pinhole::new(30.0, 30.0, 18.0, 1.5).unwrap();
        let views = Views { target: target.clone(), neighbours: vec![target], camera };
        let plain = Reads.solve(&views, &mut Unwatched).unwrap();
        let both = MirrorAveraged::new(&Reads).solve(&views, &mut Unwatched).unwrap();
        let pairs = plain.inv_depth.values().iter().zip(both.inv_depth.values());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
        let difference = plain.poses[0].to_homogeneous() - both.poses[0].to_homogeneous();
        assert!(difference.abs().max() < 1e-12, "{difference}");
        assert_eq!((both.cost_end, both.updates), (1.0, 4));
    }

    #[test]
    fn each_border_is_taken_from_one_answer() {
        let (plain, mirrored) = (Map::new(1, 101, vec![1.0; 101]), Map::new(1, 101, vec![3.0; 101]));
        let found = averaged(&plain.unwrap(), &mirrored.unwrap()).unwrap();
        let at = |column| found.at(0, column).unwrap();
        assert_eq!((at(0), at(50), at(100)), (3.0, 2.0, 1.0));
    }
}
