//! What to do about an error of CUDA, by the code that the driver or library gave.

/// What each code means to a user. Codes are as cudarc prints them.
const ADVICE: &[(&str, &str)] = &[
    ("CUDA_ERROR_OUT_OF_MEMORY", MEMORY),
    ("CUDNN_STATUS_ALLOC_FAILED", MEMORY),
    ("CUBLAS_STATUS_ALLOC_FAILED", MEMORY),
    (
        "CUDA_ERROR_NO_DEVICE",
        "the driver finds no NVIDIA card (nvidia-smi lists them; CUDA_VISIBLE_DEVICES may hide them)",
    ),
    (
        "CUDA_ERROR_INVALID_DEVICE",
        "expected the number of a card: cuda:0 is the first (nvidia-smi -L lists them)",
    ),
    (
        "CUDA_ERROR_STUB_LIBRARY",
        "libcuda.so.1 was found, but it is a stub to link against: expected the NVIDIA driver's",
    ),
    ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", DRIVER),
    ("CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", DRIVER),
    (
        "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        "the driver's library and its kernel module differ: restart after an update of the driver",
    ),
    ("CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "expected libnvidia-ptxjitcompiler, a part of the NVIDIA driver"),
    ("CUDA_ERROR_NO_BINARY_FOR_GPU", CARD),
    ("CUDA_ERROR_INVALID_PTX", CARD),
    (
        "CUDNN_STATUS_NOT_INITIALIZED",
        "expected cuDNN 9 with all its libraries (libcudnn*.so.9) on the library path",
    ),
    ("CUDNN_STATUS_SUBLIBRARY", "expected all libraries of cuDNN (libcudnn*.so.9) from one version"),
    ("CUDNN_STATUS_VERSION_MISMATCH", "expected all libraries of cuDNN (libcudnn*.so.9) from one version"),
    ("CUBLAS_STATUS_NOT_INITIALIZED", "expected CUDA 13's libcublas.so.13 and free memory on the card"),
];

const MEMORY: &str = "the card's memory is full: memory grows with the pixels, the neighbours and the batch, so make one of \
     them smaller (--size, --neighbours, or batch in the training configuration) or end other programs on the card";
const DRIVER: &str = "the driver is older than this program: expected one for CUDA 13.0 (580) or newer";
const CARD: &str = "expected a card of compute capability 8.0 or newer (A100, RTX 30)";

/// The advice for the first code that `text` names.
pub fn advice(text: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(code, _)| text.contains(code)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_what_cudarc_prints() {
        let text = r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#;
        assert!(advice(text).is_some_and(|advice| advice.contains("--size") && advice.contains("batch")));
        let text = r#"--device cuda:7: DriverError(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")"#;
        assert!(advice(text).is_some_and(|advice| advice.contains("cuda:0 is the first")));
        assert_eq!(advice("a.png: no such file"), None);
    }
}
