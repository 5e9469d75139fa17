//! Small text files of numbers, with errors that name the file and the line.

use std::path::Path;

use crate::{Error, Result};

/// One line that is neither blank nor a `#` comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    path: &'a Path,
    /// Counted from 1.
    pub number: usize,
    /// Without surrounding white space.
    pub text: &'a str,
}

impl Line<'_> {
    /// An error at this line.
    pub fn error(&self, expected: impl Into<String>) -> Error {
        Error::input(at_line(self.path, self.number), expected, format!("{:?}", shortened(self.text)))
    }

    /// All numbers of the line, separated by white space or commas. `nan` and `inf` are numbers here.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        self.text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
            .map(|word| word.parse::<f64>().map_err(|_| self.error("numbers separated by white space")))
            .collect()
    }
}

/// `path:line`, for errors.
pub(super) fn at_line(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

/// The whole file.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::io(path))
}

/// The lines that say something.
pub(super) fn lines<'a>(path: &'a Path, text: &'a str) -> impl Iterator<Item = Line<'a>> {
    text.lines()
        .enumerate()
        .map(move |(index, text)| Line { path, number: index + 1, text: text.trim() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
}

/// Every number of a file, line after line.
pub(super) fn numbers(path: &Path) -> Result<Vec<f64>> {
    let text = read(path)?;
    let mut all = Vec::new();
    for line in lines(path, &text) {
        all.extend(line.numbers()?);
    }
    Ok(all)
}

/// A line short enough for an error message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_file_and_line() {
        let text = "# a comment\n\n1 2,3\n4 five 6\n";
        let path = Path::new("x/poses.txt");
        let lines: Vec<_> = lines(path, text).collect();
        assert_eq!(lines[0].numbers().unwrap(), [1.0, 2.0, 3.0]);
        let message = lines[1].numbers().unwrap_err().to_string();
        assert_eq!(message, "x/poses.txt:4: expected numbers separated by white space, found \"4 five 6\"");
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), 81);
    }
}
