//! Where files are kept, and what is known of those that are there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use crate::{Checksum, DownloadError};

/// Kiln's cache: the folder that `KILN_CACHE` names, or else `kiln` in the platform's folder for caches (`~/.cache`,
/// `~/Library/Caches`, `%LOCALAPPDATA%`).
pub fn cache_folder() -> PathBuf {
    from_environment("KILN_CACHE").unwrap_or_else(|| platform_cache().join("kiln"))
}

/// Where `torch.hub` and torchvision keep weights: `hub/checkpoints` in `TORCH_HOME`, or else in `~/.cache/torch`.
pub fn torch_hub_folder() -> PathBuf {
    let home = from_environment("TORCH_HOME")
        .or_else(|| from_environment("XDG_CACHE_HOME").map(|cache| cache.join("torch")))
        .unwrap_or_else(|| home().join(".cache/torch"));
    home.join("hub/checkpoints")
}

/// Where Hugging Face's own libraries keep everything: `HF_HOME`, or else `huggingface` in `~/.cache`.
pub(crate) fn huggingface_folder() -> PathBuf {
    from_environment("HF_HOME")
        .or_else(|| from_environment("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
        .unwrap_or_else(|| home().join(".cache/huggingface"))
}

fn platform_cache() -> PathBuf {
    if cfg!(windows) {
        return from_environment("LOCALAPPDATA").unwrap_or_else(|| home().join("AppData/Local"));
    }
    if cfg!(target_os = "macos") {
        return home().join("Library/Caches");
    }
    from_environment("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache"))
}

fn home() -> PathBuf {
    env::home_dir().unwrap_or_else(env::temp_dir)
}

pub(crate) fn from_environment(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// What a file was when its checksum was right: kept beside it, so that half a gigabyte is not hashed at every start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verified {
    path: PathBuf,
    checksum: String,
    size: u64,
    /// Nanoseconds since 1970.
    modified: Option<u64>,
}

impl Verified {
    /// What `path` is now. A file that cannot be looked at equals none.
    pub(crate) fn of(path: &Path, checksum: &Checksum) -> Self {
        let metadata = fs::metadata(path).ok();
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            path: path.to_path_buf(),
            checksum: checksum.to_string(),
            size: metadata.map_or(0, |metadata| metadata.len()),
            modified: since.and_then(|since| u64::try_from(since.as_nanos()).ok()),
        }
    }

    fn read(cache: &Path, file_name: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(place(cache, file_name)).ok()?).ok()
    }

    /// A cache that cannot be written only means that the file is hashed again.
    pub(crate) fn write(&self, cache: &Path, file_name: &str) {
        if self.modified.is_some()
            && let Ok(text) = serde_json::to_vec(self)
        {
            let _ = fs::create_dir_all(cache).and_then(|()| fs::write(place(cache, file_name), text));
        }
    }
}

fn place(cache: &Path, file_name: &str) -> PathBuf {
    cache.join(format!("{file_name}.verified"))
}

/// Whether the file at `path` has the checksum: by what is known of it, or else by hashing it.
pub(crate) fn is_right(path: &Path, checksum: &Checksum, cache: &Path, file_name: &str) -> Result<bool, DownloadError> {
    let now = Verified::of(path, checksum);
    if Verified::read(cache, file_name).is_some_and(|known| known == now) {
        return Ok(true);
    }
    let digest = checksum.of_file(path).map_err(DownloadError::disk(path))?;
    let right = checksum.matches(&digest);
    if right {
        now.write(cache, file_name);
    }
    Ok(right)
}
