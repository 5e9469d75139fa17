//! Names with values, in the variables' order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::Value;

/// A candidate: every variable's name with its value, as it travels. In JSON an object whose keys keep their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assignment(pub Vec<(String, Value)>);

impl Assignment {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The first variable whose value differs, with both values.
    pub(crate) fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'a str, String, String)> {
        let shown = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
        let names = self.0.iter().chain(&other.0).map(|(name, _)| name.as_str());
        names
            .map(|name| (name, self.get(name), other.get(name)))
            .find(|(_, own, others)| own != others)
            .map(|(name, own, others)| (name, shown(own), shown(others)))
    }
}

impl fmt::Display for Assignment {
    /// `lr=0.1, layers=3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Serialize for Assignment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Assignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Assignment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and values")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Assignment, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Assignment(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
