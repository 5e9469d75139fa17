//! Where a cost lives: named blocks of variables, and points in them.

use std::{fmt, sync::Arc};

use candle_core::{Device, Tensor};

use crate::{Error, Result};

/// Which block of a [`Space`], by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub usize);

/// How an increment is applied to a variable that does not live in a vector space.
///
/// `retract(x, 0) = x`, and `d` lives in the tangent space at `x` (Absil, Mahony & Sepulchre,
/// *Optimization Algorithms on Matrix Manifolds*, section 4.1).
pub trait Manifold: fmt::Debug + Send + Sync {
    /// The manifold's name, for messages.
    fn name(&self) -> &str;

    /// The point that increment `d` leads to from `x`.
    fn retract(&self, x: &Tensor, d: &Tensor) -> Result<Tensor>;

    /// Numbers in an increment of a value that is stored as `stored` numbers: the manifold's dimension.
    fn increment_elements(&self, stored: usize) -> usize {
        stored
    }
}

/// Which values a block may take.
#[derive(Debug, Clone)]
pub enum Domain {
    /// Real numbers in `[lower, upper]`; either bound may be infinite. Increments add, then clamp.
    Real {
        /// Smallest value.
        lower: f64,
        /// Largest value.
        upper: f64,
    },
    /// Positive real numbers in `[lower, upper]` that matter by their order of magnitude: black-box searches
    /// ([`search`](crate::search)) see the logarithm. Increments add, then clamp.
    Log {
        /// Smallest value, above zero and finite.
        lower: f64,
        /// Largest value, finite.
        upper: f64,
    },
    /// Whole numbers in `[lower, upper]`, stored as floating-point tensors. Increments add, then round, then clamp.
    Integer {
        /// Smallest value.
        lower: i64,
        /// Largest value.
        upper: i64,
    },
    /// One of several choices without an order, stored as the index of the choice. Increments move the index.
    Categorical {
        /// The choices' names, at least one.
        choices: Vec<String>,
    },
    /// Increments retract on a manifold, such as SE(3).
    Manifold(Arc<dyn Manifold>),
}

impl Domain {
    /// Every real number.
    pub const UNBOUNDED: Self = Self::Real { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    /// `x` moved by the increment `d`, inside the domain.
    pub fn step(&self, x: &Tensor, d: &Tensor) -> Result<Tensor> {
        match self {
            Self::Real { lower, upper } => {
                let moved = (x + d)?;
                if lower.is_finite() || upper.is_finite() {
                    Ok(moved.clamp(*lower as f32, *upper as f32)?)
                } else {
                    Ok(moved)
                }
            }
            Self::Log { lower, upper } => Ok((x + d)?.clamp(*lower as f32, *upper as f32)?),
            Self::Integer { lower, upper } => Ok((x + d)?.round()?.clamp(*lower as f32, *upper as f32)?),
            Self::Categorical { choices } => {
                Ok((x + d)?.round()?.clamp(0f32, choices.len().saturating_sub(1) as f32)?)
            }
            Self::Manifold(manifold) => manifold.retract(x, d),
        }
    }

    /// Whether a number may stand in a block of this domain; on a manifold, any finite one.
    pub(crate) fn contains(&self, v: f64) -> bool {
        v.is_finite() && self.nearest(v) == v
    }

    /// The nearest value to a finite number.
    pub(crate) fn nearest(&self, v: f64) -> f64 {
        match self {
            Self::Real { lower, upper } | Self::Log { lower, upper } => v.clamp(*lower, *upper),
            Self::Integer { lower, upper } => v.round().clamp(*lower as f64, *upper as f64),
            Self::Categorical { choices } => v.round().clamp(0.0, choices.len().saturating_sub(1) as f64),
            Self::Manifold(_) => v,
        }
    }

    /// What [`contains`](Self::contains) asks for, in words.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Real { lower, upper } | Self::Log { lower, upper } => {
                format!("numbers in [{lower}, {upper}]")
            }
            Self::Integer { lower, upper } => format!("whole numbers in [{lower}, {upper}]"),
            Self::Categorical { choices } => format!("indices of {} choices", choices.len()),
            Self::Manifold(_) => "finite numbers".into(),
        }
    }

    /// What is wrong with this domain, as (expected, found).
    fn fault(&self) -> Option<(&'static str, String)> {
        // Written so that a NaN bound fails too.
        match self {
            Self::Real { lower, upper } if !(lower <= upper) => {
                Some(("lower <= upper", format!("[{lower}, {upper}]")))
            }
            Self::Log { lower, upper } if !(0.0 < *lower && lower <= upper && upper.is_finite()) => {
                Some(("0 < lower <= upper, both finite", format!("[{lower}, {upper}]")))
            }
            Self::Integer { lower, upper } if lower > upper => {
                Some(("lower <= upper", format!("[{lower}, {upper}]")))
            }
            Self::Integer { lower, upper } if lower.unsigned_abs().max(upper.unsigned_abs()) > 1 << 24 => {
                Some(("whole numbers up to 2^24, which float32 holds", format!("[{lower}, {upper}]")))
            }
            Self::Categorical { choices } if choices.is_empty() => {
                Some(("at least one choice", "none".into()))
            }
            _ => None,
        }
    }
}

/// A named group of variables that one update rule moves together.
#[derive(Debug, Clone)]
pub struct Block {
    /// The block's name, unique in its space.
    pub name: String,
    /// The shape of one batch element's value; tensors are `[batch, shape…]`.
    pub shape: Vec<usize>,
    /// Which values it may take.
    pub domain: Domain,
}

