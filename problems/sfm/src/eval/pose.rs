//! Errors of poses and trajectories.
