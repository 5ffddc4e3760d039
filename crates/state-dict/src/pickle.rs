//! The part of Python's [pickle](https://docs.python.org/3/library/pickletools.html) format that files of PyTorch use: it builds
//! containers and finds tensors, and runs nothing. Objects of any other class are skipped over.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use burn::tensor::{BoolStore, DType};

/// What a pickle holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<Vec<Value>>),
    List(Rc<RefCell<Vec<Value>>>),
    Dict(Rc<RefCell<Vec<(Value, Value)>>>),
    /// A class or function: module and name.
    Global(Rc<str>),
    Storage(Rc<Storage>),
    Tensor(Rc<StoredTensor>),
    /// Anything else.
    Other,
}

/// Numbers that lie elsewhere in the file.
#[derive(Debug)]
pub(super) struct Storage {
    pub key: String,
    pub dtype: DType,
}

/// A view of a storage; offset and strides count elements.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    pub storage: Rc<Storage>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Reads one pickle from the start of `bytes`; the second result is how many of them it takes.
///
/// # Errors
/// When the bytes end too early or are no pickle.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while !machine.step()? {}
    Ok((machine.pop()?, machine.at))
}

/// pickle's own: a stack, and what it remembers by number.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
}

impl Machine<'_> {
    /// Carries out one instruction; true at the last.
    fn step(&mut self) -> Result<bool, String> {
        match self.take(1)?[0] {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?), // protocol
            0x95 => drop(self.take(8)?), // frame
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.push(self.top()?.clone()),
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => drop(self.memo.insert(self.memo.len(), self.top()?.clone())),
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'}' => self.push(Value::Dict(Rc::default())),
            b']' => self.push(Value::List(Rc::default())),
            b')' => self.push(tuple(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(tuple(items));
            }
            count @ 0x85..=0x87 => {
                let mut items = vec![Value::Other; usize::from(count - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = self.pop()?;
                }
                self.push(tuple(items));
            }
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let value = self.unsigned(4)? as u32 as i32;
                self.push(Value::Int(value.into()));
            }
            0x8a => self.long()?,
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            b'C' => self.skip_bytes(1)?,
            b'B' => self.skip_bytes(4)?,
            0x8e => self.skip_bytes(8)?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            b'N' | 0x88 | 0x89 | 0x8f => self.push(Value::Other), // None, True, False, an empty set
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push(Value::Global(format!("{module} {name}").into()));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.push(match (module, name) {
                    (Value::Text(module), Value::Text(name)) => Value::Global(format!("{module} {name}").into()),
                    _ => Value::Other,
                });
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(storage(&id)?);
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.push(call(&callable, &arguments)?);
            }
            0x81 => {
                self.pop()?;
                self.pop()?;
                self.push(Value::Other);
            }
            b'b' => drop(self.pop()?), // the state of an object
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            0x90 => drop(self.pop_to_mark()?), // items of a set
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(items)?;
            }
            other => return Err(format!("an instruction {other:#04x} at byte {}", self.at - 1)),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let taken = end.map(|end| &self.bytes[self.at..end]).ok_or("it ends too early")?;
        self.at += count;
        Ok(taken)
    }

    fn line(&mut self) -> Result<String, String> {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    /// A number without sign, lowest byte first.
    fn unsigned(&mut self, bytes: usize) -> Result<usize, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn int(&mut self, bytes: usize) -> Result<(), String> {
        let value = self.unsigned(bytes)?;
        self.push(Value::Int(value as i64));
        Ok(())
    }

    /// A number of any length; one beyond 64 bits is of no use here.
    fn long(&mut self) -> Result<(), String> {
        let length = self.unsigned(1)?;
        let bytes = self.take(length)?;
        let sign = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
        let mut full = [sign; 8];
        let value = if length <= 8 {
            full[..length].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(full))
        } else {
            Value::Other
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, bytes_of_length: usize) -> Result<(), String> {
        let length = self.unsigned(bytes_of_length)?;
        let text = String::from_utf8_lossy(self.take(length)?).into();
        self.push(Value::Text(text));
        Ok(())
    }

    fn skip_bytes(&mut self, bytes_of_length: usize) -> Result<(), String> {
        let length = self.unsigned(bytes_of_length)?;
        self.take(length)?;
        self.push(Value::Other);
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "nothing is where a value should be".to_string())
    }

    fn top(&self) -> Result<&Value, String> {
        self.stack.last().ok_or_else(|| "nothing is where a value should be".to_string())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("an end without a beginning")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.unsigned(bytes)?;
        let value = self.top()?.clone();
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.unsigned(bytes)?;
        let value = self.memo.get(&number).cloned().ok_or("a reference to nothing")?;
        self.push(value);
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), String> {
        if let Value::List(list) = self.top()? {
            list.borrow_mut().extend(items);
        }
        Ok(())
    }

    /// Keys and values, in turns.
    fn set(&mut self, items: Vec<Value>) -> Result<(), String> {
        if let Value::Dict(dict) = self.top()? {
            let mut items = items.into_iter();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                dict.borrow_mut().push((key, value));
            }
        }
        Ok(())
    }
}

