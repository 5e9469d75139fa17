//! `space.toml`.

use std::{fs, path::Path};

use toml::{Table, Value};

use crate::{Choice, Error, Kind, Result, Variable, Variables};

/// What a `[[variable]]` may say.
const KEYS: [&str; 9] = ["name", "shape", "kind", "lower", "upper", "choices", "log", "start", "scale"];
const KINDS: &str = "\"real\", \"integer\", \"categorical\" or \"se3\"";

impl Variables {
    /// Reads `[[variable]]` tables from a file.
    ///
    /// | key | | |
    /// | --- | --- | --- |
    /// | `name` | text | the key in the candidates |
    /// | `kind` | `"real"` (if absent), `"integer"`, `"categorical"`, `"se3"` | |
    /// | `shape` | list of whole numbers | an array of such values |
    /// | `lower`, `upper` | numbers | bounds; `integer` needs both |
    /// | `log` | `true` or `false` | orders of magnitude count; needs both bounds above zero |
    /// | `choices` | list of texts, numbers or booleans | for `categorical`, which needs it |
    /// | `start` | as the value travels, or one number for all | where the search starts |
    /// | `scale` | number | how far from the start values are expected where there are no bounds |
    ///
    /// # Errors
    /// With the file, the variable, the key, what was expected and what was found.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The same from a text; `file` is what errors call it.
    ///
    /// ```
    /// let text = "[[variable]]\nname = 'x'\nlower = 1\nupper = 0";
    /// let error = dro_external::Variables::parse(text, "space.toml").unwrap_err();
    /// let expected = "space.toml, variable \"x\": bounds: expected lower at most upper, found lower 1, upper 0";
    /// assert_eq!(error.to_string(), expected);
    /// ```
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let table: Table = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            Error::Toml {
                file: file.into(),
                line: 1 + before.matches('\n').count(),
                reason: error.message().to_owned(),
            }
        })?;
        if let Some(key) = table.keys().find(|key| *key != "variable") {
            return Err(Error::variable(file, "only [[variable]] tables", format!("the key {key:?}")));
        }
        let list = match table.get("variable") {
            None => &[][..],
            Some(Value::Array(list)) => list,
            Some(other) => {
                return Err(Error::variable(file, "[[variable]] tables", other.type_str()));
            }
        };
        let variables = list.iter().enumerate().map(|(i, value)| variable(value, i, file));
        Self::named_place(variables.collect::<Result<_>>()?, file)
    }
}

/// A table and how to complain about it.
struct Entry<'a> {
    table: &'a Table,
    place: String,
}

impl<'a> Entry<'a> {
    fn wrong<T>(&self, key: &str, expected: &str, found: &Value) -> Result<T> {
        Err(Error::variable(format!("{}: {key}", self.place), expected, shown(found)))
    }

