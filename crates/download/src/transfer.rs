//! One file over HTTP, in as many goes as it takes.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    sync::OnceLock,
    thread,
    time::Duration,
};

use ureq::{
    Agent, Body,
    config::RedirectAuthHeaders,
    http::{HeaderMap, Response, StatusCode, header},
};

use crate::{DownloadError, Progress};

/// A server that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Fetches what is missing of a file.
pub(crate) struct Transfer<'a> {
    pub(crate) url: &'a str,
    /// The file that grows.
    pub(crate) part: &'a Path,
    /// Where it will be when it is whole: for messages.
    pub(crate) target: &'a Path,
    pub(crate) size: Option<u64>,
    pub(crate) pauses: &'a [Duration],
    pub(crate) token: Option<&'a Token>,
}

/// What a server knows an account by. It is shown to nobody else: not in messages, and not to a server that a redirect leads to.
#[derive(Clone)]
pub(crate) struct Token(String);

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What a server says about a file before it gives it.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The status with its words: `404 Not Found`.
    pub(crate) reason: String,
    /// Hugging Face's word for what is not found.
    pub(crate) error_code: String,
    /// The commit that the file is of.
    pub(crate) commit: Option<String>,
    /// SHA-256 of the file, of those that are kept in Git LFS.
    pub(crate) sha256: Option<String>,
    /// Its size in bytes.
    pub(crate) size: Option<u64>,
}

/// Redirects on the way to what a server says: another name of the model.
const MOST_REDIRECTS: usize = 5;

/// Why one go did not bring the end of the file.
enum Broken {
    /// Worth another go.
    Off(String),
    /// Not worth one.
    Final(DownloadError),
}

impl Transfer<'_> {
    /// Appends to the part until it is whole. Goes that brought the file further do not count against the pauses.
    pub(crate) fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), DownloadError> {
        let mut furthest = self.done();
        let mut pauses = self.pauses.iter();
        loop {
            let reason = match self.go(progress) {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Off(reason)) => reason,
            };
            let done = self.done();
            if done > furthest {
                furthest = done;
                pauses = self.pauses.iter();
            }
            match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Err(self.unreachable(reason)),
            }
        }
    }

    fn done(&self) -> u64 {
        fs::metadata(self.part).map_or(0, |metadata| metadata.len())
    }

    fn go(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), Broken> {
        let have = self.done();
        if have > 0 && self.size == Some(have) {
            return Ok(());
        }
        let mut request = agent(self.url).get(self.url);
        if let Some(Token(token)) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Broken::Off(in_words(&error)))?;
        match response.status() {
            StatusCode::OK => self.receive(response, 0, progress),
            StatusCode::PARTIAL_CONTENT if continues_at(response.headers(), have) => {
                self.receive(response, have, progress)
            }
            // The part is as long as the file or longer, or the server answers another question.
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if have > 0 => {
                if total_of(response.headers()) == Some(have) {
                    return Ok(());
                }
                File::create(self.part).map_err(|error| Broken::Final(DownloadError::disk(self.part)(error)))?;
                Err(Broken::Off("the server has another file than before".into()))
            }
            status if is_passing(status) => Err(Broken::Off(format!("the server answers {status}"))),
            status => Err(Broken::Final(DownloadError::Refused {
                url: self.url.into(),
                status: status.to_string(),
                target: self.target.to_path_buf(),
            })),
        }
    }

    /// Writes the body behind the first `have` bytes of the part.
    fn receive(&self, response: Response<Body>, have: u64, progress: &mut dyn FnMut(Progress)) -> Result<(), Broken> {
        let disk = |error: io::Error| Broken::Final(DownloadError::disk(self.part)(error));
        let announced = response.body().content_length();
        let total = announced.map(|length| have + length).or(self.size);
        let mut file = File::options().create(true).append(true).open(self.part).map_err(disk)?;
        file.set_len(have).map_err(disk)?;
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        let mut done = have;
        progress(Progress { done, total });
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Off(format!("the connection broke off: {error}"))),
            };
            file.write_all(&buffer[..count]).map_err(disk)?;
            done += count as u64;
            progress(Progress { done, total });
        }
        if announced.is_some_and(|length| done < have + length) {
            return Err(Broken::Off("the connection broke off".into()));
        }
        file.sync_all().map_err(disk)
    }

    /// What the server says about the file. Redirects within the server are followed; one to where the bytes are is an answer itself: it
    /// holds what is asked for here.
    pub(crate) fn head(&self) -> Result<Head, DownloadError> {
        let mut url = self.url.to_string();
        let mut pauses = self.pauses.iter();
        let mut redirects = 0;
        loop {
            let reason = match self.ask(&url) {
                Ok(response) if is_passing(response.status()) => format!("the server answers {}", response.status()),
                Ok(response) => match moved_within(&url, &response).filter(|_| redirects < MOST_REDIRECTS) {
                    Some(next) => {
                        redirects += 1;
                        url = next;
                        continue;
                    }
                    None => return Ok(Head::of(&response)),
                },
                Err(error) => in_words(&error),
            };
            match pauses.next() {
                Some(pause) => thread::sleep(*pause),
                None => return Err(self.unreachable(reason)),
            }
        }
    }

    fn ask(&self, url: &str) -> Result<Response<Body>, ureq::Error> {
        let mut request = agent(url).head(url);
        if let Some(Token(token)) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.config().max_redirects(0).max_redirects_will_error(false).build().call()
    }

    fn unreachable(&self, reason: String) -> DownloadError {
        DownloadError::Unreachable { url: self.url.into(), reason, target: self.target.to_path_buf() }
    }
}

