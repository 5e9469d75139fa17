//! The loop around a cost program: deterministic for any number of workers, and resumable.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use dro_core::{
    Termination,
    search::{Method, Search},
};

use crate::{
    Assignment, Entry, Error, Finished, Journal, Program, Result, Variables,
    protocol::candidate,
    workers::{FirstSteps, Workers},
};

/// Watches a [`Study`] and may stop it.
pub trait Watch {
    /// A candidate's cost was told to the search; candidates come in the order of their numbers. `best` is the lowest
    /// cost so far, `replayed` says that the evaluation is from a journal.
    fn told(&mut self, _entry: &Entry, _best: Option<f64>, _replayed: bool) {}

    /// Asked many times a second; `true` ends the evaluations that run and the study.
    fn interrupted(&mut self) -> bool {
        false
    }
}

/// Watches nothing.
impl Watch for () {}

/// What a [`Study`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Every evaluation that was told, in the order of their numbers.
    pub evaluations: Vec<Entry>,
    /// Which of them (an index) has the lowest cost, the first of equal ones.
    pub best: Option<usize>,
    /// Why it ended.
    pub termination: Termination,
    /// Whether [`Watch::interrupted`] ended it.
    pub interrupted: bool,
    /// How long it took, pauses between resumed parts left out.
    pub seconds: f64,
}

impl Report {
    /// The evaluation with the lowest cost.
    ///
    /// # Errors
    /// [`Error::NothingSucceeded`] if every evaluation failed.
    pub fn best(&self) -> Result<&Entry> {
        self.best.and_then(|best| self.evaluations.get(best)).ok_or_else(|| {
            let failure = self.evaluations.last().and_then(|last| last.failure.as_ref());
            Error::NothingSucceeded {
                evaluations: self.evaluations.len(),
                reason: failure.map_or("there was none".into(), |failure| failure.reason.clone()),
            }
        })
    }
}

/// A search over the variables of a cost program.
///
/// Candidates are asked for with a window of `batch` open ones: number `n` exactly when all up to `n − batch` have been
/// told, and costs are told in the order of the numbers. So what is tried depends on method, seed and batch, and
/// not on the number of workers or on how long anything takes.
///
/// ```
/// use dro_external::{Program, Study, Variable, Variables};
///
/// # fn main() -> dro_external::Result<()> {
/// let variables = Variables::new(vec![Variable::real("x", -2.0, 2.0), Variable::integer("n", 1, 5)])?;
/// // Any program that reads a line and writes a line.
/// let program = Program::new(
///     r#"while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"cost\":1}"; done"#,
/// );
/// let report = Study::new(variables).evaluations(8).seed(1).minimize(&program, None, &mut ())?;
/// assert_eq!(report.best()?.cost, Some(1.0));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Study {
    variables: Variables,
    method: Method,
    seed: u64,
    batch: Option<usize>,
    evaluations: Option<usize>,
    time: Option<Duration>,
    target: Option<f64>,
    patience: Option<usize>,
}

impl Study {
    /// 100 evaluations per coordinate by the recommended method, seed 0, as many open candidates as there are workers.
    pub fn new(variables: Variables) -> Self {
        Self {
            variables,
            method: Method::ALL[0],
            seed: 0,
            batch: None,
            evaluations: None,
            time: None,
            target: None,
            patience: None,
        }
    }

    /// Which search.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Another stream of random numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many candidates are open at once, at least 1.
    pub fn batch(mut self, candidates: usize) -> Self {
        self.batch = Some(candidates);
        self
    }

    /// At most this many evaluations, failed ones and those of a journal included.
    pub fn evaluations(mut self, evaluations: usize) -> Self {
        self.evaluations = Some(evaluations);
        self
    }

