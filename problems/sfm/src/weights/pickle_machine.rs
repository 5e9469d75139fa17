//! The stack, marks and memo of the pickle machine, and what its opcodes do to them.

use std::collections::HashMap;
use std::io::BufRead;

use super::pickle_input::{Input, PickleResult};
use super::pickle_value::{Id, Node};

/// What a pickle's program works on.
pub(super) struct Machine<R> {
    pub(super) input: Input<R>,
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack at its open marks.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u64, Id>,
}

impl<R: BufRead> Machine<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            input: Input::new(reader),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        Id(self.nodes.len() - 1)
    }

    pub(super) fn push(&mut self, node: Node) -> PickleResult<()> {
        let id = self.add(node);
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn push_object(&mut self, class: Id, args: Id) -> PickleResult<()> {
        self.push(Node::Object { class, args, state: None, items: Vec::new(), entries: Vec::new() })
    }

    pub(super) fn push_class(&mut self, module: &str, name: &str) -> PickleResult<()> {
        self.push(Node::Class(format!("{module}.{name}")))
    }

    pub(super) fn push_text(&mut self, count: u64) -> PickleResult<()> {
        // Python writes file names that are not UTF-8 as lone surrogates; they may be in a path that nothing reads.
        let bytes = self.input.bytes(count)?;
        self.push(Node::Str(String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(super) fn push_bytes(&mut self, count: u64) -> PickleResult<()> {
        let bytes = self.input.bytes(count)?;
        self.push(Node::Bytes(bytes))
    }

    /// A `str` of Python 2: text where it is UTF-8.
    pub(super) fn push_byte_string(&mut self, count: u64) -> PickleResult<()> {
        let bytes = self.input.bytes(count)?;
        self.push(String::from_utf8(bytes).map_or_else(|e| Node::Bytes(e.into_bytes()), Node::Str))
    }

    pub(super) fn push_decimal(&mut self, text: &str) -> PickleResult<()> {
        let text = text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return self.input.fail("something else instead of a whole number");
        }
        self.push(text.parse().map_or(Node::HugeInt, Node::Int))
    }

    /// Two's complement, little-endian.
    pub(super) fn push_long(&mut self, count: u64) -> PickleResult<()> {
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
    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self) -> PickleResult<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => self.input.fail("an empty stack"),
        }
    }

    pub(super) fn pop(&mut self) -> PickleResult<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    pub(super) fn pop_to_mark(&mut self) -> PickleResult<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => self.input.fail("no mark on the stack"),
        }
    }

    pub(super) fn pairs(&self, ids: &[Id]) -> PickleResult<Vec<(Id, Id)>> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
        } else {
            self.input.fail("a key without a value")
        }
    }

    pub(super) fn extend(&mut self, ids: &[Id]) -> PickleResult<()> {
        let top = self.top()?;
        match self.nodes.get_mut(top.0) {
            Some(Node::List(items) | Node::Set(items) | Node::Object { items, .. }) => {
                items.extend(ids);
                Ok(())
            }
            _ => self.fail_on_top("APPEND"),
        }
    }

    pub(super) fn set_items(&mut self, pairs: Vec<(Id, Id)>) -> PickleResult<()> {
        let top = self.top()?;
        match self.nodes.get_mut(top.0) {
            Some(Node::Dict(entries) | Node::Object { entries, .. }) => {
                entries.extend(pairs);
                Ok(())
            }
            _ => self.fail_on_top("SETITEM"),
        }
    }

    pub(super) fn fail_on_top(&self, opcode: &str) -> PickleResult<()> {
        let kind = self.stack.last().and_then(|id| self.nodes.get(id.0)).map_or("nothing", Node::kind);
        self.input.fail(format!("{opcode} on {kind}"))
    }

    pub(super) fn memorize(&mut self, key: u64) -> PickleResult<()> {
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u64) -> PickleResult<()> {
        match self.memo.get(&key) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => self.input.fail(format!("nothing memorized as {key}")),
        }
    }
}
