//! Searches behind the block-wise driver.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Encoding, Method, Search};
use crate::{Cost, Error, Optimizer, Result, Space, Turn, optimizer::accepted};

/// Any [`Method`] as an [`Optimizer`] of [`minimize`](crate::minimize): a search of its own for every block and every
/// batch element, with random numbers of its own.
///
/// A block's value is its incumbent. On a block's first turn of a stage the current value is evaluated (the other
/// blocks may have moved) and a new search begins around it; on the others the search's trials are.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use dro_core::{search::{BlockSearch, Method}, *};
///
/// # fn main() -> Result<()> {
/// let cost = cost_fn(3, |x| x.iter().map(|v| (v - 0.4).abs()).sum())?;
/// let start = cost.space().point(vec![Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?])?;
/// let mut optimizer = BlockSearch::new(cost.space(), Method::CmaEs, 7);
/// let schedule = Schedule::single(cost.space().id("x")?, 400);
/// let solution = minimize(&cost, &mut optimizer, &start, &schedule, &Budget::default(), &mut [])?;
/// assert!(solution.best_total.to_vec1::<f32>()?.iter().all(|total| *total < 0.01));
/// # Ok(()) }
/// ```
pub struct BlockSearch {
    space: Space,
    method: Method,
    seed: u64,
    scales: Vec<f64>,
    /// Per block and batch element; none before the block's first turn.
    parts: Vec<Vec<Element>>,
}

struct Element {
    /// Where the search began.
    start: Vec<f64>,
    /// Around the start.
    encoding: Encoding,
    search: Box<dyn Search>,
    trial: Option<u64>,
    /// The incumbent's total, if it could be evaluated.
    total: Option<f64>,
}

impl BlockSearch {
    /// The same method for all blocks. Where there are no bounds, values are expected within 1 of the start.
    pub fn new(space: &Space, method: Method, seed: u64) -> Self {
        let blocks = space.blocks().len();
        Self {
            space: space.clone(),
            method,
            seed,
            scales: vec![1.0; blocks],
            parts: (0..blocks).map(|_| Vec::new()).collect(),
        }
    }

    /// How far from the start the values of a block are expected where there are no bounds.
    ///
    /// # Errors
    /// If there is no such block, or the scale is not above zero.
    pub fn scale(mut self, block: &str, scale: f64) -> Result<Self> {
        Encoding::new(&self.space)?.scale(block, scale)?;
        let id = self.space.id(block)?;
        self.scales[id.0] = scale;
        Ok(self)
    }

    /// The encoding of one block around a value; `None` where there is nothing to choose.
    fn encoding(&self, block: usize, start: &[f64]) -> Result<Option<Encoding>> {
        let block_of = self.space.blocks()[block].clone();
        let name = block_of.name.clone();
        let space = Space::new(vec![block_of])?;
        match Encoding::new(&space) {
            Ok(encoding) => Ok(Some(encoding.start(&name, start)?.scale(&name, self.scales[block])?)),
            Err(_) => Ok(None),
        }
    }

    fn begin(&mut self, turn: &Turn<'_>, totals: &[f64]) -> Result<()> {
        let block = turn.block.0;
        let domain = &self.space.block(turn.block)?.domain;
        let mut elements = Vec::with_capacity(totals.len());
        for (i, (row, total)) in rows(turn.value())?.into_iter().zip(totals).enumerate() {
            let start: Vec<f64> =
                row.iter().map(|v| domain.nearest(if v.is_finite() { *v } else { 0.0 })).collect();
            let Some(encoding) = self.encoding(block, &start)? else { break };
            let seed = [block, turn.stage, i].into_iter().fold(self.seed, |seed, k| mix(seed, k as u64));
            let search = self.method.build(&encoding.frame(), seed)?;
            let total = total.is_finite().then_some(*total);
            elements.push(Element { start, encoding, search, trial: None, total });
        }
        self.parts[block] = elements;
        Ok(())
    }
}

