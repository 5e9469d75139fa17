//! Files a user takes away: depth, trajectories, point clouds, curves, pictures.
