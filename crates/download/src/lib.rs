//! Files from public addresses, kept in a cache: pretrained weights, data sets.
//!
//! ```no_run
//! use download::{Checksum, Source, cache_folder, fetch};
//!
//! let weights = Source {
//!     url: "https://download.pytorch.org/models/resnet18-f37072fd.pth".into(),
//!     file_name: "resnet18-f37072fd.pth".into(),
//!     checksum: Checksum::Sha256("f37072fd".into()),
//!     size: None,
//! };
//! let path = fetch(&weights, &cache_folder(), &mut |progress| eprintln!("{} bytes", progress.done))?;
//! # Ok::<(), download::DownloadError>(())
//! ```
//!
//! A file is under its own name only when it is whole and its checksum right: until then it is `<name>.part`, with which a
//! later call goes on. Proxies are taken from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).

mod cache;
mod checksum;
mod error;
pub mod hub;
mod transfer;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    cache::Verified,
    transfer::{Head, Token, Transfer},
};
pub use crate::{
    cache::{cache_folder, torch_hub_folder},
    checksum::Checksum,
    error::DownloadError,
    hub::{Hub, HubError, HubModel},
};

/// A file and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its address, `http` or `https`.
    pub url: String,
    /// Its name in the cache, without folders.
    pub file_name: String,
    /// What its publisher says it hashes to.
    pub checksum: Checksum,
    /// Its size in bytes, where that is known: for the progress of servers that do not tell.
    pub size: Option<u64>,
}

/// How much of a download is done, in bytes; what an earlier call had fetched is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk.
    pub done: u64,
    /// Bytes of the whole file, where that is known.
    pub total: Option<u64>,
}

