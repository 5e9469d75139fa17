//! What a pickle holds, as inert data.
//!
//! Values live in one list and refer to each other by position, as Python objects do by reference: sharing costs nothing,
//! cycles are harmless, and nothing here recurses.

/// More than any call here has arguments, and any tensor has dimensions.
const FEW: usize = 64;

/// The position of a value in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// One Python value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i128),
    /// An integer of more than 128 bits, which nothing here needs.
    HugeInt,
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function by its full name. It is never looked up.
    Class(String),
    /// What Python would make by calling `class` with the tuple `args`. It is never called.
    Object {
        class: Id,
        args: Id,
        state: Option<Id>,
        /// Appended, as to a list.
        items: Vec<Id>,
        /// Set by key, as in a dict.
        entries: Vec<(Id, Id)>,
    },
    /// Something outside the pickle, such as a tensor's storage, by its id.
    Persistent(Id),
}

/// One unpickled value and everything it refers to.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
}

impl Pickle {
    /// The value itself.
    pub(super) fn root(&self) -> Value<'_> {
        Value { pickle: self, id: self.root }
    }

    /// The ids of everything outside that the value refers to.
    pub(super) fn persistent_ids(&self) -> impl Iterator<Item = Value<'_>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Persistent(id) => Some(Value { pickle: self, id: *id }),
            _ => None,
        })
    }
}

/// A value within its pickle, for reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pickle: &'a Pickle,
    id: Id,
}

impl<'a> Value<'a> {
    pub(super) fn node(self) -> &'a Node {
        self.pickle.nodes.get(self.id.0).unwrap_or(&Node::None)
    }

    fn other(self, id: Id) -> Self {
        Self { id, ..self }
    }

    pub(super) fn as_str(self) -> Option<&'a str> {
        match self.node() {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(x) => Some(*x),
            _ => None,
        }
    }

    pub(super) fn as_int(self) -> Option<i128> {
        match self.node() {
            Node::Int(x) => Some(*x),
            _ => None,
        }
    }

    pub(super) fn as_usize(self) -> Option<usize> {
        usize::try_from(self.as_int()?).ok()
    }

    /// A float or an integer.
    pub(super) fn as_f64(self) -> Option<f64> {
        match self.node() {
            Node::Float(x) => Some(*x),
            Node::Int(x) => Some(*x as f64),
            _ => None,
        }
    }

    pub(super) fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// The values of a list, tuple or set.
    pub(super) fn items(self) -> Option<Vec<Self>> {
        match self.node() {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) => {
                Some(ids.iter().map(|&id| self.other(id)).collect())
            }
            _ => None,
        }
    }

    /// The values of a short list, tuple or set. Many objects may share a long one, and reading it for each of them would
    /// take for ever.
    pub(super) fn few_items(self) -> Option<Vec<Self>> {
        match self.node() {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) if ids.len() <= FEW => self.items(),
            _ => None,
        }
    }

    /// The pairs of a dict, or of an object that was filled like one (`OrderedDict`, a yacs `CfgNode`).
    pub(super) fn entries(self) -> Option<Vec<(Self, Self)>> {
        let pairs = |pairs: &[(Id, Id)]| pairs.iter().map(|&(k, v)| (self.other(k), self.other(v))).collect();
        match self.node() {
            Node::Dict(entries) => Some(pairs(entries)),
            Node::Object { entries, .. } if !entries.is_empty() => Some(pairs(entries)),
            Node::Object { .. } => self.entries_from_args(),
            _ => None,
        }
    }

    /// How protocols 0 and 1 hand over the content of dict subclasses.
    fn entries_from_args(self) -> Option<Vec<(Self, Self)>> {
        let (class, args) = self.call()?;
        match (class, args.as_slice()) {
            // `_reconstructor(class, dict, {…})`
            ("copy_reg._reconstructor" | "copyreg._reconstructor", &[_, _, content]) => {
                match content.node() {
                    Node::Dict(_) => content.entries(),
                    _ => None,
                }
            }
            // `OrderedDict([[key, value], …])`
            ("collections.OrderedDict", &[pairs]) => pairs
                .items()?
                .into_iter()
                .map(|pair| match pair.items()?.as_slice() {
                    &[key, value] => Some((key, value)),
                    _ => None,
                })
                .collect(),
            // One that nothing was put in.
            (_, &[]) => Some(Vec::new()),
            _ => None,
        }
    }

    /// The value under a text key of a dict; the last one counts, as in Python.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        self.entries()?.into_iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// [`get`](Self::get) along a path of keys.
    pub(super) fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The full name of a class or function.
    pub(super) fn class_name(self) -> Option<&'a str> {
        match self.node() {
            Node::Class(name) => Some(name),
            _ => None,
        }
    }

    /// Of an object: the name of what would be called to make it, and the arguments if they are few.
    pub(super) fn call(self) -> Option<(&'a str, Vec<Self>)> {
        match self.node() {
            Node::Object { class, args, .. } => {
                Some((self.other(*class).class_name()?, self.other(*args).few_items().unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// The id of something outside the pickle.
    pub(super) fn persistent_id(self) -> Option<Self> {
        match self.node() {
            Node::Persistent(id) => Some(self.other(*id)),
            _ => None,
        }
    }

    /// What kind of value this is, for messages.
    pub(super) fn kind(self) -> String {
        match self.node() {
            Node::Object { .. } => match self.call() {
                Some((class, _)) => format!("an object of {class}"),
                None => "an object".into(),
            },
            Node::Str(text) if text.len() < 40 => format!("{text:?}"),
            Node::Int(x) => x.to_string(),
            Node::Float(x) => x.to_string(),
            node => format!("a {}", node.kind()),
        }
    }
}

impl Node {
    /// The kind's name in Python.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::HugeInt => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::Dict(_) => "dict",
            Self::Class(_) => "class",
            Self::Object { .. } => "object",
            Self::Persistent(_) => "persistent id",
        }
    }
}
