//! Python's pickle format, protocols 0 to 5, read as inert data.
//!
//! A pickle is a program for a stack machine (CPython's `Lib/pickletools.py` describes every opcode). Unpickling in
//! Python calls whatever the file names; here nothing is ever called: classes are names, calls are
//! [`Node::Object`]s. The number of steps and of bytes is limited, so memory is too.

use std::io::BufRead;

use super::pickle_input::{PickleResult, unescape};
use super::pickle_machine::Machine;
use super::pickle_value::{Node, Pickle};

/// A checkpoint of the network with its optimizer takes some ten thousand.
const MAX_STEPS: usize = 4_000_000;
/// Longer than any module and class.
const MAX_NAME: usize = 1024;

/// Reads one pickle, from the reader's position to the byte after its end.
pub(super) fn read(reader: impl BufRead) -> PickleResult<Pickle> {
    let mut machine = Machine::new(reader);
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
}

#[cfg(test)]
#[path = "pickle_tests.rs"]
mod tests;
