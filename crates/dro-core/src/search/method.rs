//! Every search by its name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{AskTell, Frame, Search, Strategy, recurrent::RecurrentSearch};
use crate::{
    Error, Result,
    baselines::{
        CmaEs, DifferentialEvolution, NelderMead, OnePlusOneSearch, ParticleSwarm, RandomSearch, Spsa,
    },
};

/// Which search; written in kebab-case (`random`) in files and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// The learned one, with the bundled weights.
    Recurrent,
    /// Evolution strategy with covariance adaptation.
    CmaEs,
    /// The downhill simplex.
    NelderMead,
    /// Differential evolution.
    DifferentialEvolution,
    /// Particle swarm.
    ParticleSwarm,
    /// The (1+1) evolution strategy.
    OnePlusOneEs,
    /// Simultaneous perturbation stochastic approximation.
    Spsa,
    /// Independent uniform samples.
    Random,
}

impl Method {
    /// All of them, the recommended one first.
    pub const ALL: &'static [Self] = &[
        Self::Recurrent,
        Self::CmaEs,
        Self::NelderMead,
        Self::DifferentialEvolution,
        Self::ParticleSwarm,
        Self::OnePlusOneEs,
        Self::Spsa,
        Self::Random,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recurrent => RecurrentSearch::NAME,
            Self::CmaEs => CmaEs::NAME,
            Self::NelderMead => NelderMead::NAME,
            Self::DifferentialEvolution => DifferentialEvolution::NAME,
            Self::ParticleSwarm => ParticleSwarm::NAME,
            Self::OnePlusOneEs => OnePlusOneSearch::NAME,
            Self::Spsa => Spsa::NAME,
            Self::Random => RandomSearch::NAME,
        }
    }

    /// A fresh search.
    ///
    /// # Errors
    /// If the frame has no coordinates.
    pub fn build(self, frame: &Frame, seed: u64) -> Result<Box<dyn Search>> {
        if frame.dim() == 0 || frame.boxed.len() != frame.dim() {
            let found = format!("{} of them, {} boxed or not", frame.dim(), frame.boxed.len());
            return Err(Error::argument("frame", "at least one coordinate, each boxed or not", found));
        }
        Ok(match self {
            Self::Recurrent => boxed(RecurrentSearch::new(frame, seed)),
            Self::CmaEs => boxed(CmaEs::new(frame, seed)),
            Self::NelderMead => boxed(NelderMead::new(frame, seed)),
            Self::DifferentialEvolution => boxed(DifferentialEvolution::new(frame, seed)),
            Self::ParticleSwarm => boxed(ParticleSwarm::new(frame, seed)),
            Self::OnePlusOneEs => boxed(OnePlusOneSearch::new(frame, seed)),
            Self::Spsa => boxed(Spsa::new(frame, seed)),
            Self::Random => boxed(RandomSearch::new(frame, seed)),
        })
    }

    /// The search that [`Search::state`] saved, open trials and all.
    ///
    /// # Errors
    /// If the state is not one of a known method.
    pub fn restore(state: serde_json::Value) -> Result<Box<dyn Search>> {
        let failed = |source| Error::State { method: "a search".into(), source };
        let saved: Saved = serde_json::from_value(state).map_err(failed)?;
        match saved.method {
            Self::Recurrent => restore::<RecurrentSearch>(saved.state),
            Self::CmaEs => restore::<CmaEs>(saved.state),
            Self::NelderMead => restore::<NelderMead>(saved.state),
            Self::DifferentialEvolution => restore::<DifferentialEvolution>(saved.state),
            Self::ParticleSwarm => restore::<ParticleSwarm>(saved.state),
            Self::OnePlusOneEs => restore::<OnePlusOneSearch>(saved.state),
            Self::Spsa => restore::<Spsa>(saved.state),
            Self::Random => restore::<RandomSearch>(saved.state),
        }
    }
}

#[derive(Deserialize)]
struct Saved {
    method: Method,
    state: serde_json::Value,
}

fn boxed<S: Strategy + 'static>(strategy: S) -> Box<dyn Search> {
    Box::new(AskTell::new(strategy))
}

fn restore<S: Strategy + DeserializeOwned + 'static>(state: serde_json::Value) -> Result<Box<dyn Search>> {
    let search: AskTell<S> =
        serde_json::from_value(state).map_err(|source| Error::State { method: S::NAME.into(), source })?;
    Ok(Box::new(search))
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = || Self::ALL.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.name() == text)
            .ok_or_else(|| Error::argument("method", known(), format!("{text:?}")))
    }
}
