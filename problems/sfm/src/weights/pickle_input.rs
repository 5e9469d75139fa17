//! The bytes of a pickle: numbers, counted texts and lines, with the position for messages.

use std::io::{BufRead, ErrorKind, Read};

/// The metadata of a checkpoint is far smaller; its tensors are not in the pickle.
const MAX_BYTES: u64 = 64 << 20;

/// What is wrong with a pickle, and where.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {at} of the pickle")]
pub(super) struct PickleError {
    pub(super) at: u64,
    pub(super) what: String,
}

pub(super) type PickleResult<T> = Result<T, PickleError>;

pub(super) struct Input<R> {
    reader: R,
    at: u64,
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, at: 0 }
    }

    pub(super) fn fail<T>(&self, what: impl Into<String>) -> PickleResult<T> {
        Err(PickleError { at: self.at, what: what.into() })
    }

    fn advance(&mut self, count: usize) -> PickleResult<()> {
        self.at += count as u64;
        if self.at > MAX_BYTES { self.fail(format!("more than {MAX_BYTES} bytes")) } else { Ok(()) }
    }

    fn io<T>(&self, result: std::io::Result<T>) -> PickleResult<T> {
        result.or_else(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.fail("the file ends"),
            _ => self.fail(error.to_string()),
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> PickleResult<[u8; N]> {
        let mut bytes = [0; N];
        let result = self.reader.read_exact(&mut bytes);
        self.io(result)?;
        self.advance(N)?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> PickleResult<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// `count` bytes. Memory grows with the bytes that are there, not with what `count` promises.
    pub(super) fn bytes(&mut self, count: u64) -> PickleResult<Vec<u8>> {
        if count > MAX_BYTES {
            return self.fail(format!("a length of {count} bytes"));
        }
        let mut bytes = Vec::new();
        let result = self.reader.by_ref().take(count).read_to_end(&mut bytes);
        self.io(result)?;
        if (bytes.len() as u64) < count {
            return self.fail(format!("the file ends {} bytes into a length of {count} bytes", bytes.len()));
        }
        self.advance(bytes.len())?;
        Ok(bytes)
    }

    /// Up to a line feed, without it.
    pub(super) fn line(&mut self) -> PickleResult<Vec<u8>> {
        let mut line = Vec::new();
        let result = self.reader.by_ref().take(MAX_BYTES).read_until(b'\n', &mut line);
        self.io(result)?;
        if line.pop() != Some(b'\n') {
            return self.fail("a line without an end");
        }
        self.advance(line.len() + 1)?;
        Ok(line)
    }

    /// A line of text; bytes that are not UTF-8 are replaced.
    pub(super) fn text_line(&mut self) -> PickleResult<String> {
        Ok(String::from_utf8_lossy(&self.line()?).into_owned())
    }

    /// A line that holds a number.
    pub(super) fn number_line<T: std::str::FromStr>(&mut self) -> PickleResult<T> {
        let line = self.text_line()?;
        match line.trim().parse() {
            Ok(number) => Ok(number),
            Err(_) => {
                self.fail(format!("{:?} instead of a number", line.chars().take(40).collect::<String>()))
            }
        }
    }
}

/// The text that a line of protocol 0 stands for: `\uXXXX` and `\UXXXXXXXX` always, Python's other escapes where
/// `all_escapes` says so. What is not an escape stays as it is.
pub(super) fn unescape(line: &str, all_escapes: bool) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('\\') {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        let kind = from.chars().nth(1);
        let simple = match kind {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some(c @ ('\\' | '\'' | '"')) => Some(c),
            _ => None,
        };
        let digits = match kind {
            Some('x') if all_escapes => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let coded = (digits > 0)
            .then(|| from.get(2..2 + digits))
            .flatten()
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        let (c, used) = match (simple, coded) {
            (Some(c), _) if all_escapes => (c, 2),
            (_, Some(c)) => (c, 2 + digits),
            _ => ('\\', 1),
        };
        text.push(c);
        rest = from.get(used..).unwrap_or_default();
    }
    text + rest
}
