//! Image sequences on disk: layouts, intrinsics, ground truth.