    fn missing<T>(&self, key: &str, expected: &str) -> Result<T> {
        Err(Error::variable(format!("{}: {key}", self.place), expected, "nothing"))
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Float(value)) => Ok(Some(*value)),
            Some(Value::Integer(value)) => Ok(Some(*value as f64)),
            Some(other) => self.wrong(key, "a number", other),
        }
    }

    fn whole(&self, key: &str) -> Result<i64> {
        match self.table.get(key) {
            None => self.missing(key, "a whole number"),
            Some(Value::Integer(value)) => Ok(*value),
            Some(Value::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => Ok(*value as i64),
            Some(other) => self.wrong(key, "a whole number", other),
        }
    }

    fn truth(&self, key: &str) -> Result<bool> {
        match self.table.get(key) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(*value),
            Some(other) => self.wrong(key, "true or false", other),
        }
    }

    /// Fails if one of `keys` is there: it would be ignored.
    fn only_without(&self, keys: &[&str], kind: &str) -> Result<()> {
        match keys.iter().find_map(|key| Some((key, self.table.get(*key)?))) {
            Some((key, value)) => self.wrong(key, &format!("none for kind {kind:?}"), value),
            None => Ok(()),
        }
    }

    fn shape(&self) -> Result<Option<Vec<usize>>> {
        let expected = "a list of whole numbers above zero, such as [3] or [2, 4]";
        let sides = match self.table.get("shape") {
            None => return Ok(None),
            Some(Value::Array(sides)) => sides,
            Some(other) => return self.wrong("shape", expected, other),
        };
        let side = |value: &Value| match value {
            Value::Integer(side) if *side > 0 => Ok(usize::try_from(*side).unwrap_or(usize::MAX)),
            other => self.wrong("shape", expected, other),
        };
        let shape = sides.iter().map(side).collect::<Result<Vec<_>>>()?;
        Ok((!shape.is_empty()).then_some(shape))
    }

    fn choices(&self) -> Result<Vec<Choice>> {
        let expected = "a list of texts, numbers or booleans";
        let choices = match self.table.get("choices") {
            None => return self.missing("choices", expected),
            Some(Value::Array(choices)) => choices,
            Some(other) => return self.wrong("choices", expected, other),
        };
        let choice = |value: &Value| match value {
            Value::String(text) => Ok(Choice::Text(text.clone())),
            Value::Integer(number) => Ok(Choice::Integer(*number)),
            Value::Float(number) => Ok(Choice::Real(*number)),
            Value::Boolean(truth) => Ok(Choice::Bool(*truth)),
            other => self.wrong("choices", expected, other),
        };
        choices.iter().map(choice).collect()
    }

    /// The numbers of `start`, nested as `shape` says or one for all.
    fn start(&self, shape: &[usize]) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.table.get("start") else { return Ok(None) };
        let mut numbers = Vec::new();
        let fits = match value {
            Value::Integer(_) | Value::Float(_) => flatten(value, &[], &mut numbers),
            nested => flatten(nested, shape, &mut numbers),
        };
        if fits {
            return Ok(Some(numbers));
        }
        let expected = match shape {
            [] => "a number".into(),
            shape => format!("numbers nested as {}", sides(shape)),
        };
        self.wrong("start", &expected, value)
    }
}

fn variable(value: &Value, index: usize, file: &str) -> Result<Variable> {
    let place = format!("{file}, variable {}", index + 1);
    let Value::Table(table) = value else {
        return Err(Error::variable(place, "a [[variable]] table", shown(value)));
    };
    let unnamed = Entry { table, place };
    let name = match table.get("name") {
        Some(Value::String(name)) => name.clone(),
        Some(other) => return unnamed.wrong("name", "a text", other),
        None => return unnamed.missing("name", "a text"),
    };
    let entry = Entry { table, place: format!("{file}, variable {name:?}") };
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let expected = format!("one of the keys {}", KEYS.join(", "));
        return Err(Error::variable(&entry.place, expected, format!("{key:?}")));
    }
    let shape = entry.shape()?;
    let mut nesting = shape.clone().unwrap_or_default();
    let kind = match table.get("kind") {
        None => "real",
        Some(Value::String(kind)) => kind,
        Some(other) => return entry.wrong("kind", KINDS, other),
    };
    let kind = match kind {
        "real" => {
            entry.only_without(&["choices"], kind)?;
            Kind::Real {
                lower: entry.number("lower")?,
                upper: entry.number("upper")?,
                log: entry.truth("log")?,
            }
        }
        "integer" => {
            entry.only_without(&["choices"], kind)?;
            Kind::Integer {
                lower: entry.whole("lower")?,
                upper: entry.whole("upper")?,
                log: entry.truth("log")?,
            }
        }
        "categorical" => {
            entry.only_without(&["lower", "upper", "log", "start", "scale"], kind)?;
            Kind::Categorical { choices: entry.choices()? }
        }
        "se3" => {
            entry.only_without(&["lower", "upper", "log", "choices"], kind)?;
            nesting.extend([4, 4]);
            Kind::Se3
        }
        other => return entry.wrong("kind", KINDS, &Value::String(other.into())),
    };
    let (start, scale) = (entry.start(&nesting)?, entry.number("scale")?);
    Ok(Variable { name, shape, kind, start, scale })
}

/// Appends the numbers of a nested array; whether it is nested as `shape` says.
fn flatten(value: &Value, shape: &[usize], numbers: &mut Vec<f64>) -> bool {
    match (value, shape) {
        (Value::Integer(number), []) => numbers.push(*number as f64),
        (Value::Float(number), []) => numbers.push(*number),
        (Value::Array(rows), [side, inner @ ..]) if rows.len() == *side => {
            return rows.iter().all(|row| flatten(row, inner, numbers));
        }
        _ => return false,
    }
    true
}

fn sides(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// A value as it is written, cut if it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Table(_) => "a table".into(),
        other => other.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
