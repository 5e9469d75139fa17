//! The convolutional recurrent optimizer of maps.

use candle_core::Tensor;
use candle_nn::{Module, VarBuilder};

use crate::{
    Cost, LearnedOptimizer, Memory, Result,
    cells::{Conv, ConvGru},
};

/// A ConvGRU that looks at a map of variables and the map of their cost and moves every pixel: the rule of DRO (arXiv
/// 2103.13201, section 3.3) and RAFT (arXiv 2003.12039, section 3.3) without what is particular to depth.
///
/// `m = [relu(conv(x)), relu(conv(cost map))]`, `h' = ConvGRU(h, [m, context])`, increment
/// `= conv(relu(conv(h')))`; all kernels are 3x3, and any height and width will do. Parameters: `x`, `cost`, `gru.*`,
/// `head1`, `head2`.
#[derive(Debug, Clone)]
pub struct ConvGruMap {
    hidden: usize,
    x: Conv,
    cost: Conv,
    gru: ConvGru,
    head1: Conv,
    head2: Conv,
}

impl ConvGruMap {
    /// A rule for maps of `channels`, with `hidden` units per pixel, that reads cost maps of `cost_channels` and a
    /// context of `context_channels` (0: none).
    pub fn new(
        channels: usize,
        cost_channels: usize,
        context_channels: usize,
        hidden: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let conv = |inputs, outputs, name| Conv::same(inputs, outputs, (3, 3), vb.pp(name));
        Ok(Self {
            hidden,
            x: conv(channels, hidden, "x")?,
            cost: conv(cost_channels, hidden, "cost")?,
            gru: ConvGru::new(hidden, 2 * hidden + context_channels, vb.pp("gru"))?,
            head1: conv(hidden, hidden, "head1")?,
            head2: conv(hidden, channels, "head2")?,
        })
    }
}

impl LearnedOptimizer for ConvGruMap {
    /// Hidden units of zero. `start` `[batch, channels, height, width]`, the context
    /// `[batch, context_channels, height, width]`.
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> Result<Memory> {
        let (batch, _, height, width) = start.dims4()?;
        let hidden = Tensor::zeros((batch, self.hidden, height, width), start.dtype(), start.device())?;
        Ok(Memory { hidden, context: context.cloned() })
    }

    /// # Errors
    /// If the cost has no map.
    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)> {
        let seen_x = self.x.forward(x)?.relu()?;
        let seen_cost = self.cost.forward(cost.map_for("of a map rule")?)?.relu()?;
        let mut seen = vec![&seen_x, &seen_cost];
        seen.extend(&memory.context);
        let h = self.gru.step(&memory.hidden, &Tensor::cat(&seen, 1)?)?;
        let increment = self.head2.forward(&self.head1.forward(&h)?.relu()?)?;
        Ok((memory.next(h), increment))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::VarMap;

    use super::*;
    use crate::Error;

    #[test]
    fn maps_of_any_size_move_and_a_cost_without_a_map_is_refused() {
        let device = Device::Cpu;
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
        let rule = ConvGruMap::new(2, 3, 1, 4, vb).unwrap();
        for (height, width) in [(5, 7), (8, 3)] {
            let x = Tensor::ones((2, 2, height, width), DType::F32, &device).unwrap();
            let context = Tensor::ones((2, 1, height, width), DType::F32, &device).unwrap();
            let memory = rule.init(&x, Some(&context)).unwrap();
            let map = Tensor::ones((2, 3, height, width), DType::F32, &device).unwrap();
            let total = map.sum((1, 2, 3)).unwrap();
            let cost = Cost { total: total.clone(), map: Some(map) };
            let (next, increment) = rule.update(&memory, &x, &cost).unwrap();
            assert_eq!(increment.dims(), x.dims());
            assert_eq!(next.hidden.dims(), [2, 4, height, width]);
            let grads = increment.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            assert!(vars.all_vars().iter().all(|var| grads.get(var).is_some()));
            let bare = Cost { total, map: None };
            assert!(matches!(rule.update(&memory, &x, &bare), Err(Error::NoCostMap { .. })));
        }
    }
}
