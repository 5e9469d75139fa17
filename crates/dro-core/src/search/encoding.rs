//! Values of a space as one vector of coordinates, and back.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Block, Domain, Error, Point, Result, Space};

/// The coordinates a search works in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Where to start. Interesting values are expected within about half a unit of it.
    pub start: Vec<f64>,
    /// Which coordinates are bound to [0, 1]; the others may take any value.
    pub boxed: Vec<bool>,
}

impl Frame {
    /// `dim` coordinates in [0, 1], starting in the middle.
    pub fn unit(dim: usize) -> Self {
        Self { start: vec![0.5; dim], boxed: vec![true; dim] }
    }

    /// `dim` unbounded coordinates, starting at 0.5: values between 0 and 1 are expected, others allowed.
    pub fn free(dim: usize) -> Self {
        Self { start: vec![0.5; dim], boxed: vec![false; dim] }
    }

    /// How many coordinates.
    pub fn dim(&self) -> usize {
        self.start.len()
    }

    /// Brings `x` into the frame: boxed coordinates into [0, 1], and what is not finite to the start.
    pub fn clamp(&self, x: &mut [f64]) {
        for ((x, &start), &boxed) in x.iter_mut().zip(&self.start).zip(&self.boxed) {
            if !x.is_finite() {
                *x = start;
            }
            if boxed {
                *x = x.clamp(0.0, 1.0);
            }
        }
    }
}

/// How many coordinates a block takes, and how they become its value.
///
/// | domain | coordinates | value |
/// | --- | --- | --- |
/// | real, both bounds | one each, in [0, 1] | linear between the bounds |
/// | real, a bound missing | one each, free | `start + scale·(2u − 1)`, clamped |
/// | log | one each, in [0, 1] | linear in the logarithm |
/// | integer | one each, in [0, 1] | the cell that `u` falls into, all of one width |
/// | categorical, k choices | k each, in [0, 1] (one where k = 2, none where k = 1) | the largest, the first of equal ones |
/// | manifold | its dimension, free | `retract(start, scale·(2u − 1))` |
#[derive(Debug, Clone)]
pub struct Encoding {
    space: Space,
    start: Vec<Vec<f64>>,
    scale: Vec<f64>,
}

impl Encoding {
    /// Starts in the middle of what is bounded and at zero elsewhere (the first choice, for categories), with scale 1.
    ///
    /// # Errors
    /// If there is nothing to choose: every block has one possible value.
    pub fn new(space: &Space) -> Result<Self> {
        let start = space.blocks().iter().map(|b| vec![middle(&b.domain); b.elements()]).collect();
        let encoding = Self { space: space.clone(), start, scale: vec![1.0; space.blocks().len()] };
        if encoding.dim() == 0 {
            return Err(Error::argument("space", "something to choose", "one possible value in all"));
        }
        Ok(encoding)
    }

    /// The same with another start for one block: its value, in the block's own units.
    ///
    /// # Errors
    /// If there is no such block, or the value does not lie in its domain.
    pub fn start(mut self, block: &str, value: &[f64]) -> Result<Self> {
        let id = self.space.id(block)?;
        let expected = self.space.block(id)?.elements();
        if value.len() != expected || value.iter().any(|v| !v.is_finite()) {
            let expected = format!("{expected} finite numbers");
            return Err(Error::argument(format!("start of {block:?}"), expected, format!("{value:?}")));
        }
        let domain = &self.space.block(id)?.domain;
        if let Some(outside) = value.iter().find(|v| !domain.contains(**v)) {
            return Err(Error::argument(format!("start of {block:?}"), domain.expected(), outside));
        }
        self.start[id.0] = value.to_vec();
        Ok(self)
    }

