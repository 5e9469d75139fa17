//! Lists of the images that a published comparison uses.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use super::{Layout, OpenOptions, Sequence};
use crate::{Error, Result};

/// How many folders above an image its sequence may be: `drive/image_02/data/0000000000.png`.
const LEVELS: usize = 4;

/// An image of a list, and those that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: usize,
    target: PathBuf,
    neighbours: Vec<PathBuf>,
}

/// A sequence of which a list names images.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Its path below the root.
    pub(crate) name: String,
    pub(crate) sequence: Sequence,
    /// The frames that are named, in the list's order, each with the neighbours that the list names.
    pub(crate) targets: Vec<(usize, Vec<usize>)>,
}

/// The sequences below `root` that `list` names images of.
///
/// A line names an image, by its path below `root`, and perhaps others of its sequence, which are its neighbours (what
/// else it names, such as depth files, is not read); or it is one of Monodepth2's: a KITTI drive, a frame's number, and `l`
/// or `r` for the camera. Empty lines and those that start with # are nothing. Stride and number of frames count lines.
///
/// # Errors
/// Names the line and what is wrong with it: an image that is not there, or is in no sequence.
pub(crate) fn listed(root: &Path, list: &Path, options: &OpenOptions) -> Result<Vec<Listed>> {
    let text = std::fs::read_to_string(list).map_err(Error::io(list))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push(parsed(root, line, index + 1).map_err(|found| {
                Error::input(
                    list,
                    format!("an image and its neighbours, or DRIVE NUMBER l|r, in line {}", index + 1),
                    found,
                )
            })?);
        }
    }
    let OpenOptions { start, stride, max_frames, layout } = *options;
    let most = max_frames.unwrap_or(usize::MAX);
    let mut opened: BTreeMap<PathBuf, Listed> = BTreeMap::new();
    // Recognising a folder reads it: once for all images in it.
    let mut folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
    for line in lines.into_iter().skip(start).step_by(stride.max(1)).take(most) {
        let wrong = |what: &str, path: &Path| {
            Error::input(list, format!("{what} in line {}", line.number), path.display().to_string())
        };
        let own = line.target.parent().unwrap_or(root);
        let folder = folders.entry(own.to_path_buf()).or_insert_with(|| folder_of(own));
        let folder = folder.clone().ok_or_else(|| wrong("an image of a sequence", &line.target))?;
        let sequence = match opened.entry(folder.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let sequence = Sequence::open(&folder, layout)?;
                let name = folder.strip_prefix(root).unwrap_or(&folder).to_string_lossy().replace('\\', "/");
                entry.insert(Listed { name, sequence, targets: Vec::new() })
            }
        };
        let frames = &sequence.sequence.frames;
        let number = |image: &PathBuf| frames.iter().position(|frame| frame.image == *image);
        let target = number(&line.target).ok_or_else(|| wrong("an image that is there", &line.target))?;
        let named: Vec<usize> = line.neighbours.iter().filter_map(number).filter(|&i| i != target).collect();
        sequence.targets.push((target, named));
    }
    if opened.is_empty() {
        return Err(Error::input(list, "at least one image", "none"));
    }
    Ok(opened.into_values().collect())
}

fn parsed(root: &Path, line: &str, number: usize) -> std::result::Result<Line, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [drive, frame, side @ ("l" | "r")] = *words.as_slice() {
        let frame: u64 = frame.parse().map_err(|_| format!("{line:?}"))?;
        let camera = if side == "l" { "image_02" } else { "image_03" };
        let data = root.join(drive).join(camera).join("data");
        let image = |ending: &str| data.join(format!("{frame:010}.{ending}"));
        // KITTI is often kept as JPEG.
        let target = if image("png").is_file() { image("png") } else { image("jpg") };
        return Ok(Line { number, target, neighbours: Vec::new() });
    }
    match words.split_first() {
        Some((target, others)) if Path::new(target).extension().is_some() => {
            let at = |path: &&str| root.join(path.trim_start_matches('/'));
            Ok(Line { number, target: at(target), neighbours: others.iter().map(at).collect() })
        }
        _ => Err(format!("{line:?}")),
    }
}

/// The folder of an image, or the nearest one above it that is a sequence.
fn folder_of(own: &Path) -> Option<PathBuf> {
    let known = |folder: &&Path| {
        folder.is_dir() && Layout::recognise(folder).is_ok_and(|layout| layout != Layout::ImageFolder)
    };
    let found = own.ancestors().take(LEVELS).find(known).or_else(|| own.is_dir().then_some(own))?;
    Some(found.to_path_buf())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scene::{Room, hand_held_path, write_sequence};

    /// Two recorded rooms, `a` and `b/deep`.
    fn rooms() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let camera = dro_vision::Pinhole::from_fov_deg(70.0, 32, 48).unwrap();
        for (seed, name) in [(1, "a"), (2, "b/deep")] {
            let folder = root.path().join(name);
            write_sequence(&folder, &Room::new(seed), &camera, (32, 48), &hand_held_path(4, seed)).unwrap();
        }
        root
    }

    fn listed_of(root: &Path, text: &str) -> Result<Vec<Listed>> {
        let list = root.join("split.txt");
        std::fs::write(&list, text).unwrap();
        listed(root, &list, &OpenOptions::default())
    }

    #[test]
    fn lines_name_images_and_neighbours() {
        let root = rooms();
        let text = "# targets\na/rgb/000001.png a/rgb/000003.png a/depth/000001.png\n\n\
                    b/deep/rgb/000002.png\na/rgb/000000.png a/rgb/000001.png a/rgb/000002.png\n";
        let found = listed_of(root.path(), text).unwrap();
        let shown: Vec<_> = found.iter().map(|l| (l.name.as_str(), l.targets.clone())).collect();
        assert_eq!(shown, [("a", vec![(1, vec![3]), (0, vec![1, 2])]), ("b/deep", vec![(2, vec![])])]);
        assert!(found.iter().all(|l| l.sequence.frames.len() == 4));
    }

    #[test]
    fn kitti_drives_are_named_as_by_monodepth2() {
        let Ok(data) = std::env::var("DRO_SHARED_DATA") else { return };
        let root = Path::new(&data).join("kitti_tiny");
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("eigen.txt");
        let drive = "2011_09_26/2011_09_26_drive_0023_sync";
        std::fs::write(&list, format!("{drive} 3 l\n{drive} 0000000001 r\n")).unwrap();
        let found = listed(&root, &list, &OpenOptions::default()).unwrap();
        let shown: Vec<_> = found.iter().map(|l| (l.name.clone(), l.targets.len())).collect();
        assert_eq!(shown, [(format!("{drive}/image_02/data"), 1), (format!("{drive}/image_03/data"), 1)]);
        let published = listed(&root, &root.join("kitti_tiny.txt"), &OpenOptions::default()).unwrap();
        assert!(published.iter().flat_map(|l| &l.targets).all(|(_, neighbours)| neighbours.len() == 1));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let root = rooms();
        for (text, parts) in [
            ("a/rgb/000001.png\na/rgb/000009.png\n", ["line 2", "000009.png"]),
            ("nowhere/000001.png\n", ["line 1", "nowhere"]),
            ("drive x l\n", ["line 1", "drive x l"]),
            ("word\n", ["line 1", "word"]),
            ("\n", ["split.txt", "at least one image"]),
        ] {
            let error = listed_of(root.path(), text).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
