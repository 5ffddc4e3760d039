use std::path::PathBuf;

/// What can be wrong with a user's data or with what the configuration says about it.
///
/// The message of each variant is for the person who supplied the data: it names the file and place, what was expected
/// and what to do. Paths are absolute wherever the file system was consulted.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder does not exist. `hint` is empty, or a sentence about what was found instead.
    #[error("{}: no such file or folder{hint}. Paths are relative to the folder in which the command runs", path.display())]
    Missing {
        /// The absolute path that was looked at.
        path: PathBuf,
        /// Names like it in the same folder, or the nearest folder that does exist.
        hint: String,
    },

    /// A path begins with `$KILN_DATA/`, the variable is not set and the fallback does not exist.
    #[error(
        "{path}: the environment variable KILN_DATA is not set and {} does not exist. Set it to the folder that holds the data, \
         as in `export KILN_DATA=/path/to/data`, or write the path without it", fallback.display()
    )]
    VariableNotSet {
        /// The path as the user wrote it.
        path: String,
        /// The fallback that was looked for.
        fallback: PathBuf,
    },

    /// The operating system refused to read or write.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `"read"` or `"write"`.
        action: &'static str,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// A `.gz` file does not decompress.
    #[error(
        "{}: not a complete gzip file ({source}). Fetch or copy it again; if it is not compressed, remove `.gz` from its name",
        path.display()
    )]
    Gzip {
        /// The file.
        path: PathBuf,
        /// The decompressor's reason.
        source: std::io::Error,
    },

    /// A text file is not valid UTF-8. `hint` is a clause on what the bytes look like.
    #[error(
        "{}: not UTF-8: invalid byte 0x{byte:02X} at offset {offset} (line {line}){hint}. Set `encoding = \"windows-1252\"` or \
         `encoding = \"latin-1\"` if the file is in an old Western encoding, or convert it to UTF-8", path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Offset in bytes of the first invalid byte, from 0, after decompression.
        offset: usize,
        /// That byte's line, from 1.
        line: usize,
        /// The byte.
        byte: u8,
        /// Empty, or what the file looks like, after a semicolon.
        hint: &'static str,
    },

    /// A text file or every file of a folder is empty.
    #[error("{}: empty; text was expected", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },

    /// A folder holds no text file.
    #[error("{}: no .txt or .txt.gz file in this folder or below it", path.display())]
    NoTextFiles {
        /// The folder.
        path: PathBuf,
    },

    /// `embedded:NAME` names no embedded source.
    #[error("no embedded source `{name}`; there are: {}. For a file, write its path without `embedded:`", known.join(", "))]
    UnknownEmbedded {
        /// The name after `embedded:`.
        name: String,
        /// The names there are.
        known: &'static [&'static str],
    },

    /// A configuration value is impossible.
    #[error("`{key}` {message}")]
    Config {
        /// The key, relative to the data section.
        key: &'static str,
        /// What is wrong and what is allowed: the rest of a sentence that begins with the key.
        message: String,
    },

    /// Fewer tokens than one batch of windows needs.
    #[error(
        "the {part} part has {have} tokens, and one batch of {batch_size} windows of {seq_len} needs {need}. Lower `batch_size` or \
         `seq_len`, change `validation_fraction`, or give more text"
    )]
    TooFewTokens {
        /// `"training"` or `"validation"`.
        part: &'static str,
        /// Tokens there are.
        have: usize,
        /// Tokens that one batch needs.
        need: usize,
        /// Windows in a batch.
        batch_size: usize,
        /// Tokens in a window.
        seq_len: usize,
    },

    /// A character is outside a character tokenizer's vocabulary, and it was asked to refuse such.
    #[error(
        "the character {character:?} (U+{:04X}), number {position} of the {part}, is not among the {vocab_size} characters that the \
         tokenizer was trained on. Remove it, or train with `tokenizer = {{ kind = \"char\", unknown = \"token\" }}`, which maps \
         unseen characters to one extra token", u32::from(*character)
    )]
    UnknownCharacter {
        /// The character.
        character: char,
        /// Its place in the text, in characters, from 1.
        position: usize,
        /// What was encoded: `"text"`, or a part of the corpus.
        part: &'static str,
        /// Size of the vocabulary.
        vocab_size: usize,
    },

    /// Something is wrong at one line of a file of labelled texts or of a table.
    #[error("{}, line {line}: {message}", path.display())]
    BadLine {
        /// The file, or the name of an embedded source.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// The classes of labelled texts cannot be told.
    #[error("{}: {message}", path.display())]
    BadClasses {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// Something is wrong at one cell of a table.
    #[error("{}, line {line}, column `{column}`: {message}", path.display())]
    BadCell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column's name.
        column: String,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// An archive does not unpack.
    #[error(
        "{}: not a complete archive ({source}); a tar archive, as its name says, is expected. Fetch or copy it again",
        path.display()
    )]
    BadArchive {
        /// The archive.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },

    /// A picture, or a source of pictures, is not what was expected.
    #[error("{}: {message}", path.display())]
    BadImage {
        /// The file, its place in an archive, the folder, or the name of an embedded source.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// What a run keeps of its pictures is damaged or of another run.
    #[error(
        "the classes and sizes of the pictures cannot be used ({reason}). Expected is the images.json that the run keeps"
    )]
    BadImageArtefact {
        /// What is wrong.
        reason: String,
    },

    /// A data set cannot be downloaded.
    #[error(transparent)]
    Download(#[from] download::DownloadError),

    /// A tokenizer of Hugging Face cannot be had.
    #[error(transparent)]
    Hub(Box<download::hub::HubError>),

    /// A recording, or a source of recordings, is not what was expected.
    #[error("{}: {message}", path.display())]
    BadAudio {
        /// The file, its place in an archive, the folder, or the name of an embedded source.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// What a run keeps of its speech data is damaged or of another run.
    #[error(
        "the classes and statistics of the features cannot be used ({reason}). Expected is the speech.json that the run keeps"
    )]
    BadSpeechArtefact {
        /// What is wrong.
        reason: String,
    },

    /// A table as a whole is not what was expected.
    #[error("{}: {message}", path.display())]
    BadTable {
        /// The file, or the name of an embedded source.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// A source of episodes as a whole is not what was expected.
    #[error("{}: {message}", path.display())]
    BadTrajectories {
        /// The file, or the name of the environment in which they were collected.
        path: PathBuf,
        /// What is wrong, what was expected and what to do.
        message: String,
    },

    /// What a run keeps of its episodes is damaged or of another run.
    #[error(
        "the scales of observations and returns cannot be used ({reason}). Expected is the trajectories.json that the run keeps"
    )]
    BadTrajectoryArtefact {
        /// What is wrong.
        reason: String,
    },

    /// Fewer rows than one window needs.
    #[error(
        "{}: the {part} has {have} row{}, and needs {need} {reason}",
        path.display(), if *have == 1 { "" } else { "s" }
    )]
    TooFewRows {
        /// The file, or the name of an embedded source.
        path: PathBuf,
        /// `"training part"`, `"validation part"`, `"test part"` or `"table"`.
        part: &'static str,
        /// Rows there are.
        have: usize,
        /// Rows that one window needs.
        need: usize,
        /// What needs them and what to do: the rest of the sentence.
        reason: &'static str,
    },

    /// A scaler is damaged or of another format.
    #[error("the scaler of the columns cannot be read ({reason}). Expected is the scaler.json that a run keeps")]
    BadScaler {
        /// The parser's reason.
        reason: String,
    },

    /// A tokenizer file is damaged or of another format.
    #[error(
        "{}: not a tokenizer that can be read ({reason}). Expected is the tokenizer.json of a run or of Hugging Face, GPT-2's \
         vocab.json with its merges.txt, or BERT's vocab.txt (`kind = \"word_piece\"`)", path.display()
    )]
    BadTokenizer {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },

    /// The tokenizer library refused to work.
    #[error("the tokenizer cannot {action}: {reason}")]
    Tokenizer {
        /// What it cannot do: `"train"`, `"encode"`, `"be written"` or `"take another token"`.
        action: &'static str,
        /// The library's reason.
        reason: String,
    },
}

