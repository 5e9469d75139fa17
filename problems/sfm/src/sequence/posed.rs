//! Frames of a sequence, in the world.

use dro_vision::Pinhole;
use nalgebra::Isometry3;

use super::{Chain, FrameEstimate};
use crate::Map;

/// A frame in the world.
#[derive(Debug, Clone, Copy)]
pub struct PosedFrame<'a> {
    /// Inverse depth in the window's unit; 0 means "none".
    pub inv_depth: &'a Map,
    /// The camera at that size.
    pub camera: Pinhole,
    /// The camera's pose in the common unit.
    pub world_from_camera: Isometry3<f64>,
    /// What the window's depths are multiplied with to be in the common unit.
    pub scale: f64,
}

impl<'a> PosedFrame<'a> {
    /// All frames of a chain, in order.
    pub fn all(estimates: &'a [FrameEstimate], chain: &Chain) -> Vec<Self> {
        let places = chain.world_from_camera.iter().zip(&chain.scales);
        estimates
            .iter()
            .zip(places)
            .map(|(estimate, (&world_from_camera, &scale))| Self {
                inv_depth: &estimate.inv_depth,
                camera: estimate.camera,
                world_from_camera,
                scale,
            })
            .collect()
    }
}
