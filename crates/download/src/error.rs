//! What can go wrong with a download, said for people.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No network, or one that broke off too often.
    #[error("cannot download {url}: {reason}\n  {}", elsewhere(target))]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
        /// Where the file would be.
        target: PathBuf,
    },
    /// The server answers, but does not give the file.
    #[error("cannot download {url}: the server answers {status}\n  {}", elsewhere(target))]
    Refused {
        /// The address.
        url: String,
        /// The status, such as `404 Not Found`.
        status: String,
        /// Where the file would be.
        target: PathBuf,
    },
    /// The file is not the one that was published.
    #[error(
        "{url} is not what it should be: its checksum is {found}, expected {expected}\n  \
         a proxy that answers with a page of its own does that\n  {}",
        elsewhere(target)
    )]
    Checksum {
        /// The address.
        url: String,
        /// As published.
        expected: String,
        /// Of what came.
        found: String,
        /// Where the file would be.
        target: PathBuf,
    },
    /// No room for it.
    #[error(
        "the disk is full: {} cannot be written\n  make room, or name a folder on another disk with KILN_CACHE",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A file of the cache cannot be read or written.
    #[error("{}: {source}\n  the folder for downloads can be changed with KILN_CACHE", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DownloadError {
    pub(crate) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Disk { path, source },
        }
    }

    /// Somebody without a network may have put a file there that is not the right one.
    pub(crate) fn beside(mut self, target: &Path) -> Self {
        if let Self::Unreachable { reason, .. } = &mut self
            && target.is_file()
        {
            reason.push_str(&format!("; the file {} is there, but its checksum is wrong", target.display()));
        }
        self
    }
}

fn elsewhere(target: &Path) -> String {
    format!("download it elsewhere and put it at {}", target.display())
}
