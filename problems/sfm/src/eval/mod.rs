//! How far a result is from the ground truth.
