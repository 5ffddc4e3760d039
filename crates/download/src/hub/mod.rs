//! Models of Hugging Face by their name.
//!
//! A file of a model is taken, in this order, from the cache of Hugging Face's own libraries (`HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in
//! `~/.cache/huggingface`), from Kiln's, `hub/owner--name/revision`, or from `HF_ENDPOINT` (`https://huggingface.co`), where it is
//! asked for with `HF_TOKEN`. What is in Kiln's cache stays as it is, also where `main` has moved on: delete the folder to have
//! it anew. All files of a folder are of one commit.

mod error;
mod name;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::{error::HubError, name::HubModel};
use crate::{
    Checksum, DownloadError, Downloads, Progress, Source,
    cache::{cache_folder, from_environment, huggingface_folder},
    transfer::Head,
};

/// The architecture of a model.
pub const CONFIG_FILE: &str = "config.json";

/// Its weights, the best file first.
pub const WEIGHT_FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Its tokenizer: the first of these of which all files are there.
pub const TOKENIZER_FILES: [&[&str]; 3] = [&["tokenizer.json"], &["vocab.json", "merges.txt"], &["vocab.txt"]];

/// What is known of the files in a folder.
const NOTES: &str = "kiln.json";

/// Is told which file is fetched, and how far it is.
pub type FileProgress<'a> = &'a mut dyn FnMut(&str, Progress);

/// Where models come from and are kept.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    downloads: Downloads,
    cache: PathBuf,
    /// The cache of Hugging Face's own libraries, which is only read.
    theirs: Option<PathBuf>,
    offline: bool,
}

/// What a server said about a folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Notes {
    /// The commit that the files are of.
    commit: Option<String>,
    /// Files that it has none of, which nobody needs to ask for again.
    absent: BTreeSet<String>,
}

/// Whether a model is of use without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

