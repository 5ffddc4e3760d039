//! Event files for TensorBoard: scalars, text, pictures and hyperparameters.
//!
//! The two crates that exist do not fit: `tboard` needs `protoc` on the machine that builds it and knows no text, and
//! `tensorboard-rs` panics on every write error and drags in `protobuf` 2, which has an open advisory. The format itself is
//! small: protobuf messages (by `prost`) in TFRecord frames (checksums by `crc32c`). A test holds the bytes to those that
//! TensorBoard's own writer makes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

/// How many files one process may open in a folder within one second before giving up on finding a free name.
const MAX_FILES_PER_SECOND: u32 = 10_000;

/// A hyperparameter's value, as TensorBoard's hparams page distinguishes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Hyperparameter {
    /// A number: shown on a numeric axis.
    Number(f64),
    /// A word: shown as a category.
    Text(String),
    /// A switch.
    Bool(bool),
}

/// Writes one TensorBoard event file.
///
/// Every process writes a file of its own, and TensorBoard reads all files of a folder in the order of their names, so that a
/// resumed run goes on where the first one stopped. Writes are buffered: call [`flush`](Self::flush) where the events should
/// become visible.
///
/// ```
/// use report::tensorboard::EventWriter;
/// use std::time::SystemTime;
///
/// # fn main() -> std::io::Result<()> {
/// let folder = tempfile::tempdir()?;
/// let mut events = EventWriter::create(folder.path())?;
/// events.scalar("loss/train", 100, 1.25, SystemTime::now())?;
/// events.text("samples", 100, "To be, or not to be")?;
/// events.flush()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventWriter<W: Write = BufWriter<File>> {
    sink: W,
    path: PathBuf,
    frame: Vec<u8>,
}

