//! The (1+1) evolution strategy with the one-fifth success rule.

use candle_core::{DType, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::one_fifth;
use crate::{BlockId, Cost, Error, Optimizer, Result, Space, Turn, optimizer::accepted};

/// Adds Gaussian noise to the incumbent and keeps what is not worse; the step grows by `exp(1/3)` on success and shrinks
/// by a quarter of that on failure, which holds the success rate near one in five (Rechenberg 1973; Kern et al. 2004,
/// figure 4). Batch elements adapt their steps independently.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use dro_core::{Budget, CostFunction, Schedule, baselines::OnePlusOneEs, cost_fn, minimize};
///
/// # fn main() -> dro_core::Result<()> {
/// let cost = cost_fn(3, |x| x.iter().map(|v| (v - 1.0).abs()).sum())?;
/// let start = cost.space().point(vec![Tensor::zeros((1, 3), candle_core::DType::F32, &Device::Cpu)?])?;
/// let x = cost.space().id("x")?;
/// let mut es = OnePlusOneEs::new(cost.space(), 0.5, 7);
/// let solution = minimize(&cost, &mut es, &start, &Schedule::single(x, 400), &Budget::default(), &mut [])?;
/// assert!(solution.best_total.to_vec1::<f32>()?[0] < 0.01);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct OnePlusOneEs {
    space: Space,
    rng: ChaCha8Rng,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    initial_step: f64,
    /// Per batch element: step size and the incumbent's total.
    elements: Vec<(f64, f32)>,
}

impl OnePlusOneEs {
    /// Starts with standard deviation `step` in every coordinate of every block.
    pub fn new(space: &Space, step: f64, seed: u64) -> Self {
        let part = Part { initial_step: step, elements: Vec::new() };
        Self {
            space: space.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            parts: vec![part; space.blocks().len()],
        }
    }

    /// The step size of each batch element of a block; empty before the block's first turn.
    pub fn step_sizes(&self, block: BlockId) -> Vec<f64> {
        self.parts.get(block.0).map(|p| p.elements.iter().map(|e| e.0).collect()).unwrap_or_default()
    }
}

impl Optimizer for OnePlusOneEs {
    fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor> {
        let x = turn.value();
        let part = &mut self.parts[turn.block.0];
        if part.elements.is_empty() {
            part.elements = vec![(part.initial_step, f32::INFINITY); turn.at.batch()];
        }
        if turn.inner == 0 {
            // The other blocks may have moved: measure the incumbent again.
            return Ok(x.clone());
        }
        let per_element = x.elem_count() / turn.at.batch();
        let mut noise = Vec::with_capacity(x.elem_count());
        for (sigma, _) in &part.elements {
            noise.extend((0..per_element).map(|_| (sigma * standard_normal(&mut self.rng)) as f32));
        }
        let noise = Tensor::from_vec(noise, x.dims(), x.device())?.to_dtype(x.dtype())?;
        self.space.block(turn.block)?.domain.step(x, &noise)
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> Result<Tensor> {
        let totals = cost.total.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let part = &mut self.parts[turn.block.0];
        let accept: Vec<u8> = totals
            .iter()
            .zip(&mut part.elements)
            .map(|(&total, (sigma, incumbent))| {
                if turn.inner == 0 {
                    *incumbent = if total.is_finite() { total } else { f32::INFINITY };
                    return 1;
                }
                let accepted = total.is_finite() && total <= *incumbent;
                if accepted {
                    *incumbent = total;
                }
                *sigma = one_fifth(*sigma, accepted);
                u8::from(accepted)
            })
            .collect();
        accepted(accept, candidate, turn.value())
    }

    fn save(&self) -> Result<Vec<u8>> {
        let finite = |total: f32| total.is_finite().then_some(total);
        let elements = |part: &Part| part.elements.iter().map(|e| (e.0, finite(e.1))).collect();
        let state = State { rng: self.rng.clone(), parts: self.parts.iter().map(elements).collect() };
        serde_json::to_vec(&state).map_err(failed)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let state: State = serde_json::from_slice(state).map_err(failed)?;
        if state.parts.len() != self.parts.len() {
            let expected = format!("{} blocks", self.parts.len());
            return Err(Error::argument("saved (1+1)-ES", expected, state.parts.len()));
        }
        self.rng = state.rng;
        for (part, elements) in self.parts.iter_mut().zip(state.parts) {
            part.elements =
                elements.into_iter().map(|(s, total)| (s, total.unwrap_or(f32::INFINITY))).collect();
        }
        Ok(())
    }
}

/// What changes during a run.
#[derive(Serialize, Deserialize)]
struct State {
    rng: ChaCha8Rng,
    /// Step sizes and incumbents' totals; JSON has no infinity.
    parts: Vec<Vec<(f64, Option<f32>)>>,
}

fn failed(source: serde_json::Error) -> Error {
    Error::State { method: "a (1+1)-ES".into(), source }
}

/// Box–Muller; one value per call so that the stream depends on nothing but the count.
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
