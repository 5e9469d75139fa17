//! A PyTorch tensor as a checkpoint describes it: a view of a storage by offset, shape and strides.

use half::{bf16, f16};

use super::pickle_value::Value;

type ReadElement = fn(&[u8]) -> Option<f32>;

/// What a storage holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    /// PyTorch's name of the type.
    pub(super) name: &'static str,
    pub(super) bytes: usize,
    /// Reads one little-endian element; `None` for types that are not floating point.
    read: Option<ReadElement>,
}

impl Element {
    /// By the storage's class, such as `torch.FloatStorage`.
    fn of(class: &str) -> Option<Self> {
        let element = |name, bytes, read| Some(Self { name, bytes, read });
        let (module, class) = class.rsplit_once('.')?;
        if !matches!(module, "torch" | "torch.cuda" | "torch.storage") {
            return None;
        }
        match class {
            "FloatStorage" => element("float32", 4, Some(|b| Some(f32::from_le_bytes(b.try_into().ok()?)))),
            "DoubleStorage" => {
                element("float64", 8, Some(|b| Some(f64::from_le_bytes(b.try_into().ok()?) as f32)))
            }
            "HalfStorage" => {
                element("float16", 2, Some(|b| Some(f16::from_le_bytes(b.try_into().ok()?).to_f32())))
            }
            "BFloat16Storage" => {
                element("bfloat16", 2, Some(|b| Some(bf16::from_le_bytes(b.try_into().ok()?).to_f32())))
            }
            "BoolStorage" => element("bool", 1, None),
            "ByteStorage" => element("uint8", 1, None),
            "CharStorage" => element("int8", 1, None),
            "ShortStorage" => element("int16", 2, None),
            "IntStorage" => element("int32", 4, None),
            "LongStorage" => element("int64", 8, None),
            "ComplexFloatStorage" => element("complex64", 8, None),
            "ComplexDoubleStorage" => element("complex128", 16, None),
            _ => None,
        }
    }

    pub(super) fn is_float(self) -> bool {
        self.read.is_some()
    }
}

/// Which storage, from the persistent id `("storage", class, key, device, elements)`.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) element: Element,
    /// How many elements it has.
    pub(super) len: usize,
}

impl Storage {
    pub(super) fn of(id: Value<'_>) -> Result<Self, String> {
        let parts = id.few_items().unwrap_or_default();
        let (class, key, len) = match parts.as_slice() {
            [kind, class, key, _, len] if kind.as_str() == Some("storage") => (class, key, len),
            // Old files may add that the storage is a part of another one.
            [kind, class, key, _, len, view] if kind.as_str() == Some("storage") && view.is_none() => {
                (class, key, len)
            }
            _ => return Err("a reference to something that is not a storage".into()),
        };
        let class = class.class_name().ok_or_else(|| format!("{} as a storage's class", class.kind()))?;
        let element = Element::of(class).ok_or_else(|| format!("storage of the unknown class {class}"))?;
        let key = key.as_str().ok_or_else(|| format!("{} as a storage's key", key.kind()))?.to_string();
        let len = len.as_usize().ok_or_else(|| format!("{} as a storage's length", len.kind()))?;
        if len.checked_mul(element.bytes).is_none() {
            return Err(format!("a storage of {len} elements"));
        }
        Ok(Self { key, element, len })
    }
}

/// Element (i, j, …) is number `offset + i·strides[0] + j·strides[1] + …` of the storage.
#[derive(Debug, Clone)]
pub(super) struct TensorView {
    pub(super) storage: Storage,
    pub(super) shape: Vec<usize>,
    offset: usize,
    strides: Vec<usize>,
}

impl TensorView {
    /// What a checkpoint has where a tensor belongs, or what it has instead.
    pub(super) fn of(value: Value<'_>) -> Result<Self, String> {
        let instead = || format!("{} instead of a tensor", value.kind());
        let (function, args) = value.call().ok_or_else(instead)?;
        match (function, args.as_slice()) {
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                [data, ..],
            ) => {
                let (function, args) = data.call().ok_or_else(instead)?;
                Self::rebuilt(function, &args).unwrap_or_else(|| Err(instead()))
            }
            (function, args) => Self::rebuilt(function, args).unwrap_or_else(|| Err(instead())),
        }
    }

    /// From the call that PyTorch would rebuild the tensor with; `None` if it is another call.
    fn rebuilt(function: &str, args: &[Value<'_>]) -> Option<Result<Self, String>> {
        match (function, args) {
            (
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
                [storage, offset, shape, strides, ..],
            ) => Some(Self::checked(*storage, *offset, *shape, *strides)),
            _ => None,
        }
    }

    fn checked(
        storage: Value<'_>,
        offset: Value<'_>,
        shape: Value<'_>,
        strides: Value<'_>,
    ) -> Result<Self, String> {
        let numbers = |value: Value<'_>| -> Option<Vec<usize>> {
            value.few_items()?.into_iter().map(Value::as_usize).collect()
        };
        let id =
            storage.persistent_id().ok_or_else(|| format!("{} as a tensor's storage", storage.kind()))?;
        let storage = Storage::of(id)?;
        let offset = offset.as_usize().ok_or_else(|| format!("{} as a tensor's offset", offset.kind()))?;
        let shape = numbers(shape).ok_or("a shape that is not a tuple of sizes")?;
        let strides = numbers(strides).ok_or("strides that are not a tuple of sizes")?;
        if shape.len() != strides.len() {
            return Err(format!("{} sizes with {} strides", shape.len(), strides.len()));
        }
        let view = Self { storage, shape, offset, strides };
        match view.end() {
            Some(end) if end <= view.storage.len => Ok(view),
            _ => Err(format!(
                "shape {:?} with strides {:?} from {offset}, outside a storage of {}",
                view.shape, view.strides, view.storage.len
            )),
        }
    }

    /// One past the last element, if the view is not larger than a storage could be. A view with more elements than its
    /// storage (strides of 0) is refused with it: weights are not stored so, and it could ask for any memory.
    fn end(&self) -> Option<usize> {
        // Also of an empty tensor: others multiply the sizes without looking.
        let count = self.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size.max(1)))?;
        if self.shape.contains(&0) {
            return Some(self.offset);
        }
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, |at, (&size, &stride)| {
            at.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
        })?;
        (count <= self.storage.len).then_some(last.checked_add(1)?)
    }

    /// The elements in row-major order from the storage's little-endian bytes; `None` if they are not floating point
    /// or the bytes are too few.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        let read = self.storage.element.read?;
        let width = self.storage.element.bytes;
        if self.shape.contains(&0) {
            return Some(Vec::new());
        }
        if bytes.len() / width < self.end()? {
            return None;
        }
        let mut values = Vec::with_capacity(self.shape.iter().product());
        let mut index = vec![0usize; self.shape.len()];
        let mut at = self.offset;
        loop {
            values.push(read(bytes.get(at * width..(at + 1) * width)?)?);
            // The next index in row-major order, as an odometer turns.
            let mut turned = false;
            for ((i, &size), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                if *i + 1 < size {
                    *i += 1;
                    at += stride;
                    turned = true;
                    break;
                }
                at -= *i * stride;
                *i = 0;
            }
            if !turned {
                return Some(values);
            }
        }
    }
}
