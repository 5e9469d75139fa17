//! From windows to one trajectory: a consistent scale, fused points.
