//! The compiled kernels, one module per source file; `build.rs` makes them.

/// The PTX of `kernels/<module>.cu`.
pub(super) fn of(module: &str) -> Option<&'static str> {
    Some(match module {
        "bias" => include_str!(concat!(env!("OUT_DIR"), "/bias.ptx")),
        "convex_upsample" => include_str!(concat!(env!("OUT_DIR"), "/convex_upsample.ptx")),
        "grid_sample" => include_str!(concat!(env!("OUT_DIR"), "/grid_sample.ptx")),
        "gru" => include_str!(concat!(env!("OUT_DIR"), "/gru.ptx")),
        "projection" => include_str!(concat!(env!("OUT_DIR"), "/projection.ptx")),
        "warp_cost" => include_str!(concat!(env!("OUT_DIR"), "/warp_cost.ptx")),
        _ => return None,
    })
}
