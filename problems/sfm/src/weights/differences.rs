//! How a set of tensors differs from the one expected, in words.

use std::collections::BTreeMap;

/// Longer lists end in "and N more".
const SHOWN: usize = 8;

/// Which tensors are missing, extra and misshaped; one text for each of these that there are.
pub(super) fn of(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, Vec<usize>>,
) -> Vec<String> {
    let missing: Vec<_> = expected.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
    let extra: Vec<_> = found.keys().filter(|name| !expected.contains_key(*name)).cloned().collect();
    let misshaped: Vec<_> = expected
        .iter()
        .filter_map(|(name, shape)| found.get(name).map(|other| (name, shape, other)))
        .filter(|(_, shape, other)| shape != other)
        .map(|(name, shape, other)| format!("{name} (expected {shape:?}, found {other:?})"))
        .collect();
    [list("missing", &missing), list("extra", &extra), list("misshaped", &misshaped)]
        .into_iter()
        .flatten()
        .collect()
}

/// `N <what>: a, b, …`, or nothing for an empty list.
pub(super) fn list(what: &str, names: &[String]) -> Option<String> {
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len() {
        0 => None,
        n if n > SHOWN => Some(format!("{n} {what}: {shown} and {} more", n - SHOWN)),
        n => Some(format!("{n} {what}: {shown}")),
    }
}
