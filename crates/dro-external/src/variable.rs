//! One variable of a cost program: its kind, its bounds, its value as JSON.

use dro_core::{Block, Domain};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result,
    se3::{self, Se3},
};

/// A choice of a categorical variable; it travels as it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number, finite.
    Real(f64),
    /// A text.
    Text(String),
}

impl From<&str> for Choice {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// What kind of value a variable takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// Real numbers; a bound that is missing is infinite.
    Real {
        /// Smallest value.
        lower: Option<f64>,
        /// Largest value.
        upper: Option<f64>,
        /// Whether orders of magnitude count: both bounds are given and above zero.
        #[serde(default)]
        log: bool,
    },
    /// Whole numbers in `[lower, upper]`.
    Integer {
        /// Smallest value.
        lower: i64,
        /// Largest value.
        upper: i64,
        /// Whether orders of magnitude count: `lower` is at least 1.
        #[serde(default)]
        log: bool,
    },
    /// One of several choices without an order.
    Categorical {
        /// The choices, all different.
        choices: Vec<Choice>,
    },
    /// A rigid motion: a homogeneous 4x4 matrix, row by row ([`Se3`]).
    Se3,
}

/// A named variable. [`Variables`](crate::Variables) checks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// The key in the candidates' JSON.
    pub name: String,
    /// The shape of an array of such values; `None` for one value that is no array.
    pub shape: Option<Vec<usize>>,
    /// What it may be.
    #[serde(flatten)]
    pub kind: Kind,
    /// Where the search starts, element by element (real, integer) or pose by pose (16 numbers each, row-major).
    pub start: Option<Vec<f64>>,
    /// How far from the start values are expected where there are no bounds, in the variable's own units (for poses:
    /// radians, and the unit of their translations).
    pub scale: Option<f64>,
}

