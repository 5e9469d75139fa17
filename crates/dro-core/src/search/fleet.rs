//! Many searches in lock step.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::Search;
use crate::{Error, Result};

/// Independent searches of one dimension that run side by side, a thread each as far as there are any.
///
/// The result does not depend on the number of threads: every search has its own random numbers.
///
/// # Example: costs of whole tensors
///
/// Each of the fleet's tasks proposes several candidates at once; the cost is one expression over
/// `[task, candidate, dim]` and stays on its device until the totals are read.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use dro_core::search::{Fleet, Frame, Method};
///
/// # fn main() -> dro_core::Result<()> {
/// let searches = (0..16).map(|seed| Method::CmaEs.build(&Frame::unit(3), seed)).collect::<dro_core::Result<_>>()?;
/// let mut fleet = Fleet::new(searches)?;
/// // Every task has its own target.
/// let targets = Tensor::rand(0f32, 1f32, (16, 1, 3), &Device::Cpu)?;
/// for _ in 0..60 {
///     let xs = fleet.ask_tensor(8, DType::F32, &Device::Cpu)?;
///     let totals = xs.broadcast_sub(&targets)?.abs()?.sum(2)?;
///     fleet.tell_tensor(&totals)?;
/// }
/// assert!(fleet.searches().iter().all(|search| search.best().is_some_and(|best| best.cost < 0.05)));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Fleet<S> {
    searches: Vec<S>,
    /// The trials of the last ask, `[searches, candidates]`.
    trials: Vec<u64>,
    dim: usize,
    /// Room for coordinates and costs on their way to and from tensors.
    room: Vec<f64>,
}

impl<S: Search> Fleet<S> {
    /// # Errors
    /// If there are no searches, or their dimensions differ.
    pub fn new(searches: Vec<S>) -> Result<Self> {
        let Some(dim) = searches.first().map(Search::dim) else {
            return Err(Error::argument("fleet", "at least one search", 0));
        };
        if dim == 0 {
            return Err(Error::argument("fleet", "at least one coordinate", 0));
        }
        if let Some(other) = searches.iter().find(|s| s.dim() != dim) {
            return Err(Error::argument("fleet", format!("searches of dimension {dim}"), other.dim()));
        }
        Ok(Self { trials: Vec::new(), searches, dim, room: Vec::new() })
    }

    /// The searches.
    pub fn searches(&self) -> &[S] {
        &self.searches
    }

    /// Asks every search for one trial: `xs` is `[searches, dim]`, row-major.
    ///
    /// # Errors
    /// If `xs` has another length.
    pub fn ask(&mut self, xs: &mut [f64]) -> Result<()> {
        self.ask_each(1, xs)
    }

    /// Asks every search for `candidates` trials: `xs` is `[searches, candidates, dim]`, row-major.
    ///
    /// # Errors
    /// If there are no candidates, or `xs` has another length.
    pub fn ask_each(&mut self, candidates: usize, xs: &mut [f64]) -> Result<()> {
        if candidates == 0 {
            return Err(Error::argument("candidates", "at least one", 0));
        }
        let trials = self.searches.len() * candidates;
        check("coordinates", xs.len(), trials * self.dim)?;
        self.trials.resize(trials, 0);
        let dim = self.dim;
        let rows = xs.par_chunks_mut(candidates * dim).zip(self.trials.par_chunks_mut(candidates));
        self.searches.par_iter_mut().zip(rows).with_min_len(8).try_for_each(|(search, (xs, trials))| {
            xs.chunks_mut(dim).zip(trials).try_for_each(|(x, trial)| {
                *trial = search.ask(x)?;
                Ok(())
            })
        })
    }

    /// Tells the costs of the trials of the last ask, in its order: `[searches]` or `[searches, candidates]`.
    ///
    /// # Errors
    /// If there is another number of them, or they were told before.
    pub fn tell(&mut self, costs: &[f64]) -> Result<()> {
        if self.trials.is_empty() {
            return Err(Error::argument("costs", "an ask before", "none"));
        }
        check("costs", costs.len(), self.trials.len())?;
        let candidates = self.trials.len() / self.searches.len();
        let told = costs.par_chunks(candidates).zip(self.trials.par_chunks(candidates));
        self.searches.par_iter_mut().zip(told).with_min_len(8).try_for_each(|(search, (costs, trials))| {
            costs.iter().zip(trials).try_for_each(|(&cost, &trial)| search.tell(trial, cost))
        })
    }

    /// [`tell`](Self::tell) and the next [`ask_each`](Self::ask_each), of as many candidates, in one pass: a fleet does not
    /// fit into the cache, and so every search comes from memory once a step instead of twice.
    ///
    /// # Errors
    /// As the two have. The searches that come before a failing one have moved on, so a fleet that failed is not to be
    /// used further.
    pub fn step(&mut self, costs: &[f64], xs: &mut [f64]) -> Result<()> {
        if self.trials.is_empty() {
            return Err(Error::argument("costs", "an ask before", "none"));
        }
        check("costs", costs.len(), self.trials.len())?;
        check("coordinates", xs.len(), self.trials.len() * self.dim)?;
        let (dim, candidates) = (self.dim, self.trials.len() / self.searches.len());
        let rows = xs.par_chunks_mut(candidates * dim).zip(self.trials.par_chunks_mut(candidates));
        let rows = rows.zip(costs.par_chunks(candidates));
        self.searches.par_iter_mut().zip(rows).with_min_len(8).try_for_each(
            |(search, ((xs, trials), costs))| {
                costs.iter().zip(&*trials).try_for_each(|(&cost, &trial)| search.tell(trial, cost))?;
                xs.chunks_mut(dim).zip(trials).try_for_each(|(x, trial)| {
                    *trial = search.ask(x)?;
                    Ok(())
                })
            },
        )
    }

    /// Asks every search for `candidates` trials: `[searches, candidates, dim]` on `device`.
    ///
    /// # Errors
    /// If there are no candidates, or the device refuses.
    pub fn ask_tensor(&mut self, candidates: usize, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut xs = std::mem::take(&mut self.room);
        xs.clear();
        xs.resize(self.searches.len() * candidates * self.dim, 0.0);
        let asked = self.ask_each(candidates, &mut xs);
        let shape = (self.searches.len(), candidates, self.dim);
        let tensor = asked.and_then(|()| Ok(Tensor::from_slice(&xs, shape, device)?.to_dtype(dtype)?));
        self.room = xs;
        tensor
    }

    /// Tells the totals `[searches, candidates]` of the last [`ask_tensor`](Self::ask_tensor), of any number type and
    /// from any device. What is not finite says that an evaluation failed.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn tell_tensor(&mut self, totals: &Tensor) -> Result<()> {
        let searches = self.searches.len();
        let expected = vec![searches, self.trials.len() / searches];
        if totals.dims() != expected {
            return Err(Error::Shape { name: "totals".into(), expected, found: totals.dims().to_vec() });
        }
        self.tell(&totals.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
    }
}

fn check(name: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::argument(name, format!("{expected} numbers"), found)) }
}
