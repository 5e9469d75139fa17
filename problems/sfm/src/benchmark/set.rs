//! What a solver is judged on: recorded sequences, and DeMoN test sets.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    data::{Frame, Intrinsics, Layout, Listed, OpenOptions, Sequence, demon_pairs, listed},
    sequence::{Neighbours, Window, windows},
};

/// The parts of DeMoN's test set, by the beginnings of their pairs' names.
const SUBSETS: [&str; 4] = ["mvs", "rgbd", "sun3d", "scenes11"];

/// How data sets are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOptions {
    /// Layout, stride and number of frames; of a DeMoN set stride and number count pairs.
    pub open: OpenOptions,
    /// Neighbours of a target in a sequence. Of a pair the target is the first image, the others are its neighbours.
    pub neighbours: Neighbours,
    /// Whether a pair that cannot be opened is left out; otherwise it is an error.
    pub skip_bad: bool,
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The data set's name.
    pub set: String,
    /// The frame or pair; `None`: the whole set.
    pub name: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// Images that are solved together.
#[derive(Debug)]
pub(crate) struct Source {
    /// The pair's name; empty for a sequence, its path below the root where a list names images of several.
    pub(crate) name: String,
    pub(crate) sequence: Sequence,
    pub(crate) windows: Vec<Window>,
}

impl Source {
    /// The name of one of its frames in results.
    pub(crate) fn named(&self, frame: &Frame) -> String {
        if self.name.is_empty() { frame.name.clone() } else { format!("{}/{}", self.name, frame.name) }
    }
}

/// A sequence, the pairs of a DeMoN test set, or the images of a list.
#[derive(Debug)]
pub struct DataSet {
    pub(crate) name: String,
    pub(crate) root: PathBuf,
    pub(crate) is_demon: bool,
    /// Whether a list says which images; they need not follow each other.
    pub(crate) is_split: bool,
    pub(crate) sources: Vec<Source>,
    pub(crate) intrinsics: Option<Intrinsics>,
    pub(crate) skipped: Vec<Skipped>,
}

impl DataSet {
    /// Opens a file or folder: a DeMoN pair, a folder of DeMoN pairs, or any sequence. Reads text files and headers of
    /// images.
    ///
    /// # Errors
    /// Names the file that is missing or malformed; of a DeMoN set the first broken pair, unless pairs may be skipped.
    /// Less than 2 images, or no pair that can be opened, is always an error.
    pub fn open(root: &Path, options: &SetOptions) -> Result<Self> {
        let name = set_name(root);
        let mut set = Self {
            name,
            root: root.to_path_buf(),
            is_demon: false,
            is_split: false,
            sources: Vec::new(),
            intrinsics: None,
            skipped: Vec::new(),
        };
        match pairs(root, options.open.layout)? {
            Some(folders) => set.open_pairs(&folders, options)?,
            None => {
                let sequence = Sequence::open_with(root, &options.open)?;
                let count = sequence.frames.len();
                if count < 2 {
                    return Err(Error::input(root, "at least 2 images", format!("{count}")));
                }
                let windows = windows(count, &options.neighbours)?;
                set.sources.push(Source { name: String::new(), sequence, windows });
            }
        }
        Ok(set)
    }