impl EventWriter {
    /// Starts a new event file in `dir`, which is created where it is missing. Files that are there already stay as they are.
    pub fn create(dir: impl AsRef<Path>) -> io::Result<Self> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir)?;
        let now = SystemTime::now();
        let (file, path) = create_unused_file(dir, now)?;
        let mut writer = Self::to_sink(BufWriter::new(file), now)?;
        writer.path = path;
        writer.flush()?;
        Ok(writer)
    }

    /// Starts a new event file for a run that goes on. `first_step` is the first step that will be written: TensorBoard drops the
    /// points of earlier files at that step and later, which an interrupted process had written past its last checkpoint. After a
    /// checkpoint of step 500 it is 501, and the points of step 500 stay.
    pub fn resume(dir: impl AsRef<Path>, first_step: u64) -> io::Result<Self> {
        let mut writer = Self::create(dir)?;
        writer.session_start(first_step, SystemTime::now())?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file being written.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<W: Write> EventWriter<W> {
    fn to_sink(sink: W, time: SystemTime) -> io::Result<Self> {
        let mut writer = Self { sink, path: PathBuf::new(), frame: Vec::new() };
        writer.event(0, time, proto::What::FileVersion("brain.Event:2".into()))?;
        Ok(writer)
    }

    fn session_start(&mut self, step: u64, time: SystemTime) -> io::Result<()> {
        let log = proto::SessionLog { status: proto::SESSION_START };
        self.event(step, time, proto::What::SessionLog(log))
    }

    /// Adds one point to the curve `tag`. Tags such as `loss/train` and `loss/validation` share a group on the page.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64, wall_time: SystemTime) -> io::Result<()> {
        // The format's own width: `simple_value` is a 32-bit float.
        self.value(tag, step, wall_time, None, proto::Value::Simple(value as f32))
    }

    /// Adds text that is shown exactly as given, line for line: a sample, a configuration.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> io::Result<()> {
        self.markdown(tag, step, &as_code_block(text))
    }

    /// Adds text that TensorBoard renders as Markdown.
    pub fn markdown(&mut self, tag: &str, step: u64, markdown: &str) -> io::Result<()> {
        self.markdown_at(tag, step, markdown, SystemTime::now())
    }

    fn markdown_at(&mut self, tag: &str, step: u64, markdown: &str, time: SystemTime) -> io::Result<()> {
        let tensor = proto::Tensor {
            dtype: proto::DT_STRING,
            shape: Some(proto::Shape { dims: vec![proto::Dim { size: 1 }] }),
            string_values: vec![markdown.as_bytes().to_vec()],
        };
        self.value(tag, step, time, Some(proto::Metadata::of_plugin("text", Vec::new())), proto::Value::Tensor(tensor))
    }

    /// Adds a picture, given as the bytes of a PNG file and its size in pixels.
    pub fn image_png(&mut self, tag: &str, step: u64, png: &[u8], width: u32, height: u32) -> io::Result<()> {
        self.image_png_at(tag, step, png, width, height, SystemTime::now())
    }

    fn image_png_at(
        &mut self,
        tag: &str,
        step: u64,
        png: &[u8],
        width: u32,
        height: u32,
        time: SystemTime,
    ) -> io::Result<()> {
        let image = proto::Image {
            height: i32::try_from(height).unwrap_or(i32::MAX),
            width: i32::try_from(width).unwrap_or(i32::MAX),
            channels: png_channels(png),
            encoded: png.to_vec(),
        };
        self.value(tag, step, time, None, proto::Value::Image(image))
    }

    /// Records what the run was given, for TensorBoard's hparams page. `group` names the run there; the metrics beside it are the
    /// run's scalars.
    pub fn hparams(&mut self, group: &str, values: &[(String, Hyperparameter)]) -> io::Result<()> {
        self.hparams_at(group, values, SystemTime::now())
    }

    fn hparams_at(&mut self, group: &str, values: &[(String, Hyperparameter)], time: SystemTime) -> io::Result<()> {
        let hparams = values.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        let start =
            proto::SessionStartInfo { hparams, group_name: group.into(), start_time: since_epoch(time).as_secs_f64() };
        let content = proto::HparamsPlugin { session_start: Some(start) }.encode_to_vec();
        let metadata = proto::Metadata::of_plugin("hparams", content);
        // The plugin reads the metadata alone, yet only a summary that holds a value reaches it.
        let nothing = proto::Tensor {
            dtype: proto::DT_FLOAT,
            shape: Some(proto::Shape { dims: Vec::new() }),
            string_values: Vec::new(),
        };
        self.value("_hparams_/session_start_info", 0, time, Some(metadata), proto::Value::Tensor(nothing))
    }

    /// Makes everything written so far visible to TensorBoard.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn value(
        &mut self,
        tag: &str,
        step: u64,
        time: SystemTime,
        metadata: Option<proto::Metadata>,
        value: proto::Value,
    ) -> io::Result<()> {
        let value = proto::SummaryValue { tag: tag.into(), metadata, value: Some(value) };
        self.event(step, time, proto::What::Summary(proto::Summary { values: vec![value] }))
    }

    fn event(&mut self, step: u64, time: SystemTime, what: proto::What) -> io::Result<()> {
        let event = proto::Event {
            wall_time: since_epoch(time).as_secs_f64(),
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        self.record(&event.encode_to_vec())
    }

    /// One TFRecord frame: length, its checksum, the data, its checksum. It goes out in a single write, so that a failing disk
    /// leaves as little of half a frame behind as it can.
    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        self.frame.clear();
        self.frame.extend_from_slice(&length);
        self.frame.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
        self.frame.extend_from_slice(data);
        self.frame.extend_from_slice(&masked_crc32c(data).to_le_bytes());
        self.sink.write_all(&self.frame)
    }
}

