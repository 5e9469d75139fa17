//! What follows a convolution.

use candle_core::{Result, Tensor};

/// A function of each number that is applied after the bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// The number itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The function as candle operations: any shape, type and device, differentiable.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::None => Ok(x.clone()),
            Self::Relu => x.relu(),
            Self::Sigmoid => (x.neg()?.exp()? + 1.0)?.recip(),
            Self::Tanh => x.tanh(),
        }
    }
}
