//! The recurrent network: what happened goes in, how to search next comes out.

use std::{array::from_fn, f64::consts::LN_10};

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use super::{
    elementary::{exp_all, sigmoid, tanh},
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
        let [compression, nugget, optimism, rate, anchor, spread, trust, tolerance, patience, rest @ ..] =
            powers;
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

/// A number for each unit of a gate or for each head; these are fewer, with zeros to the end.
type Gate = [f32; HIDDEN];

/// θ by inputs instead of units, so that units stand side by side in vector registers.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Of z, r, q and the heads.
    bias: [Gate; 4],
    of_features: [[Gate; 4]; FEATURES],
    /// The old hidden state's, of z and r.
    of_old: [[Gate; 2]; HIDDEN],
    /// The reset one's, of q.
    of_reset: [[Gate; 1]; HIDDEN],
    /// The new one's, of the heads.
    of_new: [[Gate; 1]; HIDDEN],
}

impl Network {
    /// From θ, `[PARAMETERS]`: rows `[hidden, features, bias]` of z, r, q, then of the heads.
    pub fn new(theta: &[f32]) -> Self {
        let weight = |row: usize, input: usize| theta.get(row * ROW + input).copied().unwrap_or(0.0);
        let gate =
            |gate: usize, input: usize| -> Gate { from_fn(|unit| weight(gate * HIDDEN + unit, input)) };
        Self {
            bias: from_fn(|g| gate(g, HIDDEN + FEATURES)),
            of_features: from_fn(|feature| from_fn(|g| gate(g, HIDDEN + feature))),
            of_old: from_fn(|unit| from_fn(|g| gate(g, unit))),
            of_reset: from_fn(|unit| [gate(2, unit)]),
            of_new: from_fn(|unit| [gate(3, unit)]),
        }
    }

    /// One update of the GRU with the equations of [`cells::Gru`](crate::cells::Gru), and its heads. In plain numbers, since
    /// tensors of this size would cost more to make than to multiply.
    pub fn update(&self, h: &mut Hidden, x: &Features) -> [f32; OUTPUTS] {
        let heads = Arch::new().dispatch(Update { network: self, h, x });
        from_fn(|output| heads[output])
    }
}

/// The arguments of [`Network::update`], for the instructions that the machine has.
struct Update<'a> {
    network: &'a Network,
    h: &'a mut Hidden,
    x: &'a Features,
}

impl WithSimd for Update<'_> {
    type Output = Gate;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Gate {
        let Self { network, h, x } = self;
        let mut sums = network.bias;
        add(simd, &mut sums, x, &network.of_features);
        let [z, r, q, heads] = sums;
        let mut gates = [z, r];
        add(simd, &mut gates, h, &network.of_old);
        for gate in gates.as_flattened_mut() {
            *gate = sigmoid(*gate);
        }
        let [z, mut reset] = gates;
        for k in 0..HIDDEN {
            reset[k] *= h[k];
        }
        let mut q = [q];
        add(simd, &mut q, &reset, &network.of_reset);
        let [q] = q;
        for k in 0..HIDDEN {
            h[k] = (1.0 - z[k]) * h[k] + z[k] * tanh(q[k]);
        }
        let mut heads = [heads];
        add(simd, &mut heads, h, &network.of_new);
        let [heads] = heads;
        heads
    }
}

/// `sums ← sums + Σ input · its weights`.
#[inline(always)]
fn add<S: Simd, const GATES: usize>(
    simd: S,
    sums: &mut [Gate; GATES],
    inputs: &[f32],
    weights: &[[Gate; GATES]],
) {
    for part in 0..HIDDEN / S::F32_LANES {
        let mut totals: [S::f32s; GATES] = from_fn(|g| S::as_simd_f32s(&sums[g]).0[part]);
        for (input, weights) in inputs.iter().zip(weights) {
            let input = simd.splat_f32s(*input);
            for g in 0..GATES {
                totals[g] = simd.mul_add_f32s(input, S::as_simd_f32s(&weights[g]).0[part], totals[g]);
            }
        }
        for g in 0..GATES {
            S::as_mut_simd_f32s(&mut sums[g]).0[part] = totals[g];
        }
    }
}