    /// The same with another scale for one block: how far from the start, in its own units, values are expected where
    /// there are no bounds.
    pub fn scale(mut self, block: &str, scale: f64) -> Result<Self> {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::argument(format!("scale of {block:?}"), "above zero", scale));
        }
        let id = self.space.id(block)?;
        self.scale[id.0] = scale;
        Ok(self)
    }

    /// The space that is encoded.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How many coordinates.
    pub fn dim(&self) -> usize {
        self.space.blocks().iter().map(coordinates).sum()
    }

    /// How many numbers a value has, over all blocks.
    pub fn elements(&self) -> usize {
        self.space.blocks().iter().map(Block::elements).sum()
    }

    /// The frame for a search.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame { start: Vec::new(), boxed: Vec::new() };
        for (block, start) in self.space.blocks().iter().zip(&self.start) {
            let count = coordinates(block);
            match &block.domain {
                Domain::Real { lower, upper } if bounded(*lower, *upper) => {
                    frame.start.extend(start.iter().map(|v| share(*v, *lower, *upper)));
                }
                Domain::Log { lower, upper } => {
                    frame.start.extend(start.iter().map(|v| share(v.ln(), lower.ln(), upper.ln())));
                }
                Domain::Integer { lower, upper } => {
                    let (lower, cells) = (*lower as f64, (upper - lower + 1) as f64);
                    frame
                        .start
                        .extend(start.iter().map(|v| ((v.round() - lower + 0.5) / cells).clamp(0.0, 1.0)));
                }
                Domain::Categorical { choices } => {
                    start
                        .iter()
                        .for_each(|choice| frame.start.extend(favour(*choice as usize, choices.len())));
                }
                _ => frame.start.extend(std::iter::repeat_n(0.5, count)),
            }
            frame.boxed.extend(std::iter::repeat_n(is_boxed(&block.domain), count));
        }
        frame
    }

    /// The values at coordinates `u`: all blocks' numbers one after the other, in the blocks' own units. `values` is
    /// cleared first.
    ///
    /// # Errors
    /// If `u` has the wrong length, or a manifold refuses.
    pub fn decode(&self, u: &[f64], values: &mut Vec<f64>) -> Result<()> {
        if u.len() != self.dim() {
            return Err(Error::argument("coordinates", format!("{} numbers", self.dim()), u.len()));
        }
        values.clear();
        let mut rest = u;
        for ((block, start), &scale) in self.space.blocks().iter().zip(&self.start).zip(&self.scale) {
            let (u, after) = rest.split_at(coordinates(block));
            rest = after;
            match &block.domain {
                Domain::Real { lower, upper } if bounded(*lower, *upper) => {
                    // Written so that both ends are met exactly.
                    values.extend(u.iter().map(|u| ((1.0 - u) * lower + u * upper).clamp(*lower, *upper)));
                }
                Domain::Real { lower, upper } => {
                    let moved = start.iter().zip(u).map(|(s, u)| s + scale * (2.0 * u - 1.0));
                    let (low, high) = (lower.max(f64::MIN), upper.min(f64::MAX));
                    values.extend(moved.map(|v| v.clamp(low, high)));
                }
                Domain::Log { lower, upper } => {
                    let (low, high) = (lower.ln(), upper.ln());
                    values.extend(u.iter().map(|u| ((1.0 - u) * low + u * high).exp().clamp(*lower, *upper)));
                }
                Domain::Integer { lower, upper } => {
                    let (low, cells) = (*lower as f64, (upper - lower + 1) as f64);
                    values.extend(u.iter().map(|u| (low + (u * cells).floor()).clamp(low, *upper as f64)));
                }
                Domain::Categorical { choices } => match choices.len() {
                    1 => values.extend(std::iter::repeat_n(0.0, block.elements())),
                    2 => values.extend(u.iter().map(|u| if *u <= 0.5 { 0.0 } else { 1.0 })),
                    k => values.extend(u.chunks(k).map(largest)),
                },
                Domain::Manifold(manifold) => {
                    let device = &Device::Cpu;
                    let shape: Vec<usize> = [1].iter().chain(&block.shape).copied().collect();
                    let x = Tensor::from_slice(start, shape, device)?;
                    let moved = u.iter().map(|u| scale * (2.0 * u - 1.0));
                    let d: Vec<f64> = moved.map(|d| d.clamp(f64::MIN, f64::MAX)).collect();
                    let d = if d.len() == start.len() {
                        Tensor::from_slice(&d, x.dims(), device)?
                    } else {
                        Tensor::from_slice(&d, (1, d.len()), device)?
                    };
                    values.extend(manifold.retract(&x, &d)?.flatten_all()?.to_vec1::<f64>()?);
                }
            }
        }
        Ok(())
    }

    /// The point, batch element by batch element, of rows of values as [`decode`](Self::decode) gives them.
    pub fn point(&self, rows: &[f64], dtype: DType, device: &Device) -> Result<Point> {
        let elements = self.elements();
        let batch = rows.len() / elements.max(1);
        let mut from = 0;
        let mut tensors = Vec::with_capacity(self.space.blocks().len());
        for block in self.space.blocks() {
            let to = from + block.elements();
            let mut values = Vec::with_capacity(batch * block.elements());
            rows.chunks_exact(elements).for_each(|row| values.extend_from_slice(&row[from..to]));
            let shape: Vec<usize> = [batch].iter().chain(&block.shape).copied().collect();
            tensors.push(Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?);
            from = to;
        }
        self.space.point(tensors)
    }
}

fn bounded(lower: f64, upper: f64) -> bool {
    lower.is_finite() && upper.is_finite()
}

fn is_boxed(domain: &Domain) -> bool {
    match domain {
        Domain::Real { lower, upper } => bounded(*lower, *upper),
        Domain::Manifold(_) => false,
        _ => true,
    }
}

fn coordinates(block: &Block) -> usize {
    match &block.domain {
        Domain::Categorical { choices } => match choices.len() {
            1 => 0,
            2 => block.elements(),
            k => k * block.elements(),
        },
        Domain::Manifold(manifold) => manifold.increment_elements(block.elements()),
        _ => block.elements(),
    }
}

fn middle(domain: &Domain) -> f64 {
    match domain {
        Domain::Real { lower, upper } if bounded(*lower, *upper) => 0.5 * lower + 0.5 * upper,
        Domain::Real { lower, upper } => 0f64.clamp(*lower, *upper),
        Domain::Log { lower, upper } => (0.5 * lower.ln() + 0.5 * upper.ln()).exp(),
        Domain::Integer { lower, upper } => (lower + (upper - lower) / 2) as f64,
        Domain::Categorical { .. } | Domain::Manifold(_) => 0.0,
    }
}

fn share(value: f64, lower: f64, upper: f64) -> f64 {
    // By halves: the width of [−10³⁰⁸, 10³⁰⁸] is not a number.
    let width = 0.5 * upper - 0.5 * lower;
    if width > 0.0 { ((0.5 * value - 0.5 * lower) / width).clamp(0.0, 1.0) } else { 0.5 }
}

/// Coordinates in the middle of which `choice` is the largest by a quarter, unless it is so already.
fn favour(choice: usize, choices: usize) -> impl Iterator<Item = f64> {
    let coordinates = match choices {
        1 => 0..0,
        2 => 1..2,
        k => 0..k,
    };
    coordinates.map(move |i| if choice > 0 && i == choice { 0.75 } else { 0.5 })
}

/// The index of the largest, the first of equal ones.
fn largest(u: &[f64]) -> f64 {
    let mut best = 0;
    for (i, value) in u.iter().enumerate() {
        if *value > u[best] {
            best = i;
        }
    }
    best as f64
}
