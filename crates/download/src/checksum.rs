//! What a publisher says that a file hashes to.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::digest::Digest;

/// A checksum in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256: all 64 digits, or the first few, as PyTorch puts them into names: `resnet50-0676ba61.pth`.
    Sha256(String),
    /// MD5, where a publisher gives nothing better.
    Md5(String),
    /// The publisher says nothing: a file is whole when it is as long as the server announced.
    Unknown,
}

impl Checksum {
    /// The digest of a file, of the same kind.
    pub(crate) fn of_file(&self, path: &Path) -> io::Result<String> {
        match self {
            Self::Sha256(_) => digest::<sha2::Sha256>(path),
            Self::Md5(_) => digest::<md5::Md5>(path),
            Self::Unknown => Ok(String::new()),
        }
    }

    /// Whether a whole digest is the expected one.
    pub(crate) fn matches(&self, digest: &str) -> bool {
        match self {
            Self::Sha256(start) => digest.starts_with(&start.to_ascii_lowercase()),
            Self::Md5(whole) => digest.eq_ignore_ascii_case(whole),
            Self::Unknown => true,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) if digest.len() < 64 => write!(f, "SHA-256 {digest}…"),
            Self::Sha256(digest) => write!(f, "SHA-256 {digest}"),
            Self::Md5(digest) => write!(f, "MD5 {digest}"),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

fn digest<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&buffer[..count]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1, and RFC 1321, appendix A.5.
        let sha = Checksum::Sha256("ba7816bf".into());
        assert!(sha.of_file(&path).unwrap().starts_with("ba7816bf8f01cfea414140de5dae2223b00361a3"));
        assert!(sha.matches(&sha.of_file(&path).unwrap()));
        let md5 = Checksum::Md5("900150983CD24FB0D6963F7D28E17F72".into());
        assert!(md5.matches(&md5.of_file(&path).unwrap()));
        assert!(!Checksum::Md5("9001".into()).matches(&md5.of_file(&path).unwrap()));
    }
}
