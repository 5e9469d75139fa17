//! The variables of a cost program, and values of them as they travel.

use dro_core::{Space, search::Encoding};

use crate::{Assignment, Error, Result, Variable};

/// Checked variables with the encoding that a search works in.
///
/// ```
/// use dro_external::{Variable, Variables};
///
/// # fn main() -> dro_external::Result<()> {
/// let variables = Variables::new(vec![
///     Variable::log("lr", 1e-4, 1.0),
///     Variable::integer("layers", 1, 8),
///     Variable::categorical("activation", ["relu", "tanh"]),
/// ])?;
/// let x = variables.assignment(&[0.1, 3.0, 1.0])?;
/// assert_eq!(serde_json::to_string(&x).unwrap(), r#"{"lr":0.1,"layers":3,"activation":"tanh"}"#);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Variables {
    list: Vec<Variable>,
    encoding: Encoding,
}

impl Variables {
    /// Checks the variables.
    ///
    /// # Errors
    /// [`Error::Variable`] with the variable and the key that is wrong; an error if there is nothing to choose.
    pub fn new(list: Vec<Variable>) -> Result<Self> {
        Self::named_place(list, "")
    }

    /// The same; `file` begins every error.
    pub(crate) fn named_place(list: Vec<Variable>, file: &str) -> Result<Self> {
        let before = if file.is_empty() { String::new() } else { format!("{file}, ") };
        if list.is_empty() {
            let place = if file.is_empty() { "variables" } else { file };
            return Err(Error::variable(place, "at least one variable ([[variable]])", "none"));
        }
        for (i, variable) in list.iter().enumerate() {
            let place = format!("{before}variable {:?}", variable.name);
            variable.check(&place)?;
            if list.iter().take(i).any(|other| other.name == variable.name) {
                return Err(Error::variable(format!("{place}: name"), "a name of its own", "it twice"));
            }
        }
        let space = Space::new(list.iter().map(Variable::block).collect())?;
        let Ok(mut encoding) = Encoding::new(&space) else {
            let place = if file.is_empty() { "variables" } else { file };
            return Err(Error::variable(place, "something to choose", "one possible value in all"));
        };
        for variable in &list {
            if let Some(start) = variable.start_of_block() {
                encoding = encoding.start(&variable.name, &start)?;
            }
            if let Some(scale) = variable.scale {
                encoding = encoding.scale(&variable.name, scale)?;
            }
        }
        Ok(Self { list, encoding })
    }

    /// The variables in their order.
    pub fn list(&self) -> &[Variable] {
        &self.list
    }

    /// How a search sees them.
    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The blocks, one per variable.
    pub fn space(&self) -> &Space {
        self.encoding.space()
    }

    /// Values (all blocks' numbers one after the other, as [`Encoding::decode`] gives them) with their names.
    ///
    /// # Errors
    /// If there are too few or too many numbers.
    pub fn assignment(&self, numbers: &[f64]) -> Result<Assignment> {
        if numbers.len() != self.encoding.elements() {
            let expected = format!("{} numbers", self.encoding.elements());
            return Err(Error::argument("values", expected, numbers.len()));
        }
        let mut rest = numbers;
        let pairs = self.list.iter().zip(self.space().blocks()).map(|(variable, block)| {
            let (own, after) = rest.split_at(block.elements());
            rest = after;
            (variable.name.clone(), variable.json(own))
        });
        Ok(Assignment(pairs.collect()))
    }
}
