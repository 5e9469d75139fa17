//! What the environment asks for.

use candle_core::Device;
use dro_core::{Precision, select_precision};

/// `DRO_DEVICE`: cpu (also where it is not set) or cuda:N.
pub fn name() -> String {
    std::env::var("DRO_DEVICE").unwrap_or_else(|_| "cpu".into())
}

/// Opens it, with the precision that `DRO_PRECISION` names.
pub fn open() -> Device {
    match std::env::var("DRO_PRECISION").as_deref() {
        Ok("tf32") => select_precision(Precision::Tf32),
        Ok("bf16") => select_precision(Precision::Bf16),
        _ => {}
    }
    match name().strip_prefix("cuda:") {
        Some(index) => Device::new_cuda(index.parse().expect("cuda:N")).expect("a CUDA device"),
        None => Device::Cpu,
    }
}

/// `DRO_BATCH`: 1 where it is not set.
pub fn batch() -> usize {
    std::env::var("DRO_BATCH").map_or(1, |batch| batch.parse().expect("a batch size"))
}
