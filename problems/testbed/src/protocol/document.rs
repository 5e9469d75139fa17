//! Files, charts and tables of a run, and the page of the book that shows them.

use std::{io::Write, path::Path};

use dro_record::{Chart, write_atomically};

use crate::{Error, Result};

/// What a suite writes down, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The suite's name.
    pub suite: &'static str,
    /// Markdown.
    pub table: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Report {
    pub(super) fn new(suite: &'static str) -> Self {
        Self { suite, table: String::new(), files: Vec::new() }
    }

    pub(super) fn file(&mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> &mut Self {
        self.files.push((name.into(), content.into()));
        self
    }

    pub(super) fn svg(&mut self, name: impl AsRef<str>, chart: &Chart) -> Result<()> {
        self.file(format!("{}.svg", name.as_ref()), chart.to_svg()?);
        Ok(())
    }

    /// Names of the files, in the order they are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Writes every file, and the table as `SUITE.md`, into a folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, content) in &self.files {
            write_atomically(folder.join(name), |file| file.write_all(content))?;
        }
        write_atomically(folder.join(format!("{}.md", self.suite)), |file| {
            file.write_all(self.table.as_bytes())
        })?;
        Ok(())
    }
}

/// Puts the reports into a book: the tables into `testbed.md` between the marks `<!-- SUITE:begin -->` and `<!-- SUITE:end -->`, and the
/// pictures that the page shows as `images/testbed-NAME`. Suites that are not in the reports stay as they are.
///
/// # Errors
/// If `testbed.md` cannot be read or written, or lacks a mark.
pub fn refresh(book: &Path, reports: &[Report], command: &str) -> Result<()> {
    let path = book.join("testbed.md");
    let mut page = std::fs::read_to_string(&path).map_err(dro_record::Error::io(&path))?;
    for report in reports {
        let (begin, end) =
            (format!("<!-- {}:begin -->", report.suite), format!("<!-- {}:end -->", report.suite));
        let fault =
            || Error::argument(path.display().to_string(), format!("{begin} before {end}"), "neither or one");
        let (before, rest) = page.split_once(&begin).ok_or_else(fault)?;
        let (_, after) = rest.split_once(&end).ok_or_else(fault)?;
        page = format!("{before}{begin}\n\n`{command}`\n\n{}\n{end}{after}", report.table);
        for (name, content) in &report.files {
            let picture = format!("images/testbed-{name}");
            if page.contains(&format!("({picture})")) {
                write_atomically(book.join(picture), |file| file.write_all(content))?;
            }
        }
    }
    write_atomically(&path, |file| file.write_all(page.as_bytes()))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_refreshed_between_its_marks() {
        let book = tempfile::tempdir().unwrap();
        let page = book.path().join("testbed.md");
        std::fs::write(
            &page,
            "# T\n<!-- a:begin -->old<!-- a:end -->\nmiddle\n<!-- b:begin --><!-- b:end -->\n![X](images/testbed-x.svg)\n",
        )
        .unwrap();
        let mut report = Report::new("a");
        report.file("x.svg", "<svg/>").file("y.svg", "<svg/>").file("x.csv", "1");
        report.table = "| new |".into();
        for _ in 0..2 {
            refresh(book.path(), std::slice::from_ref(&report), "dro bench").unwrap();
        }
        let text = std::fs::read_to_string(&page).unwrap();
        assert_eq!(
            text,
            "# T\n<!-- a:begin -->\n\n`dro bench`\n\n| new |\n<!-- a:end -->\nmiddle\n<!-- b:begin --><!-- b:end -->\n![X](images/testbed-x.svg)\n"
        );
        assert!(book.path().join("images/testbed-x.svg").is_file());
        assert!(!book.path().join("images/testbed-y.svg").exists());

        let error = refresh(book.path(), &[Report::new("c")], "").unwrap_err().to_string();
        assert!(error.contains("testbed.md") && error.contains("c:begin"), "{error}");
    }
}
