//! Where samples come from.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{FolderConfig, GuideConfig, folder::Folder, searched};
use crate::{
    Error, Result, Sample, SampleStart,
    augment::AugmentConfig,
    scene::{Generated, GeneratedConfig},
};

/// Generated scenes and recorded sequences, mixed. A sample follows from its key alone.
#[derive(Debug, Clone)]
pub struct Source {
    /// With how often each is drawn beside the others; folders first.
    pools: Vec<(Pool, f64)>,
    skip_bad: bool,
}

/// Samples by number, kept once made where there is an end of them.
#[derive(Debug, Clone)]
struct Pool {
    origin: Origin,
    /// How many there are; 0: no end.
    count: u64,
    /// How wrong the poses are that the search's depth belongs to; `None`: samples have no starts.
    search: Option<GuideConfig>,
    made: Arc<Mutex<HashMap<Kind, Arc<Sample>>>>,
}

/// Number of a sample, neighbours, size.
type Kind = (u64, usize, (usize, usize));

/// What samples are made from.
#[derive(Debug, Clone)]
enum Origin {
    Generated(Generated),
    /// In units such that the median depth is this, if one is said.
    Recorded(Folder, Option<f64>),
}

impl Origin {
    fn sample(&self, number: u64, neighbours: usize, size: (usize, usize)) -> Result<Sample> {
        match self {
            Self::Generated(scenes) => scenes.sample(number, neighbours, size),
            Self::Recorded(folder, wanted_m) => {
                let sample = folder.sample(&mut stream([number, 0], 4), neighbours, size)?;
                Ok(match (wanted_m, sample.median_depth_m()) {
                    (Some(wanted_m), Some(median_m)) => sample.scaled(wanted_m / median_m),
                    _ => sample,
                })
            }
        }
    }

    fn start(&self, sample: &Sample, guide: &GuideConfig, number: u64) -> Result<Option<SampleStart>> {
        match self {
            Self::Generated(_) if !guide.images => searched::at_noisy_poses(sample, guide, number),
            _ => searched::from_images(sample, number),
        }
    }
}

impl Pool {
    fn sample(&self, number: u64, neighbours: usize, size: (usize, usize)) -> Result<Sample> {
        let number = if self.count == 0 { number } else { number % self.count };
        let kind = (number, neighbours, size);
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made().get(&kind).cloned();
        // The lock is not held meanwhile: other threads make other scenes.
        let mut sample = match &known {
            Some(sample) => (**sample).clone(),
            None => self.origin.sample(number, neighbours, size)?,
        };
        let searched = sample.start.is_some();
        match &self.search {
            Some(guide) if !searched => sample.start = self.origin.start(&sample, guide, number)?,
            Some(_) => (),
            None => sample.start = None,
        }
        // A start that is known already stays, even if it is not asked for this time.
        if self.count == 0 || known.is_some() && (searched || sample.start.is_none()) {
            return Ok(sample);
        }
        let mut made = made();
        // Of a phase that is over nothing is needed any more.
        made.retain(|other, _| (other.1, other.2) == (neighbours, size));
        made.insert(kind, Arc::new(sample.clone()));
        Ok(sample)
    }
}

/// The samples of a batch.
#[derive(Debug, Clone)]
pub struct Samples {
    /// As the network sees them.
    pub seen: Vec<Sample>,
    /// With their own colours.
    pub plain: Vec<Sample>,
    /// How many could not be used, and have others in their places.
    pub skipped: usize,
}

/// How often another sample is drawn in place of a bad one.
const TRIES: usize = 100;

