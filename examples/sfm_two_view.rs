//! Depth and relative pose from two images, watched update by update.
//!
//! `cargo run --example sfm_two_view`
//!
//! The images are two views of a rendered room, solved by the weights-free baseline. With weights, such as
//! `Weights::bundled()?`, which the program `dro` uses, only the solver changes:
//! `DroSolver::new(DroNet::new(&weights.config, weights.var_builder(&device))?, device)?`.

use candle_core::Device;
use dro_sfm::{
    Solver, Update, Views, Watch,
    data::{CameraModel, prepare},
    eval::{DepthOptions, depth_metrics, rotation_error_rad, translation_direction_error_rad},
    patchmatch::{PatchMatchConfig, PatchMatchSolver},
    scene::{Room, hand_held_path},
};
use dro_vision::Pinhole;

/// Prints the cost now and then.
struct Print;

impl Watch for Print {
    fn wants_updates(&self) -> bool {
        true
    }

    fn update(&mut self, update: &Update) -> dro_sfm::Result<()> {
        if update.step.is_multiple_of(50) {
            println!("update {:4} ({:13}): cost {:.4}", update.step, update.block, update.cost);
        }
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let size = (120, 160);
    let camera = Pinhole::from_fov_deg(65.0, size.0, size.1)?;
    let room = Room::new(1);
    let path = hand_held_path(3, 1);
    let target = room.render(&camera, size.0, size.1, &path[0])?;
    let neighbour = room.render(&camera, size.0, size.1, &path[2])?;

    let model = CameraModel::undistorted(camera, size);
    let tensor = |rgb| -> dro_sfm::Result<_> { Ok(prepare(rgb, &model, size, &Device::Cpu)?.0) };
    let views = Views { target: tensor(&target.rgb)?, neighbours: vec![tensor(&neighbour.rgb)?], camera };

    let solver = PatchMatchSolver::new(PatchMatchConfig::default())?;
    let estimate = solver.solve(&views, &mut Print)?;

    let options = DepthOptions { median_scaling: true, ..DepthOptions::default() };
    if let Some(metrics) = depth_metrics(&estimate.inv_depth.inverted(), &target.depth, &options)? {
        println!("depth: abs rel {:.3} after median scaling", metrics.abs_rel);
    }
    let truth = path[2].inv_mul(&path[0]);
    if let Some(pose) = estimate.poses.first() {
        let rotation = rotation_error_rad(&pose.rotation, &truth.rotation).unwrap_or(f64::NAN);
        let direction = translation_direction_error_rad(&pose.translation.vector, &truth.translation.vector);
        println!(
            "pose: rotation off by {:.2} degrees, direction of translation by {:.1} degrees",
            rotation.to_degrees(),
            direction.unwrap_or(f64::NAN).to_degrees()
        );
    }
    Ok(())
}
