//! Which frames help a target: offsets, or whatever the images say.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Which frames help a target.
///
/// Read from text as `--neighbours` is, and from JSON or TOML as a list of offsets or the word `"auto"`.
///
/// # Example
/// ```
/// use dro_sfm::sequence::Neighbours;
/// assert_eq!("1,-1".parse::<Neighbours>()?, Neighbours::Offsets(vec![1, -1]));
/// assert_eq!("auto".parse::<Neighbours>()?, Neighbours::Auto);
/// # Ok::<(), dro_sfm::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Neighbours {
    /// The nearest frame before and the nearest after that are so far apart that depth shows, found by matching corners.
    #[default]
    Auto,
    /// Frames this many after the target (before it where negative), one or more numbers other than 0.
    Offsets(Vec<i64>),
}

const AUTO: &str = "auto";
const EXPECTED: &str = "auto, or whole numbers other than 0 such as 1,-1";

/// How it is written in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Offsets(Vec<i64>),
    Word(String),
}

impl Neighbours {
    /// # Errors
    /// If there are no offsets, or one is 0.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Offsets(offsets) if offsets.is_empty() || offsets.contains(&0) => {
                Err(Error::argument("neighbours", EXPECTED, format!("{offsets:?}")))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Neighbours {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim() == AUTO {
            return Ok(Self::Auto);
        }
        let offset = |part: &str| {
            let offset = part.trim().parse().ok().filter(|offset: &i64| *offset != 0);
            offset.ok_or_else(|| Error::argument("neighbours", EXPECTED, format!("{part:?}")))
        };
        Ok(Self::Offsets(text.split(',').map(offset).collect::<Result<_>>()?))
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::Offsets(offsets) => {
                let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
                f.write_str(&offsets.join(","))
            }
        }
    }
}

impl TryFrom<Written> for Neighbours {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        let neighbours = match written {
            Written::Offsets(offsets) => Self::Offsets(offsets),
            Written::Word(word) => word.parse()?,
        };
        neighbours.check().map(|()| neighbours)
    }
}

impl From<Neighbours> for Written {
    fn from(neighbours: Neighbours) -> Self {
        match neighbours {
            Neighbours::Auto => Self::Word(AUTO.into()),
            Neighbours::Offsets(offsets) => Self::Offsets(offsets),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            offsets in prop::collection::vec(prop_oneof![i64::MIN..0, 1..=i64::MAX], 1..5), auto: bool,
        ) {
            let neighbours = if auto { Neighbours::Auto } else { Neighbours::Offsets(offsets) };
            prop_assert_eq!(&neighbours.to_string().parse::<Neighbours>().unwrap(), &neighbours);
            let json = serde_json::to_string(&neighbours).unwrap();
            prop_assert_eq!(serde_json::from_str::<Neighbours>(&json).unwrap(), neighbours);
        }
    }

    #[test]
    fn what_is_neither_is_named() {
        for text in ["", "0", "1,0", "1,", "1;-1", "automatic", "1.5", "99999999999999999999"] {
            let said = text.parse::<Neighbours>().unwrap_err().to_string();
            assert!(said.contains("neighbours") && said.contains("auto, or"), "{said}");
        }
        for json in ["[]", "[0]", "\"x\"", "3"] {
            assert!(serde_json::from_str::<Neighbours>(json).is_err(), "{json}");
        }
    }
}
