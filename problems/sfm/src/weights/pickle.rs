//! Python's pickle format, protocols 0 to 5, read as inert data.
//!
//! A pickle is a program for a stack machine (CPython's `Lib/pickletools.py` describes every opcode). Unpickling in
//! Python calls whatever the file names; here nothing is ever called: classes are names, calls are
//! [`Node::Object`]s. The number of steps and of bytes is limited, so memory is too.

use std::collections::HashMap;
use std::io::BufRead;

use super::pickle_input::{Input, PickleResult, unescape};
use super::pickle_value::{Id, Node, Pickle};

/// A checkpoint of the network with its optimizer takes some ten thousand.
const MAX_STEPS: usize = 4_000_000;
/// Longer than any module and class.
const MAX_NAME: usize = 1024;

/// Reads one pickle, from the reader's position to the byte after its end.
pub(super) fn read(reader: impl BufRead) -> PickleResult<Pickle> {
    let mut machine = Machine {
        input: Input::new(reader),
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_STEPS {
        let opcode = machine.input.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root });
        }
        machine.step(opcode)?;
    }
    machine.input.fail(format!("more than {MAX_STEPS} steps"))
}

struct Machine<R> {
    input: Input<R>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at its open marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<R: BufRead> Machine<R> {
    /// Everything but STOP, in the order of `pickletools`.
    fn step(&mut self, opcode: u8) -> PickleResult<()> {
        match opcode {
            // Integers and booleans.
            b'I' => {
                let line = self.input.text_line()?;
                match line.as_str() {
                    "00" => self.push(Node::Bool(false)),
                    "01" => self.push(Node::Bool(true)),
                    _ => self.push_decimal(&line),
                }
            }
            b'J' => {
                let x = i32::from_le_bytes(self.input.array()?);
                self.push(Node::Int(x.into()))
            }
            b'K' => {
                let x = self.input.byte()?;
                self.push(Node::Int(x.into()))
            }
            b'M' => {
                let x = u16::from_le_bytes(self.input.array()?);
                self.push(Node::Int(x.into()))
            }
            b'L' => {
                let line = self.input.text_line()?;
                self.push_decimal(line.strip_suffix('L').unwrap_or(&line))
            }
            0x8a => {
                let count = self.input.byte()?;
                self.push_long(count.into())
            }
            0x8b => {
                let count = u32::from_le_bytes(self.input.array()?);
                self.push_long(count.into())
            }
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            // Floats.
            b'F' => {
                let x = self.input.number_line()?;
                self.push(Node::Float(x))
            }
            b'G' => {
                let x = f64::from_be_bytes(self.input.array()?);
                self.push(Node::Float(x))
            }
            // Texts and bytes.
            b'S' => {
                let line = self.input.text_line()?;
                let quoted = |quote| line.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
                match quoted('\'').or_else(|| quoted('"')) {
                    Some(inner) => self.push(Node::Str(unescape(inner, true))),
                    None => self.input.fail("a STRING without quotes"),
                }
            }
            b'V' => {
                // Python's raw-unicode-escape: Latin-1 and \uXXXX.
                let line: String = self.input.line()?.into_iter().map(char::from).collect();
                self.push(Node::Str(unescape(&line, false)))
            }
            b'T' => {
                let count = u32::from_le_bytes(self.input.array()?);
                self.push_byte_string(count.into())
            }
            b'U' => {
                let count = self.input.byte()?;
                self.push_byte_string(count.into())
            }
            0x8c => {
                let count = self.input.byte()?;
                self.push_text(count.into())
            }
            b'X' => {
                let count = u32::from_le_bytes(self.input.array()?);
                self.push_text(count.into())
            }
            0x8d => {
                let count = u64::from_le_bytes(self.input.array()?);
                self.push_text(count)
            }
            b'C' => {
                let count = self.input.byte()?;
                self.push_bytes(count.into())
            }
            b'B' => {
                let count = u32::from_le_bytes(self.input.array()?);
                self.push_bytes(count.into())
            }
            0x8e | 0x96 => {
                let count = u64::from_le_bytes(self.input.array()?);
                self.push_bytes(count)
            }
            // Containers.
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            b'l' => {
                let ids = self.pop_to_mark()?;
                self.push(Node::List(ids))
            }
            b't' => {
                let ids = self.pop_to_mark()?;
                self.push(Node::Tuple(ids))
            }
            0x91 => {
                let ids = self.pop_to_mark()?;
                self.push(Node::Set(ids))
            }
            b'd' => {
                let ids = self.pop_to_mark()?;
                let pairs = self.pairs(&ids)?;
                self.push(Node::Dict(pairs))
            }
            0x85..=0x87 => {
                let mut ids = Vec::new();
                for _ in 0x85..=opcode {
                    ids.insert(0, self.pop()?);
                }
                self.push(Node::Tuple(ids))
            }
            b'a' => {
                let id = self.pop()?;
                self.extend(&[id])
            }
            b'e' | 0x90 => {
                let ids = self.pop_to_mark()?;
                self.extend(&ids)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(vec![(key, value)])
            }
            b'u' => {
                let ids = self.pop_to_mark()?;
                let pairs = self.pairs(&ids)?;
                self.set_items(pairs)
            }
            // The stack and the memo.
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let id = self.top()?;
                self.stack.push(id);
                Ok(())
            }
            b'g' => {
                let key = self.input.number_line()?;
                self.recall(key)
            }
            b'h' => {
                let key = self.input.byte()?;
                self.recall(key.into())
            }
            b'j' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.recall(key.into())
            }
            b'p' => {
                let key = self.input.number_line()?;
                self.memorize(key)
            }
            b'q' => {
                let key = self.input.byte()?;
                self.memorize(key.into())
            }
            b'r' => {
                let key = u32::from_le_bytes(self.input.array()?);
                self.memorize(key.into())
            }
            0x94 => self.memorize(self.memo.len() as u64),
            // Names, calls and objects: all inert.
            b'c' => {
                let (module, name) = (self.input.text_line()?, self.input.text_line()?);
                self.push_class(&module, &name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.nodes.get(module.0), self.nodes.get(name.0)) {
                    (Some(Node::Str(module)), Some(Node::Str(name)))
                        if module.len() + name.len() <= MAX_NAME =>
                    {
                        let (module, name) = (module.clone(), name.clone());
                        self.push_class(&module, &name)
                    }
                    _ => self.input.fail("a STACK_GLOBAL of something that is not a name"),
                }
            }
            b'R' | 0x81 => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.push_object(class, args)
            }
            0x92 => {
                let (_keywords, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_object(class, args)
            }
            b'o' => {
                let mut ids = self.pop_to_mark()?;
                if ids.is_empty() {
                    return self.input.fail("an OBJ without a class");
                }
                let class = ids.remove(0);
                let args = self.add(Node::Tuple(ids));
                self.push_object(class, args)
            }
            b'i' => {
                let (module, name) = (self.input.text_line()?, self.input.text_line()?);
                let ids = self.pop_to_mark()?;
                self.push_class(&module, &name)?;
                let class = self.pop()?;
                let args = self.add(Node::Tuple(ids));
                self.push_object(class, args)
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                match self.nodes.get_mut(object.0) {
                    Some(Node::Object { state: slot, .. }) => {
                        *slot = Some(state);
                        Ok(())
                    }
                    _ => self.fail_on_top("BUILD"),
                }
            }
            b'P' => {
                let line = self.input.text_line()?;
                let id = self.add(Node::Str(line));
                self.push(Node::Persistent(id))
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))
            }
            // Framing.
            0x80 => match self.input.byte()? {
                0..=5 => Ok(()),
                protocol => self.input.fail(format!("protocol {protocol} (0 to 5 are known)")),
            },
            0x95 => self.input.array::<8>().map(drop),
            _ => self.input.fail(format!("an opcode 0x{opcode:02x} that is not supported")),
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        Id(self.nodes.len() - 1)
    }

    fn push(&mut self, node: Node) -> PickleResult<()> {
        let id = self.add(node);
        self.stack.push(id);
        Ok(())
    }

    fn push_object(&mut self, class: Id, args: Id) -> PickleResult<()> {
        self.push(Node::Object { class, args, state: None, items: Vec::new(), entries: Vec::new() })
    }

    fn push_class(&mut self, module: &str, name: &str) -> PickleResult<()> {
        self.push(Node::Class(format!("{module}.{name}")))
    }

    fn push_text(&mut self, count: u64) -> PickleResult<()> {
        // Python writes file names that are not UTF-8 as lone surrogates; they may be in a path that nothing reads.
        let bytes = self.input.bytes(count)?;
        self.push(Node::Str(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn push_bytes(&mut self, count: u64) -> PickleResult<()> {
        let bytes = self.input.bytes(count)?;
        self.push(Node::Bytes(bytes))
    }

    /// A `str` of Python 2: text where it is UTF-8.
    fn push_byte_string(&mut self, count: u64) -> PickleResult<()> {
        let bytes = self.input.bytes(count)?;
        self.push(String::from_utf8(bytes).map_or_else(|e| Node::Bytes(e.into_bytes()), Node::Str))
    }

    fn push_decimal(&mut self, text: &str) -> PickleResult<()> {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return self.input.fail("something else instead of a whole number");
        }
        self.push(text.parse().map_or(Node::HugeInt, Node::Int))
    }

    /// Two's complement, little-endian.
    fn push_long(&mut self, count: u64) -> PickleResult<()> {
        let bytes = self.input.bytes(count)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 16];
        match all.get_mut(..bytes.len()) {
            Some(low) => low.copy_from_slice(&bytes),
            None => return self.push(Node::HugeInt),
        }
        self.push(Node::Int(i128::from_le_bytes(all)))
    }

    /// The lowest height the stack may fall to: values below a mark belong to another container.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> PickleResult<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => self.input.fail("an empty stack"),
        }
    }

    fn pop(&mut self) -> PickleResult<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_to_mark(&mut self) -> PickleResult<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => self.input.fail("no mark on the stack"),
        }
    }

    fn pairs(&self, ids: &[Id]) -> PickleResult<Vec<(Id, Id)>> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
        } else {
            self.input.fail("a key without a value")
        }
    }

    fn extend(&mut self, ids: &[Id]) -> PickleResult<()> {
        let top = self.top()?;
        match self.nodes.get_mut(top.0) {
            Some(Node::List(items) | Node::Set(items) | Node::Object { items, .. }) => {
                items.extend(ids);
                Ok(())
            }
            _ => self.fail_on_top("APPEND"),
        }
    }

    fn set_items(&mut self, pairs: Vec<(Id, Id)>) -> PickleResult<()> {
        let top = self.top()?;
        match self.nodes.get_mut(top.0) {
            Some(Node::Dict(entries) | Node::Object { entries, .. }) => {
                entries.extend(pairs);
                Ok(())
            }
            _ => self.fail_on_top("SETITEM"),
        }
    }

    fn fail_on_top(&self, opcode: &str) -> PickleResult<()> {
        let kind = self.stack.last().and_then(|id| self.nodes.get(id.0)).map_or("nothing", Node::kind);
        self.input.fail(format!("{opcode} on {kind}"))
    }

    fn memorize(&mut self, key: u64) -> PickleResult<()> {
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> PickleResult<()> {
        match self.memo.get(&key) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => self.input.fail(format!("nothing memorized as {key}")),
        }
    }
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
