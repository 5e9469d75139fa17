//! Many searches in lock step.

use rayon::prelude::*;

use super::Search;
use crate::{Error, Result};

/// Independent searches of one dimension that run side by side, a thread each as far as there are any.
///
/// The result does not depend on the number of threads: every search has its own random numbers.
#[derive(Debug, Clone)]
pub struct Fleet<S> {
    searches: Vec<S>,
    trials: Vec<u64>,
    dim: usize,
}

impl<S: Search> Fleet<S> {
    /// # Errors
    /// If there are no searches, or their dimensions differ.
    pub fn new(searches: Vec<S>) -> Result<Self> {
        let Some(dim) = searches.first().map(Search::dim) else {
            return Err(Error::argument("fleet", "at least one search", 0));
        };
        if let Some(other) = searches.iter().find(|s| s.dim() != dim) {
            return Err(Error::argument("fleet", format!("searches of dimension {dim}"), other.dim()));
        }
        Ok(Self { trials: vec![0; searches.len()], searches, dim })
    }

    /// The searches.
    pub fn searches(&self) -> &[S] {
        &self.searches
    }

    /// Asks every search for one trial: `xs` is `[searches, dim]`, row-major.
    pub fn ask(&mut self, xs: &mut [f64]) -> Result<()> {
        self.check("coordinates", xs.len(), self.searches.len() * self.dim)?;
        let rows = xs.par_chunks_mut(self.dim).zip(&mut self.trials);
        self.searches.par_iter_mut().zip(rows).with_min_len(8).try_for_each(|(search, (x, trial))| {
            *trial = search.ask(x)?;
            Ok(())
        })
    }

    /// Tells every search the cost of the trial it was last asked for.
    pub fn tell(&mut self, costs: &[f64]) -> Result<()> {
        self.check("costs", costs.len(), self.searches.len())?;
        let told = costs.par_iter().zip(&self.trials);
        self.searches
            .par_iter_mut()
            .zip(told)
            .with_min_len(8)
            .try_for_each(|(search, (&cost, &trial))| search.tell(trial, cost))
    }

    fn check(&self, name: &str, found: usize, expected: usize) -> Result<()> {
        if found == expected {
            Ok(())
        } else {
            Err(Error::argument(name, format!("{expected} numbers"), found))
        }
    }
}
