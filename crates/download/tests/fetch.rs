//! Downloads from a server on this machine that behaves as told.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use download::{Checksum, DownloadError, Downloads, Progress, Source};
use sha2::{Digest, Sha256};

/// 300 kB that no two places of are alike.
fn content() -> Vec<u8> {
    (0..75_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn source(bytes: &[u8]) -> Source {
    Source {
        url: "https://nowhere.invalid/models/net.pth".into(),
        file_name: "net.pth".into(),
        checksum: Checksum::Sha256(sha256(bytes)[..8].into()),
        size: None,
    }
}

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// The file, or the rest that is asked for.
    Whole,
    /// The same, but the connection ends after so many bytes.
    CutAfter(usize),
    /// The file from its beginning, whatever is asked for; perhaps cut.
    WithoutRange(Option<usize>),
    /// Only a status.
    Status(&'static str),
    /// The file, from another place of this server.
    Redirect,
}

/// A server of one file; the last answer is given to all further requests.
struct Server {
    address: String,
    /// The request lines with the range that was asked for.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(file: Vec<u8>, answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (requests.clone(), answers.to_vec());
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let answer = answers[index.min(answers.len() - 1)];
                // A client that went away is no concern of the server's.
                let _ = serve(stream.unwrap(), &file, answer, &seen);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn downloads(&self) -> Downloads {
        Downloads::default().with_mirror(&self.address).with_pauses([Duration::ZERO; 3])
    }
}

fn serve(mut stream: TcpStream, file: &[u8], answer: Answer, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    let mut start = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = Some(range.trim_end_matches('-').parse::<usize>().unwrap());
        }
    }
    let from = start.map_or(String::new(), |start| format!(" from {start}"));
    seen.lock().unwrap().push(format!("{}{from}", request.split_whitespace().nth(1).unwrap()));
    let (start, cut) = match answer {
        Answer::Whole => (start, usize::MAX),
        Answer::CutAfter(cut) => (start, cut),
        Answer::WithoutRange(cut) => (None, cut.unwrap_or(usize::MAX)),
        Answer::Status(status) => {
            return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Answer::Redirect => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: /moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    };
    match start {
        Some(start) if start >= file.len() => write!(
            stream,
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            file.len()
        )?,
        Some(start) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            file.len() - 1,
            file.len(),
            file.len() - start
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len())?,
    }
    let rest = &file[start.unwrap_or(0).min(file.len())..];
    stream.write_all(&rest[..cut.min(rest.len())])
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn fetch(downloads: &Downloads, cache: &Path) -> Result<PathBuf, DownloadError> {
    downloads.fetch(&source(&content()), cache, &mut |_| {})
}

#[test]
fn a_file_arrives_whole_and_tells_how_far_it_is() {
    let server = Server::new(content(), &[Answer::Redirect, Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let folder = cache.path().join("made/anew");
    let path = server.downloads().fetch(&source(&content()), &folder, &mut |progress| told.push(progress)).unwrap();
    assert_eq!(path, folder.join("net.pth"));
    assert!(fs::read(path).unwrap() == content());
    assert_eq!(names(&folder), ["net.pth", "net.pth.verified"]);
    assert_eq!(server.requests(), ["/models/net.pth", "/moved"]);
    assert_eq!(told.first(), Some(&Progress { done: 0, total: Some(300_000) }));
    assert_eq!(told.last(), Some(&Progress { done: 300_000, total: Some(300_000) }));
    assert!(told.is_sorted_by_key(|progress| progress.done));
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_was() {
    let server = Server::new(content(), &[Answer::CutAfter(100_000), Answer::CutAfter(50_000), Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    let path = fetch(&server.downloads(), cache.path()).unwrap();
    assert!(fs::read(path).unwrap() == content());
    assert_eq!(server.requests(), ["/models/net.pth", "/models/net.pth from 100000", "/models/net.pth from 150000"]);
}

#[test]
fn a_later_call_goes_on_with_the_part_of_an_earlier_one() {
    let cache = tempfile::tempdir().unwrap();
    fs::write(cache.path().join("net.pth.part"), &content()[..70_000]).unwrap();
    let server = Server::new(content(), &[Answer::Whole]);
    let mut told = Vec::new();
    server.downloads().fetch(&source(&content()), cache.path(), &mut |progress| told.push(progress)).unwrap();
    assert_eq!(server.requests(), ["/models/net.pth from 70000"]);
    assert_eq!(told[0], Progress { done: 70_000, total: Some(300_000) });
    // Killed between the last byte and the new name: there is nothing left to fetch.
    let cache = tempfile::tempdir().unwrap();
    fs::write(cache.path().join("net.pth.part"), content()).unwrap();
    fetch(&server.downloads(), cache.path()).unwrap();
    assert_eq!(names(cache.path()), ["net.pth", "net.pth.verified"]);
}

#[test]
fn a_server_that_knows_no_ranges_begins_again() {
    let server = Server::new(content(), &[Answer::CutAfter(100_000), Answer::WithoutRange(None)]);
    let cache = tempfile::tempdir().unwrap();
    let path = fetch(&server.downloads(), cache.path()).unwrap();
    assert!(fs::read(path).unwrap() == content());

    // One that always breaks off at the same place is given up.
    let server = Server::new(content(), &[Answer::WithoutRange(Some(100_000))]);
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&server.downloads(), cache.path()).unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    assert!(server.requests().len() < 10);
}

#[test]
fn a_part_of_another_file_is_thrown_away_once() {
    let server = Server::new(content(), &[Answer::Whole]);
    for length in [100_000, 300_000, 400_000] {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join("net.pth.part"), vec![7; length]).unwrap();
        let path = fetch(&server.downloads(), cache.path()).unwrap();
        assert!(fs::read(path).unwrap() == content(), "{length}");
    }
}

#[test]
fn another_checksum_is_an_error_and_leaves_nothing() {
    let server = Server::new(b"<html>please log in</html>".to_vec(), &[Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(&server.downloads(), cache.path()).unwrap_err().to_string();
    let place = cache.path().join("net.pth").display().to_string();
    let expected = format!("SHA-256 {}…", &sha256(&content())[..8]);
    for part in [&*server.address, &expected, &sha256(b"<html>please log in</html>"), &place] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(names(cache.path()), [""; 0]);
    assert_eq!(server.requests().len(), 2, "fetched anew once");
}

#[test]
fn errors_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let place = format!("put it at {}", cache.path().join("net.pth").display());
    let server = Server::new(content(), &[Answer::Status("404 Not Found")]);
    let error = fetch(&server.downloads(), cache.path()).unwrap_err().to_string();
    assert!(error.contains("/models/net.pth: the server answers 404 Not Found") && error.contains(&place), "{error}");
    assert_eq!(server.requests().len(), 1, "no use in asking again");

    // A port that nobody listens on any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Downloads::default().with_mirror(format!("http://{port}")).with_pauses([Duration::ZERO]);
    let error = fetch(&nobody, cache.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("cannot download http://{port}/models/net.pth: ")), "{error}");
    assert!(error.contains(&place) && !error.contains("its checksum is wrong"), "{error}");

    fs::write(cache.path().join("net.pth"), "not it").unwrap();
    let error = fetch(&nobody, cache.path()).unwrap_err().to_string();
    assert!(error.contains("is there, but its checksum is wrong"), "{error}");
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let server = Server::new(content(), &[Answer::Status("503 Service Unavailable"), Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    fetch(&server.downloads(), cache.path()).unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn two_at_once_fetch_once() {
    let server = Server::new(content(), &[Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| fetch(&server.downloads(), cache.path()).unwrap()));
        for path in both.map(|thread| thread.join().unwrap()) {
            assert!(fs::read(path).unwrap() == content());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_is_there_is_used_and_hashed_once() {
    let server = Server::new(content(), &[Answer::Whole]);
    let cache = tempfile::tempdir().unwrap();
    let path = fetch(&server.downloads(), cache.path()).unwrap();
    fetch(&server.downloads(), cache.path()).unwrap();
    assert_eq!(server.requests().len(), 1);

    // Only size and time are looked at again: the same size at the same time passes for the same file.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let mut other = content();
    other[0] ^= 1;
    fs::write(&path, &other).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    fetch(&server.downloads(), cache.path()).unwrap();
    assert_eq!(server.requests().len(), 1);

    // A file that changed is hashed again, and replaced.
    let later = modified + Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    fetch(&server.downloads(), cache.path()).unwrap();
    assert_eq!(server.requests().len(), 2);
    assert!(fs::read(&path).unwrap() == content());

    // Another checksum is asked of the same file.
    let other = Source { checksum: Checksum::Md5("0".repeat(32)), ..source(&content()) };
    let error = server.downloads().fetch(&other, cache.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
}

#[test]
fn a_file_of_another_folder_is_used_from_there_if_it_is_the_right_one() {
    let server = Server::new(content(), &[Answer::Whole]);
    let (cache, hub) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let downloads = server.downloads().also_in(hub.path());
    fs::write(hub.path().join("net.pth"), content()).unwrap();
    assert_eq!(fetch(&downloads, cache.path()).unwrap(), hub.path().join("net.pth"));
    assert_eq!((server.requests().len(), names(cache.path())), (0, vec!["net.pth.verified".to_string()]));

    fs::write(hub.path().join("net.pth"), "another").unwrap();
    assert_eq!(fetch(&downloads, cache.path()).unwrap(), cache.path().join("net.pth"));
    assert_eq!(fs::read(hub.path().join("net.pth")).unwrap(), b"another", "only the cache is written");
}
