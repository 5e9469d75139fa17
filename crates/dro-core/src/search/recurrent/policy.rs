//! The recurrent network: what happened goes in, how to search next comes out.

use std::{array::from_fn, f64::consts::LN_10};

use serde::{Deserialize, Serialize};

use super::{
    elementary::{exp_all, sigmoid, tanh},
    lanes::vectorized,
    memory::View,
};

/// Hidden units.
pub const HIDDEN: usize = 16;
/// Numbers that describe an evaluation.
pub const FEATURES: usize = 21;
/// Numbers that steer the search.
pub const OUTPUTS: usize = 15;
/// A unit's weights: hidden state, features, bias.
pub const ROW: usize = HIDDEN + FEATURES + 1;
/// Parameters in all: the gates z, r and q, and the heads.
pub const PARAMETERS: usize = (3 * HIDDEN + OUTPUTS) * ROW;

/// The recurrent state.
pub type Hidden = [f32; HIDDEN];
/// What happened at an evaluation.
pub type Features = [f32; FEATURES];

/// How a candidate is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// By descending the memory's prediction from near the best point.
    Refine,
    /// From the distribution.
    Sample,
    /// From the best point with a few coordinates changed.
    Axes,
    /// Uniformly in the unit box.
    Global,
}

impl Kind {
    /// All of them, in the order of the network's outputs.
    pub const ALL: [Self; 4] = [Self::Refine, Self::Sample, Self::Axes, Self::Global];
}

/// What the network decides. A network of zeros gives the values that were set by hand.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Controls {
    /// How the memory looks at costs.
    pub view: View,
    /// How many standard deviations of the prediction a candidate is credited with.
    pub optimism: f64,
    /// Added to `ln σ` after an evaluation, besides the success rule, in units of the rule's own step.
    pub growth: f64,
    /// A factor on the learning rates of the distribution's shape.
    pub rate: f64,
    /// How far the distribution's mean is drawn to the best point, in [0, 1].
    pub anchor: f64,
    /// A factor on σ for candidates.
    pub spread: f64,
    /// The radius in which the memory's prediction is descended, in typical lengths of a sample.
    pub trust: f64,
    /// A descent is over when a generation's costs are within this share of the largest spread seen.
    pub tolerance: f64,
    /// A descent is over after this many evaluations in vain per (2 + dimension).
    pub patience: f64,
    /// The kinds' probabilities, cumulated.
    pub kinds: [f64; 4],
}

impl Controls {
    /// From the network's outputs, each clamped to [-6, 6].
    pub fn new(raw: &[f32; OUTPUTS]) -> Self {
        let r = raw.map(|r| if r.is_finite() { f64::from(r).clamp(-6.0, 6.0) } else { 0.0 });
        let mut powers = [
            r[0] + 0.5,
            LN_10 * (r[1] - 5.0).clamp(-9.0, -1.5),
            0.7 * r[3] - 0.2,
            0.7 * r[5],
            -r[6],
            0.5 * r[7],
            0.5 * r[8] + 0.5,
            LN_10 * (r[13] - 8.0).clamp(-14.0, -2.0),
            r[14],
            r[9] + 0.3,
            r[10] + 0.5,
            r[11] - 0.7,
            r[12] - 1.0,
            0.0,
            0.0,
            0.0,
        ];
        exp_all(&mut powers);
        let [compression, nugget, optimism, rate, anchor, spread, trust, tolerance, patience, rest @ ..] = powers;
        let [refine, sample, axes, global, ..] = rest;
        let weights = [refine, sample, axes, global];
        let sum: f64 = weights.iter().sum();
        let mut cumulated = 0.0;
        Self {
            view: View { compression: compression.clamp(1e-2, 100.0), nugget, pessimism: r[2] },
            optimism,
            growth: 0.3 * r[4],
            rate: rate.clamp(0.05, 8.0),
            anchor: (1.0 + anchor).recip(),
            spread: spread.clamp(0.1, 5.0),
            trust: trust.clamp(0.1, 8.0),
            tolerance,
            patience: 20.0 * patience.clamp(0.2, 5.0),
            kinds: weights.map(|weight| {
                cumulated += weight / sum;
                cumulated
            }),
        }
    }

    /// The kind that `u`, uniform in [0, 1), falls on.
    pub fn kind(&self, u: f64) -> Kind {
        let kinds = Kind::ALL.into_iter().zip(self.kinds);
        kinds.into_iter().find(|(_, upper)| u < *upper).map_or(Kind::Global, |(kind, _)| kind)
    }
}

/// One input's weights for all units: of the gates z, r and q, then of the heads, with zeros to the end.
type Column = [[f32; HIDDEN]; 4];

/// θ by inputs instead of units, so that the units of a gate stand side by side in vector registers.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    of_hidden: [Column; HIDDEN],
    of_features: [Column; FEATURES],
    bias: Column,
}

impl Network {
    /// From θ, `[PARAMETERS]`: rows `[hidden, features, bias]` of z, r, q, then of the heads.
    pub fn new(theta: &[f32]) -> Self {
        let column = |input: usize| -> Column {
            from_fn(|gate| from_fn(|unit| theta.get((gate * HIDDEN + unit) * ROW + input).copied().unwrap_or(0.0)))
        };
        Self {
            of_hidden: from_fn(column),
            of_features: from_fn(|feature| column(HIDDEN + feature)),
            bias: column(HIDDEN + FEATURES),
        }
    }

    /// One update of the GRU with the equations of [`cells::Gru`](crate::cells::Gru), and its heads. In plain numbers, since
    /// tensors of this size would cost more to make than to multiply.
    pub fn update(&self, h: &mut Hidden, x: &Features) -> [f32; OUTPUTS] {
        let mut heads = [0.0; HIDDEN];
        vectorized(
            #[inline(always)]
            || heads = self.step(h, x),
        );
        from_fn(|output| heads[output])
    }

    /// The new state; returns the heads with a zero at the end, or they would not be one vector.
    #[inline(always)]
    fn step(&self, h: &mut Hidden, x: &Features) -> [f32; HIDDEN] {
        let [mut z, mut r, mut q, mut heads] = self.bias;
        for (x, [of_z, of_r, of_q, of_heads]) in x.iter().zip(&self.of_features) {
            add(&mut z, *x, of_z);
            add(&mut r, *x, of_r);
            add(&mut q, *x, of_q);
            add(&mut heads, *x, of_heads);
        }
        for (h, [of_z, of_r, ..]) in h.iter().zip(&self.of_hidden) {
            add(&mut z, *h, of_z);
            add(&mut r, *h, of_r);
        }
        for k in 0..HIDDEN {
            r[k] = sigmoid(r[k]) * h[k];
        }
        for (reset, [_, _, of_q, _]) in r.iter().zip(&self.of_hidden) {
            add(&mut q, *reset, of_q);
        }
        for k in 0..HIDDEN {
            let z = sigmoid(z[k]);
            h[k] = (1.0 - z) * h[k] + z * tanh(q[k]);
        }
        for (h, [.., of_heads]) in h.iter().zip(&self.of_hidden) {
            add(&mut heads, *h, of_heads);
        }
        heads
    }
}

#[inline(always)]
fn add(sums: &mut [f32; HIDDEN], x: f32, column: &[f32; HIDDEN]) {
    for k in 0..HIDDEN {
        sums[k] = column[k].mul_add(x, sums[k]);
    }
}