    /// No evaluation is started after this time; those that run come to their end.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Stop at a cost at or below this.
    pub fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }

    /// Stop after this many evaluations without a better one.
    pub fn patience(mut self, evaluations: usize) -> Self {
        self.patience = Some(evaluations);
        self
    }

    /// Runs it. Evaluations that `journal` has are not done again; the others are added to it.
    ///
    /// Evaluations that fail are data. A program that does not answer any of its first evaluations is an error.
    ///
    /// # Errors
    /// If a setting is out of range, the program does not work at all, or the journal is of another run or cannot be
    /// written. What was finished is in the journal in any case.
    pub fn minimize(
        self,
        program: &Program,
        journal: Option<&mut Journal>,
        watch: &mut dyn Watch,
    ) -> Result<Report> {
        let batch = self.batch.unwrap_or(program.job_count());
        if !(1..=1 << 20).contains(&batch) {
            return Err(Error::argument("batch", "1 to 1048576 candidates", batch));
        }
        let elapsed_before = match &journal {
            Some(journal) => {
                journal.check(&crate::Header::new(&self.variables, self.method, self.seed, batch))?;
                journal.entries().values().map(|entry| entry.elapsed).fold(0.0, f64::max)
            }
            None => 0.0,
        };
        let encoding = self.variables.encoding();
        let search = self.method.build(&encoding.frame(), self.seed)?;
        let allowed = self.evaluations.unwrap_or_else(|| encoding.dim().saturating_mul(100));
        let mut going = Going {
            search,
            u: vec![0.0; encoding.dim()],
            asked: 0,
            open: VecDeque::new(),
            running: 0,
            told: Vec::new(),
            best: None,
            stale: 0,
            first_steps: FirstSteps::default(),
            before: elapsed_before,
            began: Instant::now(),
            workers: Workers::new(program)?,
            study: &self,
            program,
            journal,
            watch,
        };
        let termination = going.run(batch, allowed)?;
        let interrupted = matches!(termination, Termination::Observer { .. });
        // What is finished but waits for one that is not: the search is over, so the order does not matter.
        if interrupted || matches!(termination, Termination::TimeSpent { .. }) {
            while let Some(at) = going.open.iter().position(|trial| trial.entry.is_some()) {
                going.tell(at)?;
            }
        }
        if let Some(journal) = going.journal.as_deref_mut() {
            journal.sync()?;
        }
        let seconds = going.elapsed();
        Ok(Report { evaluations: going.told, best: going.best, termination, interrupted, seconds })
    }
}

/// A candidate that was asked for and not yet told.
struct Trial {
    id: u64,
    x: Assignment,
    started: bool,
    entry: Option<Entry>,
    /// From this session: what [`FirstSteps`] looks at.
    finished: Option<Finished>,
}

/// A study under way.
struct Going<'a> {
    study: &'a Study,
    program: &'a Program,
    journal: Option<&'a mut Journal>,
    watch: &'a mut dyn Watch,
    workers: Workers,
    search: Box<dyn Search>,
    u: Vec<f64>,
    asked: usize,
    /// In the order of their numbers.
    open: VecDeque<Trial>,
    running: usize,
    told: Vec<Entry>,
    best: Option<usize>,
    stale: usize,
    first_steps: FirstSteps,
    before: f64,
    began: Instant,
}