    /// The images that a list names in the sequences below a folder: a line names an image by its path below `root`, and
    /// perhaps neighbours; or it is one of Monodepth2's (`DRIVE NUMBER l`). Stride and number of frames count lines.
    ///
    /// # Errors
    /// Names the line and what is wrong with it, or the file of a sequence that is missing or malformed.
    pub fn open_split(root: &Path, list: &Path, options: &SetOptions) -> Result<Self> {
        let source = |listed: Listed| -> Result<Source> {
            let Listed { name, sequence, targets } = listed;
            let all = windows(sequence.frames.len(), &options.neighbours)?;
            let window = |(target, neighbours): (usize, Vec<usize>)| match neighbours.is_empty() {
                true => all.get(target).cloned(),
                false => Some(Window { target, neighbours }),
            };
            Ok(Source { name, windows: targets.into_iter().filter_map(window).collect(), sequence })
        };
        let sources =
            listed(root, list, &options.open)?.into_iter().map(source).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            name: list.file_stem().map_or_else(|| set_name(root), |name| name.to_string_lossy().into_owned()),
            root: root.to_path_buf(),
            is_demon: false,
            is_split: true,
            sources,
            intrinsics: None,
            skipped: Vec::new(),
        })
    }

    fn open_pairs(&mut self, folders: &[PathBuf], options: &SetOptions) -> Result<()> {
        self.is_demon = true;
        let OpenOptions { start, stride, max_frames, .. } = options.open;
        let most = max_frames.unwrap_or(usize::MAX);
        for folder in folders.iter().skip(start).step_by(stride.max(1)).take(most) {
            let name = pair_name(&self.root, folder);
            match open_pair(folder, &name) {
                Ok(source) => self.sources.push(source),
                Err(error) if options.skip_bad => self.skip(Some(name), &error),
                Err(error) => return Err(error),
            }
        }
        if self.sources.is_empty() {
            let found = match self.skipped.first() {
                Some(first) => {
                    format!("none among {} folders; the first: {}", self.skipped.len(), first.reason)
                }
                None => format!("none after leaving out {start} of {}", folders.len()),
            };
            return Err(Error::input(&self.root, "at least one DeMoN pair", found));
        }
        Ok(())
    }

    pub(crate) fn skip(&mut self, name: Option<String>, error: &Error) {
        self.skipped.push(Skipped { set: self.name.clone(), name, reason: error.to_string() });
    }

    /// Its name in results: the last part of its path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sequence; `None` for a DeMoN set, and for the images of a list.
    pub fn sequence(&self) -> Option<&Sequence> {
        self.sources.first().filter(|_| !self.is_demon && !self.is_split).map(|source| &source.sequence)
    }

    /// Images that will be solved.
    pub fn targets(&self) -> usize {
        self.sources.iter().map(|source| source.windows.len()).sum()
    }

    /// The same set seen by this camera, whatever the data says.
    pub fn with_intrinsics(self, intrinsics: Intrinsics) -> Self {
        Self { intrinsics: Some(intrinsics), ..self }
    }

    pub(crate) fn layout(&self) -> String {
        match self.sources.first() {
            Some(source) if !self.is_demon => source.sequence.layout.to_string(),
            _ => "demon".into(),
        }
    }
}

/// Names of sets become names of folders, so no two may be the same: `a`, `a_2`, …
pub(crate) fn make_names_unique(sets: &mut [DataSet]) {
    let mut taken: Vec<String> = Vec::new();
    for set in sets {
        let first = set.name.clone();
        let mut copy = 2;
        while taken.contains(&set.name) {
            set.name = format!("{first}_{copy}");
            copy += 1;
        }
        for skipped in &mut set.skipped {
            skipped.set.clone_from(&set.name);
        }
        taken.push(set.name.clone());
    }
}

/// The part of DeMoN's test set that a pair belongs to: its name begins with `mvs_`, `rgbd_`, `sun3d_` or `scenes11_`.
pub(crate) fn subset(pair: &str) -> &'static str {
    let pair = pair.to_ascii_lowercase();
    let is = |part: &&&str| {
        pair.strip_prefix(**part).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    SUBSETS.iter().find(is).copied().unwrap_or("other")
}

/// The pairs of a DeMoN set, where that is what lies there.
fn pairs(root: &Path, layout: Option<Layout>) -> Result<Option<Vec<PathBuf>>> {
    if !root.is_dir() || layout.is_some_and(|layout| layout != Layout::DemonPair) {
        return Ok(None);
    }
    match Layout::recognise(root)? {
        Layout::DemonPair => Ok(Some(vec![root.to_path_buf()])),
        // A folder of pairs is nothing else; anything that is recognised is what it is recognised as.
        Layout::ImageFolder => demon_pairs(root),
        _ => Ok(None),
    }
}

fn open_pair(folder: &Path, name: &str) -> Result<Source> {
    let sequence = Sequence::open(folder, Some(Layout::DemonPair))?;
    let count = sequence.frames.len();
    if count < 2 {
        return Err(Error::input(folder, "images 0000 and 0001", format!("{count} image")));
    }
    sequence.image_size()?;
    let windows = vec![Window { target: 0, neighbours: (1..count).collect() }];
    Ok(Source { name: name.to_owned(), sequence, windows })
}

fn set_name(root: &Path) -> String {
    // `data/.` and `..` have names too.
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let part = if whole.is_file() { whole.parent().unwrap_or(&whole) } else { &whole };
    part.file_name().map_or_else(|| "set".into(), |name| name.to_string_lossy().into_owned())
}

fn pair_name(root: &Path, folder: &Path) -> String {
    match folder.strip_prefix(root) {
        Ok(inside) if inside != Path::new("") => inside.to_string_lossy().replace('\\', "/"),
        _ => set_name(folder),
    }
}