impl Hub {
    /// As the environment says: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE`, and those of [`Downloads`].
    pub fn from_environment() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = text("HF_ENDPOINT");
        // An endpoint that is named is no other server's mirror, and a mirror is nobody to show a token to.
        let downloads = match endpoint {
            Some(_) => Downloads::default(),
            None => Downloads::from_environment(),
        };
        let token = text("HF_TOKEN").filter(|_| !downloads.has_mirror());
        let theirs = from_environment("HF_HUB_CACHE").unwrap_or_else(|| huggingface_folder().join("hub"));
        let offline =
            text("HF_HUB_OFFLINE").is_some_and(|value| ["1", "true", "yes", "on"].contains(&&*value.to_lowercase()));
        Self {
            endpoint: endpoint.unwrap_or_else(|| "https://huggingface.co".into()),
            downloads: Downloads { token: token.map(Into::into), ..downloads },
            cache: cache_folder().join("hub"),
            theirs: Some(theirs),
            offline,
        }
    }

    /// From the server at `endpoint`, without a token, into the folder `cache`; nobody else's cache is looked into.
    pub fn new(endpoint: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        let (endpoint, cache) = (endpoint.into(), cache.into());
        Self { endpoint, downloads: Downloads::default(), cache, theirs: None, offline: false }
    }

    /// The same with the token of an account, for models that are not for everybody.
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.downloads.token = Some(token.into().into());
        self
    }

    /// The same, but what is in this cache of Hugging Face's own libraries is used from there.
    pub fn also_in(mut self, theirs: impl Into<PathBuf>) -> Self {
        self.theirs = Some(theirs.into());
        self
    }

    /// The same with other ways to fetch a file; the token stays.
    pub fn with_downloads(mut self, downloads: Downloads) -> Self {
        self.downloads = Downloads { token: self.downloads.token, ..downloads };
        self
    }

    /// Where the files of a model are kept.
    pub fn folder(&self, model: &HubModel) -> PathBuf {
        let name = |text: &str| text.replace('/', "--");
        self.cache.join(name(&model.repository)).join(name(&model.revision))
    }

    /// The first of `names` that the model has, fetched unless it is there already.
    ///
    /// # Errors
    /// [`HubError::Missing`] when it has none of them; a server that gives nothing; the errors of [`Downloads::fetch`].
    pub fn file(&self, model: &HubModel, names: &[&str], progress: FileProgress<'_>) -> Result<PathBuf, HubError> {
        let sets: Vec<&[&str]> = names.chunks(1).collect();
        match self.first(model, &sets, Need::Must, progress)? {
            Some((folder, files)) => Ok(folder.join(files[0])),
            None => Err(HubError::Missing {
                repository: model.repository.clone(),
                revision: model.revision.clone(),
                files: names.iter().map(|name| name.to_string()).collect(),
                folder: self.folder(model),
            }),
        }
    }

    /// The folder in which the [tokenizer](TOKENIZER_FILES) of a model is, fetched unless it is there already; none where the model has
    /// none.
    ///
    /// # Errors
    /// A server that gives nothing; the errors of [`Downloads::fetch`].
    pub fn tokenizer(&self, model: &HubModel, progress: FileProgress<'_>) -> Result<Option<PathBuf>, HubError> {
        Ok(self.first(model, &TOKENIZER_FILES, Need::May, progress)?.map(|(folder, _)| folder))
    }

    /// The first of `sets` of which the model has all files, and the folder they are in.
    fn first<'s>(
        &self,
        model: &HubModel,
        sets: &[&'s [&'s str]],
        need: Need,
        progress: FileProgress<'_>,
    ) -> Result<Option<(PathBuf, &'s [&'s str])>, HubError> {
        let folder = self.folder(model);
        let places = self.theirs(model).into_iter().chain([folder.clone()]);
        for place in places {
            let whole = sets.iter().find(|set| set.iter().all(|name| place.join(name).is_file()));
            if let Some(set) = whole {
                return Ok(Some((place, set)));
            }
        }
        let mut notes = Notes::read(&folder);
        for set in sets {
            let mut has_all = true;
            for name in *set {
                has_all = has_all && self.fetch(model, name, need, &mut notes, progress)?;
            }
            if has_all {
                return Ok(Some((folder, set)));
            }
        }
        Ok(None)
    }

    /// Fetches a file into the model's folder; false where the model has none of that name.
    fn fetch(
        &self,
        model: &HubModel,
        name: &str,
        need: Need,
        notes: &mut Notes,
        progress: FileProgress<'_>,
    ) -> Result<bool, HubError> {
        let folder = self.folder(model);
        if need == Need::May && notes.absent.contains(name) {
            return Ok(false);
        }
        if folder.join(name).is_file() {
            return Ok(true);
        }
        let url = self.address(model, notes, name);
        let target = folder.join(name);
        let head = self.head(&url, &target).map_err(HubError::Download)?;
        if !self.has_file(model, &url, &target, &head)? {
            // Of a branch it may be true no longer the next time.
            if need == Need::May && notes.commit.is_some() {
                notes.absent.insert(name.into());
                notes.write(&folder);
            }
            return Ok(false);
        }
        if notes.commit.is_none() && head.commit.is_some() {
            notes.commit = head.commit.clone();
            notes.write(&folder);
        }
        // Asked by its commit, so that nothing newer comes in between.
        let url = self.address(model, notes, name);
        let checksum = head.sha256.map_or(Checksum::Unknown, Checksum::Sha256);
        let source = Source { url, file_name: name.into(), checksum, size: head.size };
        self.downloads.fetch(&source, &folder, &mut |done| progress(name, done)).map_err(HubError::Download)?;
        Ok(true)
    }

    fn address(&self, model: &HubModel, notes: &Notes, name: &str) -> String {
        let revision = notes.commit.as_ref().unwrap_or(&model.revision);
        format!("{}/{}/resolve/{revision}/{name}", self.endpoint.trim_end_matches('/'), model.repository)
    }

    fn head(&self, url: &str, target: &Path) -> Result<Head, DownloadError> {
        if self.offline {
            return Err(DownloadError::Unreachable {
                url: url.into(),
                reason: "HF_HUB_OFFLINE forbids it".into(),
                target: target.to_path_buf(),
            });
        }
        self.downloads.head(url, target)
    }

    /// Whether the answer says that there is such a file.
    fn has_file(&self, model: &HubModel, url: &str, target: &Path, head: &Head) -> Result<bool, HubError> {
        match head.status {
            200..=399 => Ok(true),
            404 if ["RepoNotFound", "RevisionNotFound"].contains(&head.error_code.as_str()) => Err(HubError::Unknown {
                repository: model.repository.clone(),
                revision: model.revision.clone(),
                url: url.into(),
            }),
            404 => Ok(false),
            401 | 403 => Err(HubError::Denied {
                repository: model.repository.clone(),
                url: url.into(),
                status: head.reason.clone(),
                token: self.downloads.token.is_some(),
            }),
            _ => Err(HubError::Download(DownloadError::Refused {
                url: url.into(),
                status: head.reason.clone(),
                target: target.to_path_buf(),
            })),
        }
    }

    /// The folder of the model in the cache of Hugging Face's own libraries: `models--owner--name/snapshots/commit`.
    fn theirs(&self, model: &HubModel) -> Option<PathBuf> {
        let cache = self.theirs.as_ref()?;
        let snapshot = |alias: &str| {
            let folder = cache.join(format!("models--{}", alias.replace('/', "--")));
            let commit = fs::read_to_string(folder.join("refs").join(&model.revision));
            let commit = commit.map_or_else(|_| model.revision.clone(), |commit| commit.trim().to_string());
            Some(folder.join("snapshots").join(commit)).filter(|snapshot| snapshot.is_dir())
        };
        model.aliases().find_map(snapshot)
    }
}

impl Notes {
    fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join(NOTES)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// A cache that cannot be written only means that the server is asked again.
    fn write(&self, folder: &Path) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(NOTES), text));
        }
    }
}

/// The folder in which the tokenizer of the model called `name` is, as the environment says; fetched unless it is there already. None where
/// `name` is no [name of a model](HubModel::named) or the model has no tokenizer.
///
/// # Errors
/// Those of [`HubModel::named`] and [`Hub::tokenizer`].
pub fn tokenizer_folder(name: &str, progress: FileProgress<'_>) -> Result<Option<PathBuf>, HubError> {
    match HubModel::named(name)? {
        Some(model) => Hub::from_environment().tokenizer(&model, progress),
        None => Ok(None),
    }
}
