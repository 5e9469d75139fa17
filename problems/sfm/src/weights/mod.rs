//! Weights: strict safetensors, and published checkpoints read without executing anything.