/// TFRecord stores no plain checksum, because a checksum over data that holds checksums is weak: it is rotated and offset.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn create_unused_file(dir: &Path, now: SystemTime) -> io::Result<(File, PathBuf)> {
    let (seconds, host, process) = (since_epoch(now).as_secs(), host_name(), std::process::id());
    for serial in 0..MAX_FILES_PER_SECOND {
        let path = dir.join(format!("events.out.tfevents.{seconds:010}.{host}.{process}.{serial}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!("{} already holds {MAX_FILES_PER_SECOND} event files of this second", dir.display());
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
}

/// The machine's name, as far as it can be had without a system call of our own: it only keeps file names of several machines
/// apart.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .or_else(|_| std::env::var("HOSTNAME"))
        .or_else(|_| std::env::var("COMPUTERNAME"))
        .unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(64).collect();
    if name.is_empty() { "localhost".into() } else { name }
}

/// Markdown's indented code block: unlike a fence, nothing inside can end it.
fn as_code_block(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The number of channels that a PNG's header states; three where the header is not one.
fn png_channels(png: &[u8]) -> i32 {
    const COLOUR_TYPE: usize = 25;
    match png.get(COLOUR_TYPE) {
        Some(0) => 1,
        Some(4) => 2,
        Some(6) => 4,
        _ => 3,
    }
}

impl From<&Hyperparameter> for proto::Any {
    fn from(value: &Hyperparameter) -> Self {
        let kind = match value {
            Hyperparameter::Number(number) => proto::Kind::Number(*number),
            Hyperparameter::Text(text) => proto::Kind::Text(text.clone()),
            Hyperparameter::Bool(flag) => proto::Kind::Bool(*flag),
        };
        Self { kind: Some(kind) }
    }
}

/// The messages that are written, with the numbers of `tensorflow/core/util/event.proto`, `tensorboard/compat/proto` and
/// `tensorboard/plugins/hparams/plugin_data.proto`. Fields never written are left out.
mod proto {
    use std::collections::BTreeMap;

    /// `SessionLog.SessionStatus.START`.
    pub const SESSION_START: i32 = 1;
    /// `DataType.DT_FLOAT`.
    pub const DT_FLOAT: i32 = 1;
    /// `DataType.DT_STRING`.
    pub const DT_STRING: i32 = 7;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Event {
        #[prost(double, tag = "1")]
        pub wall_time: f64,
        #[prost(int64, tag = "2")]
        pub step: i64,
        #[prost(oneof = "What", tags = "3, 5, 7")]
        pub what: Option<What>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum What {
        #[prost(string, tag = "3")]
        FileVersion(String),
        #[prost(message, tag = "5")]
        Summary(Summary),
        #[prost(message, tag = "7")]
        SessionLog(SessionLog),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct SessionLog {
        #[prost(int32, tag = "1")]
        pub status: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Summary {
        #[prost(message, repeated, tag = "1")]
        pub values: Vec<SummaryValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct SummaryValue {
        #[prost(string, tag = "1")]
        pub tag: String,
        #[prost(message, optional, tag = "9")]
        pub metadata: Option<Metadata>,
        #[prost(oneof = "Value", tags = "2, 4, 8")]
        pub value: Option<Value>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(float, tag = "2")]
        Simple(f32),
        #[prost(message, tag = "4")]
        Image(Image),
        #[prost(message, tag = "8")]
        Tensor(Tensor),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Metadata {
        #[prost(message, optional, tag = "1")]
        pub plugin: Option<Plugin>,
    }

    impl Metadata {
        pub fn of_plugin(name: &str, content: Vec<u8>) -> Self {
            Self { plugin: Some(Plugin { name: name.into(), content }) }
        }
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Plugin {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(bytes = "vec", tag = "2")]
        pub content: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Image {
        #[prost(int32, tag = "1")]
        pub height: i32,
        #[prost(int32, tag = "2")]
        pub width: i32,
        #[prost(int32, tag = "3")]
        pub channels: i32,
        #[prost(bytes = "vec", tag = "4")]
        pub encoded: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        #[prost(int32, tag = "1")]
        pub dtype: i32,
        #[prost(message, optional, tag = "2")]
        pub shape: Option<Shape>,
        #[prost(bytes = "vec", repeated, tag = "8")]
        pub string_values: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Shape {
        #[prost(message, repeated, tag = "2")]
        pub dims: Vec<Dim>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Dim {
        #[prost(int64, tag = "1")]
        pub size: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct HparamsPlugin {
        #[prost(message, optional, tag = "3")]
        pub session_start: Option<SessionStartInfo>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct SessionStartInfo {
        #[prost(btree_map = "string, message", tag = "1")]
        pub hparams: BTreeMap<String, Any>,
        #[prost(string, tag = "4")]
        pub group_name: String,
        #[prost(double, tag = "5")]
        pub start_time: f64,
    }

    /// `google.protobuf.Value`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Any {
        #[prost(oneof = "Kind", tags = "2, 3, 4")]
        pub kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        #[prost(double, tag = "2")]
        Number(f64),
        #[prost(string, tag = "3")]
        Text(String),
        #[prost(bool, tag = "4")]
        Bool(bool),
    }
}

#[cfg(test)]
mod tests;