impl Variable {
    fn of(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), shape: None, kind, start: None, scale: None }
    }

    /// A real number in `[lower, upper]`.
    pub fn real(name: impl Into<String>, lower: f64, upper: f64) -> Self {
        Self::of(name, Kind::Real { lower: Some(lower), upper: Some(upper), log: false })
    }

    /// Any real number, expected within about `scale` of `start`.
    pub fn unbounded(name: impl Into<String>, start: f64, scale: f64) -> Self {
        let kind = Kind::Real { lower: None, upper: None, log: false };
        Self { start: Some(vec![start]), scale: Some(scale), ..Self::of(name, kind) }
    }

    /// A positive number in `[lower, upper]` that matters by its order of magnitude.
    pub fn log(name: impl Into<String>, lower: f64, upper: f64) -> Self {
        Self::of(name, Kind::Real { lower: Some(lower), upper: Some(upper), log: true })
    }

    /// A whole number in `[lower, upper]`.
    pub fn integer(name: impl Into<String>, lower: i64, upper: i64) -> Self {
        Self::of(name, Kind::Integer { lower, upper, log: false })
    }

    /// One of several choices.
    pub fn categorical<C: Into<Choice>>(
        name: impl Into<String>,
        choices: impl IntoIterator<Item = C>,
    ) -> Self {
        Self::of(name, Kind::Categorical { choices: choices.into_iter().map(Into::into).collect() })
    }

    /// A pose, expected within about `scale` (radians, and the unit of translations) of the identity.
    pub fn se3(name: impl Into<String>, scale: f64) -> Self {
        Self { scale: Some(scale), ..Self::of(name, Kind::Se3) }
    }

    /// An array of such values.
    pub fn shape(mut self, shape: impl Into<Vec<usize>>) -> Self {
        self.shape = Some(shape.into());
        self
    }

    /// How many values (numbers, choices or poses).
    pub fn values(&self) -> usize {
        self.shape.iter().flatten().product()
    }

    /// The block of a [`dro_core::Space`] that a search moves. Nothing is checked here.
    pub(crate) fn block(&self) -> Block {
        let mut shape = self.shape.clone().unwrap_or_else(|| vec![1]);
        let domain = match &self.kind {
            Kind::Real { lower: Some(lower), upper: Some(upper), log: true } => {
                Domain::Log { lower: *lower, upper: *upper }
            }
            Kind::Real { lower, upper, .. } => Domain::Real {
                lower: lower.unwrap_or(f64::NEG_INFINITY),
                upper: upper.unwrap_or(f64::INFINITY),
            },
            // Rounded on the way out, so every whole number has its share of the logarithmic range.
            Kind::Integer { lower, upper, log: true } => {
                Domain::Log { lower: *lower as f64 - 0.5, upper: *upper as f64 + 0.5 }
            }
            Kind::Integer { lower, upper, log: false } => Domain::Integer { lower: *lower, upper: *upper },
            Kind::Categorical { choices } => {
                Domain::Categorical { choices: choices.iter().map(ToString::to_string).collect() }
            }
            Kind::Se3 => {
                shape.extend([4, 4]);
                Domain::Manifold(std::sync::Arc::new(Se3))
            }
        };
        Block { name: self.name.clone(), shape, domain }
    }

    /// The start of the block, where the middle of the bounds or zero will not do.
    pub(crate) fn start_of_block(&self) -> Option<Vec<f64>> {
        match (self.start.as_deref(), &self.kind) {
            (Some([one]), _) => Some(vec![*one; self.values()]),
            (Some(start), _) => Some(start.to_vec()),
            (None, Kind::Se3) => Some(se3::identity().repeat(self.values())),
            (None, _) => None,
        }
    }

    /// The value that travels: `numbers` are this block's part of what the encoding decodes.
    pub(crate) fn json(&self, numbers: &[f64]) -> Value {
        let leaves: Vec<Value> = match &self.kind {
            Kind::Real { .. } => numbers.iter().map(|&v| Value::from(v)).collect(),
            Kind::Integer { lower, upper, .. } => {
                let whole = |v: &f64| (v.round() as i64).clamp(*lower, *upper);
                numbers.iter().map(|v| Value::from(whole(v))).collect()
            }
            Kind::Categorical { choices } => {
                let choice = |v: &f64| match choices.get(*v as usize) {
                    Some(Choice::Bool(value)) => Value::from(*value),
                    Some(Choice::Integer(value)) => Value::from(*value),
                    Some(Choice::Real(value)) => Value::from(*value),
                    Some(Choice::Text(value)) => Value::from(value.as_str()),
                    None => Value::Null,
                };
                numbers.iter().map(choice).collect()
            }
            Kind::Se3 => numbers
                .chunks(se3::STORED)
                .map(|pose| Value::Array(pose.chunks(4).map(Value::from).collect()))
                .collect(),
        };
        nested(leaves, self.shape.as_deref().unwrap_or(&[]))
    }

    /// Fails with the key that is wrong; `place` names the file and the variable.
    pub(crate) fn check(&self, place: &str) -> Result<()> {
        let wrong = |key: &str, expected: &str, found: String| {
            Err(Error::variable(format!("{place}: {key}"), expected, found))
        };
        if self.name.is_empty() {
            return wrong("name", "a name", "an empty text".into());
        }
        if self.shape.as_ref().is_some_and(|shape| !(1..=1 << 20).contains(&count(shape))) {
            return wrong(
                "shape",
                "1 to 1048576 values",
                format!("{:?}", self.shape.as_deref().unwrap_or(&[])),
            );
        }
        let mut unbounded = false;
        match &self.kind {
            Kind::Real { lower, upper, log } => {
                let (low, high) = (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY));
                unbounded = !(low.is_finite() && high.is_finite());
                let bounds = format!("lower {}, upper {}", named(*lower), named(*upper));
                if lower.is_some_and(|v| !v.is_finite()) || upper.is_some_and(|v| !v.is_finite()) {
                    return wrong("bounds", "finite numbers (leave out a bound that is infinite)", bounds);
                }
                if low > high {
                    return wrong("bounds", "lower at most upper", bounds);
                }
                if *log && (unbounded || low <= 0.0) {
                    return wrong("log", "both bounds, above zero", bounds);
                }
                if !unbounded && !(high - low).is_finite() {
                    return wrong("bounds", "a range that a float64 holds", bounds);
                }
            }
            Kind::Integer { lower, upper, log } => {
                let bounds = format!("lower {lower}, upper {upper}");
                let largest: u64 = if *log { 1 << 52 } else { 1 << 24 };
                if lower > upper {
                    return wrong("bounds", "lower at most upper", bounds);
                }
                if lower.unsigned_abs().max(upper.unsigned_abs()) > largest {
                    return wrong(
                        "bounds",
                        "whole numbers up to 2^24 in size (2^52 with log = true)",
                        bounds,
                    );
                }
                if *log && *lower < 1 {
                    return wrong("log", "a lower bound of at least 1", bounds);
                }
            }
            Kind::Categorical { choices } => {
                if choices.is_empty() {
                    return wrong("choices", "at least one", "none".into());
                }
                for (i, choice) in choices.iter().enumerate() {
                    if matches!(choice, Choice::Real(value) if !value.is_finite()) {
                        return wrong("choices", "finite numbers", choice.to_string());
                    }
                    if choices[..i].contains(choice) {
                        return wrong("choices", "different choices", format!("{choice} twice"));
                    }
                }
                if self.start.is_some() {
                    return wrong("start", "none for categories: a search begins undecided", "one".into());
                }
            }
            Kind::Se3 => unbounded = true,
        }
        match self.scale {
            Some(scale) if !unbounded => {
                return wrong("scale", "none, because the bounds say it", scale.to_string());
            }
            Some(scale) if !(scale > 0.0 && scale.is_finite()) => {
                return wrong("scale", "a finite number above zero", scale.to_string());
            }
            _ => {}
        }
        self.check_start(place)
    }

    fn check_start(&self, place: &str) -> Result<()> {
        let Some(start) = &self.start else { return Ok(()) };
        let wrong = |expected: String, found: String| {
            Err(Error::variable(format!("{place}: start"), expected, found))
        };
        if self.kind == Kind::Se3 {
            if start.len() != se3::STORED * self.values() {
                let expected = match self.values() {
                    1 => "a 4x4 matrix".into(),
                    poses => format!("{poses} 4x4 matrices"),
                };
                return wrong(expected, format!("{} numbers", start.len()));
            }
            let far = start.chunks(se3::STORED).map(se3::distance_from_pose).fold(0.0, f64::max);
            if !(far < 1e-6) {
                let expected = "rigid motions [R t; 0 0 0 1] with a rotation R".into();
                return wrong(expected, format!("a matrix that is {far:.1e} away from one"));
            }
            return Ok(());
        }
        if start.len() != 1 && start.len() != self.values() {
            return wrong(format!("one number or {}", self.values()), format!("{} numbers", start.len()));
        }
        let (low, high) = match self.kind {
            Kind::Integer { lower, upper, .. } => (lower as f64, upper as f64),
            Kind::Real { lower, upper, .. } => {
                (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY))
            }
            _ => return Ok(()),
        };
        let whole = matches!(self.kind, Kind::Integer { .. });
        match start.iter().find(|v| !v.is_finite() || **v < low || **v > high || whole && v.fract() != 0.0) {
            Some(v) => {
                let numbers = if whole { "whole numbers" } else { "finite numbers" };
                wrong(format!("{numbers} in [{low}, {high}]"), v.to_string())
            }
            None => Ok(()),
        }
    }
}

/// The product of a shape, which may overflow.
fn count(shape: &[usize]) -> usize {
    shape.iter().fold(1, |product: usize, &side| product.saturating_mul(side))
}

fn named(bound: Option<f64>) -> String {
    bound.map_or_else(|| "missing".into(), |v| v.to_string())
}

/// Nests values row-major; without a shape the only one stands alone.
fn nested(leaves: Vec<Value>, shape: &[usize]) -> Value {
    let mut level = leaves;
    for &side in shape.iter().skip(1).rev() {
        let mut left = level.into_iter();
        let mut above = Vec::new();
        loop {
            let row: Vec<Value> = left.by_ref().take(side).collect();
            if row.is_empty() {
                break;
            }
            above.push(Value::Array(row));
        }
        level = above;
    }
    if shape.is_empty() { level.pop().unwrap_or(Value::Null) } else { Value::Array(level) }
}