impl Source {
    /// Opens all folders.
    ///
    /// # Errors
    /// If one cannot be opened, or all weights are 0.
    pub fn new(
        generated: &GeneratedConfig,
        weight: f64,
        folders: &[FolderConfig],
        skip_bad: bool,
        seed: u64,
    ) -> Result<Self> {
        let pool = |origin, count| Pool { origin, count, search: None, made: Arc::default() };
        let recorded = |config: &FolderConfig| {
            let origin = Origin::Recorded(Folder::open(config)?, generated.median_depth_m);
            Ok((pool(origin, config.pool), config.weight))
        };
        let mut pools = folders.iter().map(recorded).collect::<Result<Vec<_>>>()?;
        let scenes = Origin::Generated(Generated::new(generated.clone(), seed)?);
        pools.push((pool(scenes, generated.pool), weight));
        pools.retain(|(_, weight)| *weight > 0.0);
        if pools.is_empty() {
            return Err(Error::argument("data", "generated scenes or folders with a weight above 0", "none"));
        }
        Ok(Self { pools, skip_bad })
    }

    /// The same data where samples start as `guide` says: where the search ends, if it is to be asked. Samples in
    /// memory are shared, so all that come from one source are to have the same guide.
    #[must_use]
    pub fn with_starts(&self, guide: &GuideConfig) -> Self {
        self.searching(guide.search.then_some(*guide))
    }

    /// The same data without starts, for training that never runs the rules.
    #[must_use]
    pub fn without_starts(&self) -> Self {
        self.searching(None)
    }

    fn searching(&self, search: Option<GuideConfig>) -> Self {
        let mut source = self.clone();
        source.pools.iter_mut().for_each(|(pool, _)| pool.search = search);
        source
    }

    /// The sample of a key, and how many were drawn before it that could not be used.
    ///
    /// # Errors
    /// If a file of a sequence cannot be read; where bad samples are skipped, if a hundred in a row are bad.
    pub fn sample(&self, key: [u64; 2], neighbours: usize, size: (usize, usize)) -> Result<(Sample, usize)> {
        let mut rng = stream(key, 0);
        let mut skipped = 0;
        loop {
            match self.draw(&mut rng, neighbours, size) {
                Ok(sample) => return Ok((sample, skipped)),
                Err(_) if self.skip_bad && skipped < TRIES => skipped += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng, neighbours: usize, size: (usize, usize)) -> Result<Sample> {
        let mut drawn = rng.random_range(0.0..self.pools.iter().map(|(_, weight)| weight).sum::<f64>());
        let found = self.pools.iter().find(|(_, weight)| {
            drawn -= weight;
            drawn < 0.0
        });
        // Rounding: the last was meant.
        match found.or(self.pools.last()) {
            Some((pool, _)) => pool.sample(rng.random(), neighbours, size),
            None => Err(Error::argument("data", "generated scenes or folders", "none")),
        }
    }

    /// The samples of a batch, changed at random.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn batch(
        &self,
        key: u64,
        count: usize,
        neighbours: usize,
        size: (usize, usize),
        augment: &AugmentConfig,
    ) -> Result<Samples> {
        let skipped = AtomicUsize::new(0);
        let both = |index: u64| -> Result<(Sample, Sample)> {
            let key = [key, index];
            let mut rng = stream(key, 1);
            let (sample, bad) = self.sample(key, neighbours, size)?;
            skipped.fetch_add(bad, Ordering::Relaxed);
            let plain = augment.geometry(sample, &mut rng)?;
            let jitter = augment.jitter(&mut rng);
            let mut seen = plain.clone();
            seen.images.iter_mut().for_each(|image| jitter.apply(image));
            Ok((seen, plain))
        };
        let all: Vec<_> = (0..count as u64).into_par_iter().map(both).collect::<Vec<_>>();
        let pairs = all.into_iter().collect::<Result<Vec<_>>>()?;
        let (seen, plain) = pairs.into_iter().unzip();
        Ok(Samples { seen, plain, skipped: skipped.into_inner() })
    }
}

/// Random numbers of a sample; `purpose` 0 chooses it, 1 changes it, 2 its first poses, 3 those of a scene's
/// search, 4 what a recording's sample is of.
pub(super) fn stream([task, index]: [u64; 2], purpose: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([task, index, purpose, 0x0073_616d_706c_6573]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