fn tuple(items: Vec<Value>) -> Value {
    Value::Tuple(Rc::new(items))
}

/// `("storage", class, key, device, elements)`, and in old files whether it is a part of another one.
fn storage(id: &Value) -> Result<Value, String> {
    let Value::Tuple(parts) = id else { return Ok(Value::Other) };
    match &parts[..] {
        [Value::Text(_), Value::Global(class), Value::Text(key), _, _, rest @ ..] => {
            if rest.iter().any(|rest| matches!(rest, Value::Tuple(_))) {
                return Err("a storage that is part of another one".to_string());
            }
            Ok(match dtype(class) {
                Some(dtype) => Value::Storage(Rc::new(Storage { key: key.to_string(), dtype })),
                None => Value::Other,
            })
        }
        _ => Ok(Value::Other),
    }
}

fn dtype(class: &str) -> Option<DType> {
    Some(match class.strip_prefix("torch ")? {
        "DoubleStorage" => DType::F64,
        "FloatStorage" => DType::F32,
        "HalfStorage" => DType::F16,
        "BFloat16Storage" => DType::BF16,
        "LongStorage" => DType::I64,
        "IntStorage" => DType::I32,
        "ShortStorage" => DType::I16,
        "CharStorage" => DType::I8,
        "ByteStorage" => DType::U8,
        "BoolStorage" => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}

/// What a function of PyTorch would return; [`Value::Other`] for every other.
fn call(callable: &Value, arguments: &Value) -> Result<Value, String> {
    let (Value::Global(name), Value::Tuple(arguments)) = (callable, arguments) else { return Ok(Value::Other) };
    match (&**name, &arguments[..]) {
        ("collections OrderedDict", []) => Ok(Value::Dict(Rc::default())),
        ("torch._utils _rebuild_tensor" | "torch._utils _rebuild_tensor_v2", [Value::Storage(storage), rest @ ..]) => {
            let [Value::Int(offset), shape, strides, ..] = rest else { return Err("a tensor without a shape".into()) };
            let offset = usize::try_from(*offset).map_err(|_| "a tensor that begins before its storage")?;
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            if shape.len() != strides.len() {
                return Err("a tensor whose shape and strides differ in length".into());
            }
            Ok(Value::Tensor(Rc::new(StoredTensor { storage: storage.clone(), offset, shape, strides })))
        }
        ("torch._utils _rebuild_parameter", [tensor, ..]) => Ok(tensor.clone()),
        ("torch._tensor _rebuild_from_type_v2", [function, _, arguments, ..]) => call(function, arguments),
        _ => Ok(Value::Other),
    }
}

fn sizes(value: &Value) -> Result<Vec<usize>, String> {
    let size = |value: &Value| match value {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    let found = match value {
        Value::Tuple(items) => items.iter().map(size).collect(),
        _ => None,
    };
    found.ok_or_else(|| "a tensor without a shape".to_string())
}
