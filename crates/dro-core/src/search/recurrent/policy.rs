//! The recurrent network: what happened goes in, how to search next comes out.

use serde::{Deserialize, Serialize};

use super::{
    lanes::{LANES, vectorized},
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
        let weights = [r[9] + 0.3, r[10] + 0.5, r[11] - 0.7, r[12] - 1.0].map(f64::exp);
        let sum: f64 = weights.iter().sum();
        let mut cumulated = 0.0;
        Self {
            view: View {
                compression: (r[0] + 0.5).exp().clamp(1e-2, 100.0),
                nugget: 10f64.powf((r[1] - 5.0).clamp(-9.0, -1.5)),
                pessimism: r[2],
            },
            optimism: (0.7 * r[3] - 0.2).exp(),
            growth: 0.3 * r[4],
            rate: (0.7 * r[5]).exp().clamp(0.05, 8.0),
            anchor: (1.0 + (-r[6]).exp()).recip(),
            spread: (0.5 * r[7]).exp().clamp(0.1, 5.0),
            trust: (0.5 * r[8] + 0.5).exp().clamp(0.1, 8.0),
            tolerance: 10f64.powf((r[13] - 8.0).clamp(-14.0, -2.0)),
            patience: 20.0 * r[14].exp().clamp(0.2, 5.0),
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

/// One update of the GRU with the equations of [`cells::Gru`](crate::cells::Gru), and its heads.
///
/// θ is `[PARAMETERS]`: rows `[hidden, features, bias]` of z, r, q, then of the heads. In plain numbers, since tensors of
/// this size would cost more to make than to multiply.
pub fn update(theta: &[f32], h: &mut Hidden, x: &Features) -> [f32; OUTPUTS] {
    let mut out = [0.0; OUTPUTS];
    vectorized(
        #[inline(always)]
        || step(theta, h, x, &mut out),
    );
    out
}

#[inline(always)]
fn step(theta: &[f32], h: &mut Hidden, x: &Features, out: &mut [f32; OUTPUTS]) {
    let (rows, _) = theta.as_chunks::<ROW>();
    let (z, rest) = rows.split_at(HIDDEN);
    let (r, rest) = rest.split_at(HIDDEN);
    let (q, heads) = rest.split_at(HIDDEN);
    let mut reset = *h;
    for (reset, r) in reset.iter_mut().zip(r) {
        *reset *= sigmoid(unit(r, h, x));
    }
    let mut next = *h;
    for ((next, z), q) in next.iter_mut().zip(z).zip(q) {
        let z = sigmoid(unit(z, h, x));
        *next = (1.0 - z) * *next + z * unit(q, &reset, x).tanh();
    }
    *h = next;
    for (out, head) in out.iter_mut().zip(heads) {
        *out = unit(head, h, x);
    }
}

fn sigmoid(x: f32) -> f32 {
    (1.0 + (-x).exp()).recip()
}

#[inline(always)]
fn unit(row: &[f32; ROW], h: &Hidden, x: &Features) -> f32 {
    let (of_h, rest) = row.split_at(HIDDEN);
    let (of_x, bias) = rest.split_at(FEATURES);
    product(of_h, h) + product(of_x, x) + bias[0]
}

/// Sums side by side, for vector registers.
#[inline(always)]
fn product(w: &[f32], v: &[f32]) -> f32 {
    let (w_blocks, w_rest) = w.as_chunks::<LANES>();
    let (v_blocks, v_rest) = v.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (w, v) in w_blocks.iter().zip(v_blocks) {
        for k in 0..LANES {
            sums[k] = w[k].mul_add(v[k], sums[k]);
        }
    }
    let rest: f32 = w_rest.iter().zip(v_rest).map(|(w, v)| w * v).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h)) + rest
}