impl Block {
    /// Unbounded real numbers of the given shape (`[d]` for a vector, `[1, h, w]` for a map).
    pub fn real(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into(), domain: Domain::UNBOUNDED }
    }

    /// Real numbers in `[lower, upper]`.
    pub fn bounded(name: impl Into<String>, shape: impl Into<Vec<usize>>, lower: f64, upper: f64) -> Self {
        Self { name: name.into(), shape: shape.into(), domain: Domain::Real { lower, upper } }
    }

    /// Whole numbers in `[lower, upper]`.
    pub fn integer(name: impl Into<String>, shape: impl Into<Vec<usize>>, lower: i64, upper: i64) -> Self {
        Self { name: name.into(), shape: shape.into(), domain: Domain::Integer { lower, upper } }
    }

    /// Positive real numbers in `[lower, upper]`, searched on a logarithmic scale.
    pub fn log(name: impl Into<String>, shape: impl Into<Vec<usize>>, lower: f64, upper: f64) -> Self {
        Self { name: name.into(), shape: shape.into(), domain: Domain::Log { lower, upper } }
    }

    /// One choice among several.
    pub fn categorical<S: Into<String>>(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        choices: impl IntoIterator<Item = S>,
    ) -> Self {
        let choices = choices.into_iter().map(Into::into).collect();
        Self { name: name.into(), shape: shape.into(), domain: Domain::Categorical { choices } }
    }

    /// Numbers in one batch element's value.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// A variable on a manifold; `shape` is that of the stored coordinates.
    pub fn manifold(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        manifold: Arc<dyn Manifold>,
    ) -> Self {
        Self { name: name.into(), shape: shape.into(), domain: Domain::Manifold(manifold) }
    }
}

/// The blocks of variables of a problem.
#[derive(Debug, Clone)]
pub struct Space {
    blocks: Vec<Block>,
}

impl Space {
    /// Checks that names are unique, shapes are not empty of elements, and bounds are ordered.
    pub fn new(blocks: Vec<Block>) -> Result<Self> {
        if blocks.is_empty() {
            return Err(Error::argument("space", "at least one block", "none"));
        }
        for (i, block) in blocks.iter().enumerate() {
            if blocks[..i].iter().any(|other| other.name == block.name) {
                return Err(Error::argument(
                    "space",
                    "unique block names",
                    format!("{:?} twice", block.name),
                ));
            }
            if block.shape.iter().product::<usize>() == 0 {
                return Err(Error::argument(
                    format!("shape of block {:?}", block.name),
                    "at least one element",
                    format!("{:?}", block.shape),
                ));
            }
            if let Some((expected, found)) = block.domain.fault() {
                return Err(Error::argument(format!("domain of block {:?}", block.name), expected, found));
            }
        }
        Ok(Self { blocks })
    }

    /// The blocks in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Every block's id in order.
    pub fn ids(&self) -> impl Iterator<Item = BlockId> + use<> {
        (0..self.blocks.len()).map(BlockId)
    }

    /// The block `id`, or an error if the space has fewer.
    pub fn block(&self, id: BlockId) -> Result<&Block> {
        self.blocks.get(id.0).ok_or_else(|| self.unknown(&format!("#{}", id.0)))
    }

    /// The id of the block with this name.
    pub fn id(&self, name: &str) -> Result<BlockId> {
        self.blocks.iter().position(|b| b.name == name).map(BlockId).ok_or_else(|| self.unknown(name))
    }

    /// A point, checked: one tensor per block, `[batch, block shape…]`, the same batch everywhere.
    pub fn point(&self, values: Vec<Tensor>) -> Result<Point> {
        if values.len() != self.blocks.len() {
            return Err(Error::argument("point", format!("{} blocks", self.blocks.len()), values.len()));
        }
        let batch = values[0].dims().first().copied().unwrap_or(0);
        for (block, value) in self.blocks.iter().zip(&values) {
            let expected: Vec<usize> = [batch].iter().chain(&block.shape).copied().collect();
            if value.dims() != expected {
                return Err(Error::Shape {
                    name: format!("block {:?}", block.name),
                    expected,
                    found: value.dims().to_vec(),
                });
            }
        }
        if batch == 0 {
            return Err(Error::argument("point", "a batch of at least one", 0));
        }
        Ok(Point { values, batch })
    }

    fn unknown(&self, name: &str) -> Error {
        Error::UnknownBlock { name: name.into(), known: self.blocks.iter().map(|b| b.name.clone()).collect() }
    }
}

/// One value per block, `[batch, block shape…]`. Made and checked by [`Space::point`].
///
/// Batch elements are independent problems that run in lock step.
#[derive(Debug, Clone)]
pub struct Point {
    values: Vec<Tensor>,
    batch: usize,
}

impl Point {
    /// The value of one block.
    ///
    /// # Panics
    /// If `block` is not of the [`Space`] that made this point.
    pub fn get(&self, block: BlockId) -> &Tensor {
        &self.values[block.0]
    }

    /// All values in block order.
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// How many independent problems.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The device the values live on.
    pub fn device(&self) -> &Device {
        self.values[0].device()
    }

    /// The same point with one block replaced by a value of the same shape.
    pub fn with(&self, block: BlockId, value: Tensor) -> Result<Self> {
        let old = self.get(block);
        if old.dims() != value.dims() {
            return Err(Error::Shape {
                name: format!("block #{}", block.0),
                expected: old.dims().to_vec(),
                found: value.dims().to_vec(),
            });
        }
        let mut values = self.values.clone();
        values[block.0] = value;
        Ok(Self { values, batch: self.batch })
    }

    /// The same values, cut off from the graph that made them.
    pub fn detach(&self) -> Self {
        Self { values: self.values.iter().map(Tensor::detach).collect(), batch: self.batch }
    }
}
