//! From a path as a user writes it to one that exists.

use crate::DataError;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder with real data.
pub const DATA_VARIABLE: &str = "KILN_DATA";

/// Where real data lies when [`DATA_VARIABLE`] is unset, relative to the current directory.
const FALLBACK: &str = "../shared/data";

/// The folder with real data: what the environment variable `KILN_DATA` says, else `../shared/data` where that exists, else
/// nothing. A test that needs real data and gets `None` says that it was passed over.
pub fn real_data_folder() -> Option<PathBuf> {
    match std::env::var_os(DATA_VARIABLE).filter(|value| !value.is_empty()) {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(PathBuf::from(FALLBACK)).filter(|folder| folder.is_dir()),
    }
}

/// The absolute path of an existing file or folder that a user named.
///
/// A relative path starts at the current directory. A path that begins with `$KILN_DATA/` starts at
/// [`real_data_folder`]; no other variable is expanded.
///
/// # Errors
/// [`DataError::Missing`] with near names from the same folder, [`DataError::VariableNotSet`].
pub fn locate(path: &str) -> Result<PathBuf, DataError> {
    let path = absolute(&expand(path, real_data_folder())?);
    // `exists` would also be false for lack of permission, which is another message.
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(DataError::Missing { hint: hint(&path), path }),
        Err(error) => Err(DataError::reading(path)(error)),
    }
}

fn expand(path: &str, folder: Option<PathBuf>) -> Result<PathBuf, DataError> {
    let rest = match path.strip_prefix('$').and_then(|p| p.strip_prefix(DATA_VARIABLE)) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => &rest[rest.len().min(1)..],
        _ => return Ok(PathBuf::from(path)),
    };
    match folder {
        Some(folder) => Ok(folder.join(rest)),
        None => Err(DataError::VariableNotSet { path: path.to_owned(), fallback: absolute(Path::new(FALLBACK)) }),
    }
}

/// `path` made absolute without resolving links, so that the user recognises it; `a/../b` becomes `b`.
fn absolute(path: &Path) -> PathBuf {
    use std::path::Component;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    // Past a symbolic link `..` may lead elsewhere: then the path stays as it is.
    if clean.exists() || !path.exists() { clean } else { path }
}

/// What is there in place of a missing `path`: like-named neighbours, or the nearest folder that exists.
fn hint(path: &Path) -> String {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return String::new();
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return match path.ancestors().skip(1).find(|ancestor| ancestor.is_dir()) {
            Some(nearest) => format!(" (of its folders, {} exists)", nearest.display()),
            None => String::new(),
        };
    };
    let wanted = name.to_string_lossy().to_lowercase();
    let mut near: Vec<(f64, String)> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .map(|found| (strsim::jaro_winkler(&wanted, &found.to_lowercase()), found))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let names: Vec<String> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" (in that folder there is {})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_only_the_data_variable() {
        let folder = Some(PathBuf::from("/real"));
        let expanded = |path| expand(path, folder.clone()).unwrap();
        assert_eq!(expanded("$KILN_DATA/a/b.txt"), Path::new("/real/a/b.txt"));
        assert_eq!(expanded("$KILN_DATA"), Path::new("/real"));
        assert_eq!(expanded("$HOME/a"), Path::new("$HOME/a"));
        assert_eq!(expanded("$KILN_DATABASE/a"), Path::new("$KILN_DATABASE/a"));
    }

    #[test]
    fn unset_variable_says_how_to_set_it() {
        let message = expand("$KILN_DATA/a", None).unwrap_err().to_string();
        assert!(message.contains("export KILN_DATA="), "{message}");
        assert!(message.contains("$KILN_DATA/a"), "{message}");
    }

    #[test]
    fn missing_file_names_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("input.txt"), "x").unwrap();
        std::fs::write(folder.path().join("zebra.md"), "x").unwrap();
        let wrong = folder.path().join("imput.txt");
        let message = locate(wrong.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains(wrong.to_str().unwrap()), "{message}");
        assert!(message.contains("there is input.txt)"), "{message}");
        assert!(!message.contains("zebra"), "{message}");
    }

    #[test]
    fn missing_folder_names_the_nearest_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = folder.path().join("no/such/file.txt");
        let message = locate(wrong.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains(&format!("{} exists", folder.path().display())), "{message}");
    }

    #[test]
    fn relative_paths_become_absolute() {
        assert!(locate("src/lib.rs").unwrap().is_absolute());
        let message = locate("src/../src/nosuch").unwrap_err().to_string();
        assert!(!message.contains(".."), "{message}");
    }
}