impl From<environments::EnvironmentError> for DataError {
    fn from(error: environments::EnvironmentError) -> Self {
        let environments::EnvironmentError::Config { key, message } = error;
        Self::Config { key, message }
    }
}

impl From<download::hub::HubError> for DataError {
    fn from(error: download::hub::HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

impl DataError {
    /// The first of the impossible values that a configuration's `validate` found, as an error.
    pub(crate) fn first_of(found: Vec<(&'static str, String)>) -> Result<(), Self> {
        match found.into_iter().next() {
            Some((key, message)) => Err(Self::Config { key, message }),
            None => Ok(()),
        }
    }

    /// What to say of a class that a finished model does not know.
    pub(crate) fn unknown_class(class: &str, known: &[String]) -> String {
        let known = known.iter().map(|class| format!("`{class}`")).collect::<Vec<_>>().join(", ");
        format!("the class `{class}` is not one that the model was trained on; these are {known}")
    }

    /// What to say of a tag that a finished model does not know.
    pub(crate) fn unknown_tag(tag: &str, known: &[String]) -> String {
        let known = known.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", ");
        format!(
            "in this sentence is the tag `{tag}`, which is not one that the model was trained on; these are {known}"
        )
    }

    /// For `map_err`: reading `path` failed.
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action: "read", source }
    }

    /// For `map_err`: writing `path` failed.
    pub(crate) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action: "write", source }
    }
}
