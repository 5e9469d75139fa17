//! Simultaneous perturbation stochastic approximation.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{Best, WORST, ranked};
use crate::search::{Frame, Strategy};

/// How far the first pair is apart from its middle.
const PERTURBATION: f64 = 0.05;
/// How far each coordinate moves with the first, average gradients.
const STEP: f64 = 0.1;
/// No coordinate moves further at once.
const LONGEST: f64 = 0.2;
/// The stability constant A.
const STABILITY: f64 = 10.0;
/// Gradients that the gain is set by.
const CALIBRATION: u32 = 5;
/// Pairs between two evaluations of `x` itself.
const LOOK: u32 = 5;
/// The tag of such an evaluation; pairs begin with even ones.
const MIDDLE: u32 = u32::MAX;

/// SPSA (Spall 1992, equations 2.1 and 2.2): two evaluations at `x ± c_k Δ` with random signs Δ give a gradient
/// estimate in all coordinates, `ĝ_i = (y⁺ − y⁻) / (2 c_k Δ_i)`, and `x` moves by `−a_k ĝ`.
///
/// Gains decay as `a_k = a / (A + k + 1)^0.602` and `c_k = 0.05 / (k + 1)^0.101` (Spall 1998, section III). As costs
/// have any unit, `a` makes the first steps 0.1 long by the mean of the first five |ĝ|; no coordinate moves by more
/// than 0.2 at once. The middle of a pair is kept so far inside the box that both its points are in it. Every pair
/// moves `x` when its second cost arrives, so any number may be open; a pair with a failure moves `x` to the point that
/// did not fail, and one that failed altogether to the best point or, where there is none, to a random one. After every
/// fifth pair `x` itself is evaluated, as no pair ever meets it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spsa {
    frame: Frame,
    rng: ChaCha8Rng,
    x: Vec<f64>,
    best: Best,
    /// Pairs done.
    k: u32,
    gain: f64,
    gradients: u32,
    pairs: Vec<Pair>,
    /// Of the next pair's first point.
    tag: u32,
    /// Pairs begun since `x` was evaluated.
    asked: u32,
    #[serde(skip)]
    spare: Vec<Vec<f64>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pair {
    tag: u32,
    middle: Vec<f64>,
    /// `c_k Δ`.
    offset: Vec<f64>,
    second_asked: bool,
    first: Option<f64>,
    second: Option<f64>,
}

impl Spsa {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        Self {
            frame: frame.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            x: frame.start.clone(),
            best: Best::new(frame),
            k: 0,
            gain: 0.0,
            gradients: 0,
            pairs: Vec::new(),
            tag: 0,
            asked: 0,
            spare: Vec::new(),
        }
    }

    fn perturbation(&self) -> f64 {
        PERTURBATION / f64::from(self.k + 1).powf(0.101)
    }

    fn copy_of_x(&mut self) -> Vec<f64> {
        let mut vector = self.spare.pop().unwrap_or_default();
        vector.clear();
        vector.extend_from_slice(&self.x);
        vector
    }

    fn move_by(&mut self, pair: &Pair, first: f64, second: f64) {
        self.k = self.k.saturating_add(1);
        match (first < WORST, second < WORST) {
            (true, true) => {
                let c = pair.offset.first().map_or(PERTURBATION, |c| c.abs());
                let slope = (first - second) / (2.0 * c);
                if slope != 0.0 && self.gradients < CALIBRATION {
                    self.gradients += 1;
                    self.gain += (slope.abs() - self.gain) / f64::from(self.gradients);
                }
                if self.gain > 0.0 {
                    let decay = ((STABILITY + 1.0) / (STABILITY + f64::from(self.k))).powf(0.602);
                    let step = (STEP * decay * slope / self.gain).clamp(-LONGEST, LONGEST);
                    for (x, d) in self.x.iter_mut().zip(&pair.offset) {
                        *x -= step * d.signum();
                    }
                }
            }
            (false, false) if self.best.found() => self.x.copy_from_slice(&self.best.x),
            (false, false) => self.x.iter_mut().for_each(|x| *x = self.rng.random()),
            (first, _) => {
                let sign = if first { 1.0 } else { -1.0 };
                for (x, (middle, d)) in self.x.iter_mut().zip(pair.middle.iter().zip(&pair.offset)) {
                    *x = middle + sign * d;
                }
            }
        }
        self.frame.clamp(&mut self.x);
    }
}

impl Strategy for Spsa {
    const NAME: &'static str = "spsa";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        if let Some(pair) = self.pairs.last_mut().filter(|pair| !pair.second_asked) {
            pair.second_asked = true;
            for (x, (middle, d)) in x.iter_mut().zip(pair.middle.iter().zip(&pair.offset)) {
                *x = middle - d;
            }
            return pair.tag + 1;
        }
        if self.asked >= LOOK {
            self.asked = 0;
            x.copy_from_slice(&self.x);
            return MIDDLE;
        }
        self.asked += 1;
        let c = self.perturbation();
        let (mut middle, mut offset) = (self.copy_of_x(), self.copy_of_x());
        for ((middle, d), boxed) in middle.iter_mut().zip(&mut offset).zip(&self.frame.boxed) {
            if *boxed {
                *middle = middle.clamp(c, 1.0 - c);
            }
            *d = if self.rng.random() { c } else { -c };
        }
        for (x, (middle, d)) in x.iter_mut().zip(middle.iter().zip(&offset)) {
            *x = middle + d;
        }
        let tag = self.tag;
        self.tag = self.tag.wrapping_add(2) % (MIDDLE - 1);
        self.pairs.push(Pair { tag, middle, offset, second_asked: false, first: None, second: None });
        tag
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        let cost = ranked(cost);
        self.best.offer(x, cost);
        if tag == MIDDLE {
            return;
        }
        let Some(place) = self.pairs.iter().position(|pair| pair.tag == tag & !1) else { return };
        let pair = &mut self.pairs[place];
        *(if tag & 1 == 0 { &mut pair.first } else { &mut pair.second }) = Some(cost);
        if let (Some(first), Some(second)) = (pair.first, pair.second) {
            let pair = self.pairs.remove(place);
            self.move_by(&pair, first, second);
            self.spare.push(pair.middle);
            self.spare.push(pair.offset);
        }
    }
}