/// Fetches `source` into the folder `cache`, unless it is there already, and returns where it is.
///
/// The same as [`Downloads::from_environment`] and [`Downloads::fetch`].
///
/// # Errors
/// Those of [`Downloads::fetch`].
pub fn fetch(source: &Source, cache: &Path, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, DownloadError> {
    Downloads::from_environment().fetch(source, cache, progress)
}

/// Fetches published weights into Kiln's cache, unless they are there already or in that of `torch.hub`, and returns where they are. The file
/// is called what `url` ends in; `sha256` is the beginning of its hash, in hex.
///
/// # Errors
/// Those of [`Downloads::fetch`].
pub fn fetch_weights(url: &str, sha256: &str, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, DownloadError> {
    let file_name = url.rsplit('/').next().unwrap_or(url).to_string();
    let source = Source { url: url.into(), file_name, checksum: Checksum::Sha256(sha256.into()), size: None };
    let downloads = Downloads::from_environment().also_in(torch_hub_folder());
    downloads.fetch(&source, &cache_folder().join("weights"), progress)
}

/// How files are fetched.
#[derive(Debug, Clone)]
pub struct Downloads {
    mirror: Option<String>,
    also_in: Vec<PathBuf>,
    pauses: Vec<Duration>,
    token: Option<Token>,
}

impl Default for Downloads {
    fn default() -> Self {
        let pauses = [500, 1000, 2000].map(Duration::from_millis).to_vec();
        Self { mirror: None, also_in: Vec::new(), pauses, token: None }
    }
}

impl Downloads {
    /// As the environment says: `KILN_MIRROR`, for example `http://127.0.0.1:8000`, replaces the scheme and host of every address.
    pub fn from_environment() -> Self {
        let mirror = std::env::var("KILN_MIRROR").ok().filter(|mirror| !mirror.is_empty());
        Self { mirror, ..Self::default() }
    }

    /// The same from another server: `mirror` replaces scheme and host of every address.
    pub fn with_mirror(mut self, mirror: impl Into<String>) -> Self {
        self.mirror = Some(mirror.into());
        self
    }

    /// The same, but a file that is in `folder` already, under its name and with its checksum, is used from there.
    pub fn also_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.also_in.push(folder.into());
        self
    }

    /// The same with other pauses before a transfer that broke off goes on; it is given up after as many that gained nothing.
    pub fn with_pauses(mut self, pauses: impl Into<Vec<Duration>>) -> Self {
        self.pauses = pauses.into();
        self
    }

    /// Fetches `source` into the folder `cache`, unless it is there already, and returns where it is.
    ///
    /// A checksum is computed once: size and time of a file that was right are kept in `<name>.verified`. Processes and threads
    /// that want the same file wait for the one that fetches it.
    ///
    /// # Errors
    /// No network, a server that does not have the file, another checksum than the publisher's, a cache that cannot be written.
    pub fn fetch(
        &self,
        source: &Source,
        cache: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, DownloadError> {
        if let Some(path) = self.present(source, cache)? {
            return Ok(path);
        }
        fs::create_dir_all(cache).map_err(DownloadError::disk(cache))?;
        let _lock = lock(cache, &source.file_name);
        // Another process may have fetched it while this one waited.
        if let Some(path) = self.present(source, cache)? {
            return Ok(path);
        }
        let target = cache.join(&source.file_name);
        let part = cache.join(format!("{}.part", source.file_name));
        self.fetch_part(source, &part, &target, progress).map_err(|error| error.beside(&target))?;
        fs::rename(&part, &target).map_err(DownloadError::disk(&target))?;
        Verified::of(&target, &source.checksum).write(cache, &source.file_name);
        Ok(target)
    }

    /// Where the file is already, with the right checksum.
    fn present(&self, source: &Source, cache: &Path) -> Result<Option<PathBuf>, DownloadError> {
        for folder in std::iter::once(cache).chain(self.also_in.iter().map(PathBuf::as_path)) {
            let path = folder.join(&source.file_name);
            if path.is_file() && cache::is_right(&path, &source.checksum, cache, &source.file_name)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Fills `part` until its checksum is right. What an interrupted call left there may be of another file: it is thrown
    /// away once, when the whole turns out wrong.
    fn fetch_part(
        &self,
        source: &Source,
        part: &Path,
        target: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), DownloadError> {
        let url = self.address(&source.url);
        if source.checksum == Checksum::Unknown {
            // Nothing would tell that a part is of another file.
            let _ = fs::remove_file(part);
        }
        let transfer =
            Transfer { url: &url, part, target, size: source.size, pauses: &self.pauses, token: self.token.as_ref() };
        let mut found = String::new();
        for _ in 0..2 {
            transfer.run(progress)?;
            found = source.checksum.of_file(part).map_err(DownloadError::disk(part))?;
            if source.checksum.matches(&found) {
                return Ok(());
            }
            File::create(part).map_err(DownloadError::disk(part))?;
        }
        let _ = fs::remove_file(part);
        let expected = source.checksum.to_string();
        Err(DownloadError::Checksum { url, expected, found, target: target.to_path_buf() })
    }

    /// What the server says about a file before it gives it; `target` is where the file would be, for messages.
    fn head(&self, url: &str, target: &Path) -> Result<Head, DownloadError> {
        let url = self.address(url);
        let (pauses, token) = (&self.pauses, self.token.as_ref());
        let transfer = Transfer { url: &url, part: target, target, size: None, pauses, token };
        transfer.head()
    }

    fn has_mirror(&self) -> bool {
        self.mirror.is_some()
    }

    fn address(&self, url: &str) -> String {
        match (&self.mirror, url.split_once("://")) {
            (Some(mirror), Some((_, rest))) => {
                let path = rest.find('/').map_or("", |slash| &rest[slash..]);
                format!("{}{path}", mirror.trim_end_matches('/'))
            }
            _ => url.to_string(),
        }
    }
}

/// Held while a file is fetched. Where the file system has no locks there is none: then two processes may fetch the same file
/// at once, and its checksum tells.
fn lock(cache: &Path, file_name: &str) -> Option<File> {
    let file = File::create(cache.join(format!(".{file_name}.lock"))).ok()?;
    file.lock().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_replaces_scheme_and_host() {
        let downloads = Downloads::default().with_mirror("http://127.0.0.1:80/");
        assert_eq!(downloads.address("https://host.org/models/a.pth?x=1"), "http://127.0.0.1:80/models/a.pth?x=1");
        assert_eq!(downloads.address("https://host.org"), "http://127.0.0.1:80");
        assert_eq!(Downloads::default().address("https://host.org/a"), "https://host.org/a");
    }
}
