//! Quantiles.

/// Values in order; what is no number is last.
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> Self {
        let mut values: Vec<f64> = values.into_iter().map(Into::into).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value that so many thousandths of all are below, less than 1000 of them; `None` without any.
    pub(crate) fn permille(&self, below: usize) -> Option<f64> {
        self.0.get(self.0.len() * below / 1000).copied()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        self.permille(500)
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;

    #[test]
    fn quantiles() {
        let sorted = Sorted::new([3.0f32, 1.0, 2.0, 5.0, 4.0]);
        assert_eq!([0, 199, 200, 500, 999].map(|p| sorted.permille(p)), [1.0, 1.0, 2.0, 3.0, 5.0].map(Some));
        assert_eq!(sorted.median(), Some(3.0));
        assert_eq!(Sorted::new([0.0f64; 0]).median(), None);
    }
}