impl Head {
    fn of(response: &Response<Body>) -> Self {
        let headers = response.headers();
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_string);
        let tag = text("x-linked-etag").or_else(|| text("etag"));
        let digest = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase());
        let is_sha256 = |digest: &String| digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit());
        // Of a redirect it is the size of the redirect.
        let length = text("content-length").filter(|_| response.status().is_success());
        Self {
            status: response.status().as_u16(),
            reason: response.status().to_string(),
            error_code: text("x-error-code").unwrap_or_default(),
            commit: text("x-repo-commit").filter(|commit| commit.bytes().all(|digit| digit.is_ascii_hexdigit())),
            sha256: digest.filter(is_sha256),
            size: text("x-linked-size").or(length).and_then(|size| size.parse().ok()),
        }
    }
}

/// Where a redirect within the same server leads.
fn moved_within(url: &str, response: &Response<Body>) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let start = url.find("://")? + 3;
    let server = url[start..].find('/').map_or(url, |slash| &url[..start + slash]);
    match location.strip_prefix(server) {
        Some(path) if path.starts_with('/') => Some(location.to_string()),
        _ => (location.starts_with('/') && !location.starts_with("//")).then(|| format!("{server}{location}")),
    }
}

/// Follows redirects; proxies are the environment's, but not for this very machine.
fn agent(url: &str) -> &'static Agent {
    static THROUGH_PROXY: OnceLock<Agent> = OnceLock::new();
    static DIRECT: OnceLock<Agent> = OnceLock::new();
    let config = || {
        Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
    };
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    if ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host.starts_with(own)) {
        DIRECT.get_or_init(|| config().proxy(None).build().into())
    } else {
        THROUGH_PROXY.get_or_init(|| config().build().into())
    }
}

fn in_words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host is not found; is there a network?".into(),
        ureq::Error::ConnectionFailed => "no connection; is there a network?".into(),
        ureq::Error::Io(error) => format!("{error}; is there a network?"),
        other => other.to_string(),
    }
}

/// Whether a partial answer begins at byte `have`: `Content-Range: bytes 100-199/200`.
fn continues_at(headers: &HeaderMap, have: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(have)
}

/// The size of the whole file: `Content-Range: bytes */200`.
fn total_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.rsplit('/').next()?.parse().ok()
}

/// Whether the same question may well be answered a moment later.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}
