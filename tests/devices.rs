//! Where a test's body runs.

use candle_core::Device;

/// The CPU; and the first CUDA device, in a build with the feature where one opens. Otherwise says why not.
pub fn devices() -> Vec<Device> {
    if !cfg!(feature = "cuda") {
        println!("skipped: CUDA device: a build without the feature cuda");
        return vec![Device::Cpu];
    }
    match Device::new_cuda(0) {
        Ok(card) => vec![Device::Cpu, card],
        Err(error) => {
            println!("skipped: CUDA device: {error}");
            vec![Device::Cpu]
        }
    }
}