impl Optimizer for BlockSearch {
    fn ask(&mut self, turn: &Turn<'_>) -> Result<Tensor> {
        self.space.block(turn.block)?;
        let (value, block) = (turn.value(), turn.block.0);
        if turn.inner == 0 || self.parts[block].is_empty() {
            return Ok(value.clone());
        }
        if self.parts[block].len() != turn.at.batch() {
            let expected = format!("{} elements, as in the turn before", self.parts[block].len());
            return Err(Error::argument("batch", expected, turn.at.batch()));
        }
        let mut values = Vec::with_capacity(value.elem_count());
        let (mut u, mut row) = (Vec::new(), Vec::new());
        for element in &mut self.parts[block] {
            u.resize(element.search.dim(), 0.0);
            element.trial = Some(element.search.ask(&mut u)?);
            element.encoding.decode(&u, &mut row)?;
            values.extend_from_slice(&row);
        }
        Ok(Tensor::from_vec(values, value.dims(), &Device::Cpu)?
            .to_dtype(value.dtype())?
            .to_device(value.device())?)
    }

    fn tell(&mut self, turn: &Turn<'_>, candidate: &Tensor, cost: &Cost) -> Result<Tensor> {
        let totals = cost.total.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if turn.inner == 0 {
            self.begin(turn, &totals)?;
            return Ok(candidate.clone());
        }
        let mut accept = vec![0; totals.len()];
        for ((element, total), accept) in self.parts[turn.block.0].iter_mut().zip(totals).zip(&mut accept) {
            if let Some(trial) = element.trial.take() {
                element.search.tell(trial, total)?;
            }
            if total.is_finite() && element.total.is_none_or(|best| total < best) {
                element.total = Some(total);
                *accept = 1;
            }
        }
        accepted(accept, candidate, turn.value())
    }

    fn save(&self) -> Result<Vec<u8>> {
        let element = |element: &Element| {
            let search = element.search.state()?;
            Ok(Saved { start: element.start.clone(), search, trial: element.trial, total: element.total })
        };
        let parts: Vec<Vec<Saved>> = self
            .parts
            .iter()
            .map(|part| part.iter().map(element).collect::<Result<_>>())
            .collect::<Result<_>>()?;
        serde_json::to_vec(&parts)
            .map_err(|source| Error::State { method: self.method.name().into(), source })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let parts: Vec<Vec<Saved>> = serde_json::from_slice(state)
            .map_err(|source| Error::State { method: self.method.name().into(), source })?;
        if parts.len() != self.parts.len() {
            return Err(Error::argument("saved search", format!("{} blocks", self.parts.len()), parts.len()));
        }
        let element = |(block, saved): (usize, Saved)| {
            let encoding = self.encoding(block, &saved.start)?.ok_or_else(|| {
                Error::argument("saved search", format!("none of block #{block}, which has one value"), "one")
            })?;
            let search = Method::restore(saved.search)?;
            if search.dim() != encoding.dim() {
                let expected = format!("{} coordinates of block #{block}", encoding.dim());
                return Err(Error::argument("saved search", expected, search.dim()));
            }
            Ok(Element { start: saved.start, encoding, search, trial: saved.trial, total: saved.total })
        };
        let parts = parts.into_iter().enumerate();
        self.parts = parts
            .map(|(block, part)| part.into_iter().map(|saved| element((block, saved))).collect::<Result<_>>())
            .collect::<Result<_>>()?;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    start: Vec<f64>,
    search: serde_json::Value,
    trial: Option<u64>,
    total: Option<f64>,
}

/// One batch element a row, on the CPU.
fn rows(value: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(value.to_dtype(DType::F64)?.to_device(&Device::Cpu)?.flatten_from(1)?.to_vec2::<f64>()?)
}

/// A seed from a seed and a number: SplitMix64 (Steele, Lea & Flood 2014).
fn mix(seed: u64, k: u64) -> u64 {
    let mut z = seed.wrapping_add(k.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
