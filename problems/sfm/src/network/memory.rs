//! What would fit, where a card's memory was too small.

use candle_core::Device;

use super::Iterations;
use crate::{Error, weights::ModelConfig};

/// Bytes per pixel of a target and of each neighbour in a forward of the published network, and in a training step with 24
/// updates; bytes per parameter then. Fitted to peak memory of plain candle operations on a CPU, which are the same tensors
/// (docs/cuda.md); a card adds what cuDNN works in.
const FORWARD: [f64; 2] = [550.0, 300.0];
const TRAINING: [f64; 2] = [8_800.0, 10_600.0];
const UPDATES: f64 = 24.0;
const PER_PARAMETER: [f64; 2] = [4.0, 16.0];
/// What the driver and the libraries take.
const FIXED: f64 = 6e8;

/// A forward, or a training step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Height and width of the images.
    pub size: (usize, usize),
    /// Neighbours per target.
    pub neighbours: usize,
    /// Targets at a time.
    pub batch: usize,
    /// Of a training step; a forward's updates leave nothing behind.
    pub training: Option<Iterations>,
}

impl Work {
    /// What the work needs, by the estimate.
    fn bytes(&self, config: &ModelConfig) -> f64 {
        let width = (config.hidden as f64 / 128.0 + config.encoder[0] as f64 / 64.0) / 2.0;
        let shapes = crate::weights::expected_shapes(config);
        let parameters: f64 = shapes.values().map(|shape| shape.iter().product::<usize>() as f64).sum();
        let ([target, neighbour], per_parameter) = match self.training {
            Some(Iterations { stages, inner }) => {
                // A third is the encoders'.
                let share = (1.0 + 2.0 * (2 * stages * inner) as f64 / UPDATES) / 3.0;
                (TRAINING.map(|bytes| bytes * share), PER_PARAMETER[1])
            }
            None => (FORWARD, PER_PARAMETER[0]),
        };
        let pixels = (self.size.0 * self.size.1 * self.batch) as f64;
        pixels * width * (target + neighbour * self.neighbours as f64) + per_parameter * parameters + FIXED
    }

    /// The largest size of the same shape that `bytes` of memory hold; at least 16x16.
    fn fitting(&self, config: &ModelConfig, bytes: f64) -> (usize, usize) {
        let fixed = Self { size: (0, 0), ..*self }.bytes(config);
        let share = ((bytes - fixed) / (self.bytes(config) - fixed)).clamp(0.0, 1.0).sqrt();
        let side = |side: usize| ((side as f64 * share / 16.0) as usize).max(1) * 16;
        (side(self.size.0), side(self.size.1))
    }

    /// `error`, unless it says that the memory of `device` is full: then one that says what would fit.
    pub(crate) fn explain(&self, config: &ModelConfig, device: &Device, error: Error) -> Error {
        let full = ["OUT_OF_MEMORY", "ALLOC_FAILED"].iter().any(|code| error.to_string().contains(code));
        match memory_of(device) {
            Some(bytes) if full => self.too_large(config, bytes, &error),
            _ => error,
        }
    }

    fn too_large(&self, config: &ModelConfig, bytes: f64, error: &Error) -> Error {
        let (height, width) = self.fitting(config, bytes);
        let gigabytes = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
        Error::argument(
            "memory of the card",
            format!("about {} by an estimate", gigabytes(self.bytes(config))),
            format!(
                "{}, which should do for {height}x{width} instead of {}x{} with {} neighbours and a batch of {}: {error}",
                gigabytes(bytes),
                self.size.0,
                self.size.1,
                self.neighbours,
                self.batch
            ),
        )
    }
}

/// All memory of a card, bytes.
#[cfg(feature = "cuda")]
fn memory_of(device: &Device) -> Option<f64> {
    let device = device.as_cuda_device().ok()?;
    device.cuda_stream().context().mem_get_info().ok().map(|(_, total)| total as f64)
}

#[cfg(not(feature = "cuda"))]
fn memory_of(_: &Device) -> Option<f64> {
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_what_was_measured() {
        let config = ModelConfig::default();
        let bytes = |size, neighbours, batch| {
            let training = Some(Iterations { stages: 3, inner: 4 });
            Work { size, neighbours, batch, training }.bytes(&config) - FIXED
        };
        // Peak of `measure train HxW NEIGHBOURS BATCH`, megabytes.
        for (size, neighbours, batch, measured) in [
            ((64, 96), 1, 2, 534.0),
            ((96, 128), 1, 2, 772.0),
            ((96, 128), 2, 2, 1033.0),
            ((96, 128), 1, 4, 1275.0),
        ] {
            let estimated = bytes(size, neighbours, batch) / 1e6;
            assert!((estimated / measured - 1.0).abs() < 0.15, "{estimated} {measured}");
        }
    }

    #[test]
    fn what_should_fit_does_by_the_estimate() {
        let config = ModelConfig::default();
        let work = Work {
            size: (480, 640),
            neighbours: 2,
            batch: 4,
            training: Some(Iterations { stages: 3, inner: 4 }),
        };
        let size = work.fitting(&config, 16e9);
        assert!(Work { size, ..work }.bytes(&config) <= 16e9 && size.0 > 200, "{size:?}");
        // Never larger than asked for, never nothing.
        assert_eq!(work.fitting(&config, 1e15), (480, 640));
        assert_eq!(work.fitting(&config, 1.0), (16, 16));
    }

    #[test]
    fn only_full_memory_is_explained() {
        let config = ModelConfig::default();
        let work = Work { size: (480, 640), neighbours: 1, batch: 1, training: None };
        let full = || Error::argument("x", "y", "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        let text = work.too_large(&config, 7e8, &full()).to_string();
        assert!(
            text.contains("CUDA_ERROR_OUT_OF_MEMORY")
                && text.contains("0.7 GB")
                && text.contains("instead of 480x640")
        );
        assert_eq!(work.explain(&config, &Device::Cpu, full()).to_string(), full().to_string());
    }
}
