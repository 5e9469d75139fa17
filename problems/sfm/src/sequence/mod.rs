//! placeholder
/// placeholder
#[derive(Debug, Clone)]
pub struct Window {
    /// t
    pub target: usize,
    /// n
    pub neighbours: Vec<usize>,
}
/// placeholder
pub fn windows(n: usize, offsets: &[i64]) -> crate::Result<Vec<Window>> {
    Ok((0..n)
        .map(|t| {
            let f = |s: i64| {
                offsets
                    .iter()
                    .map(|o| t as i64 + s * o)
                    .filter(|i| (0..n as i64).contains(i))
                    .map(|i| i as usize)
                    .collect::<Vec<_>>()
            };
            let v = f(1);
            Window { target: t, neighbours: if v.is_empty() { f(-1) } else { v } }
        })
        .collect())
}