impl Going<'_> {
    fn elapsed(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    fn run(&mut self, batch: usize, allowed: usize) -> Result<Termination> {
        let mut time_spent = None;
        loop {
            while self.open.len() < batch && self.asked < allowed && time_spent.is_none() {
                self.ask()?;
            }
            if time_spent.is_none() {
                time_spent = self.start_some();
            }
            // One at a time: the next candidate is asked for before the next cost is told.
            if self.open.front().is_some_and(|trial| trial.entry.is_some()) {
                self.tell(0)?;
                if let Some(termination) = self.satisfied() {
                    return Ok(termination);
                }
                continue;
            }
            match time_spent {
                Some(spent) if self.running == 0 => return Ok(spent),
                None if self.open.is_empty() => {
                    return Ok(Termination::EvaluationsSpent { used: self.told.len(), allowed });
                }
                _ => {}
            }
            if self.watch.interrupted() {
                return Ok(Termination::Observer { reason: "interrupted".into() });
            }
            if let Some(finished) = self.workers.next(Duration::from_millis(50)) {
                self.take(finished)?;
            }
        }
    }

    fn ask(&mut self) -> Result<()> {
        let id = self.search.ask(&mut self.u)?;
        self.asked += 1;
        let mut values = Vec::new();
        self.study.variables.encoding().decode(&self.u, &mut values)?;
        let x = self.study.variables.assignment(&values)?;
        let entry = match &self.journal {
            Some(journal) => journal.replay(id, &x)?.cloned(),
            None => None,
        };
        self.open.push_back(Trial { id, x, started: entry.is_some(), entry, finished: None });
        Ok(())
    }

    /// Gives candidates to free workers, unless the time is over.
    fn start_some(&mut self) -> Option<Termination> {
        while self.running < self.program.job_count() {
            let next = self.open.iter().position(|trial| !trial.started)?;
            if let Some(allowed) = self.study.time
                && self.elapsed() >= allowed.as_secs_f64()
            {
                let used = Duration::try_from_secs_f64(self.elapsed()).unwrap_or(allowed);
                return Some(Termination::TimeSpent { used, allowed });
            }
            let trial = self.open.get_mut(next)?;
            trial.started = true;
            self.workers.submit(trial.id, candidate(trial.id, &trial.x));
            self.running += 1;
        }
        None
    }

    /// Writes down what a worker has finished.
    fn take(&mut self, finished: Finished) -> Result<()> {
        self.running -= 1;
        let elapsed = self.elapsed();
        let Some(trial) = self.open.iter_mut().find(|trial| trial.id == finished.id) else { return Ok(()) };
        let entry = Entry {
            id: trial.id,
            x: trial.x.clone(),
            cost: finished.cost.as_ref().ok().copied(),
            failure: finished.cost.as_ref().err().cloned(),
            seconds: finished.seconds,
            elapsed,
            garbage: finished.garbage,
        };
        if let Some(journal) = self.journal.as_deref_mut() {
            journal.push(entry.clone())?;
        }
        trial.entry = Some(entry);
        trial.finished = Some(finished);
        Ok(())
    }

    /// Tells the search of a finished candidate, the `at`-th of the open ones.
    fn tell(&mut self, at: usize) -> Result<()> {
        let Some(Trial { entry: Some(entry), finished, .. }) = self.open.remove(at) else { return Ok(()) };
        self.search.tell(entry.id, entry.cost.unwrap_or(f64::NAN))?;
        match &finished {
            Some(finished) => self.first_steps.see(self.program, finished)?,
            None if entry.cost.is_some() => self.first_steps.works(),
            None => {}
        }
        let lowest = self.lowest();
        if entry.cost.is_some_and(|cost| lowest.is_none_or(|lowest| cost < lowest)) {
            (self.best, self.stale) = (Some(self.told.len()), 0);
        } else {
            self.stale += 1;
        }
        self.told.push(entry);
        let best = self.lowest();
        if let Some(entry) = self.told.last() {
            self.watch.told(entry, best, finished.is_none());
        }
        Ok(())
    }

    fn lowest(&self) -> Option<f64> {
        self.best.and_then(|best| self.told.get(best)).and_then(|entry| entry.cost)
    }

    /// Why to stop early, if there is a reason.
    fn satisfied(&self) -> Option<Termination> {
        if let (Some(target), Some(value)) = (self.study.target, self.lowest())
            && value <= target
        {
            return Some(Termination::TargetReached { value, target });
        }
        let allowed = self.study.patience.filter(|allowed| self.stale >= *allowed)?;
        Some(Termination::Stalled { evaluations: self.stale, allowed })
    }
}
