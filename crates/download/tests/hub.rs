//! Models of Hugging Face from a server on this machine that answers as theirs does.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use download::{
    Downloads, Hub, HubError, HubModel,
    hub::{CONFIG_FILE, WEIGHT_FILES},
};
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &[u8] = b"weights of a tiny model";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A model that the server has, by the addresses of its files; `.safetensors` are kept in Git LFS.
#[derive(Clone, Default)]
struct Model {
    /// `owner/name`
    repository: &'static str,
    files: BTreeMap<&'static str, &'static [u8]>,
    /// Whoever asks must know it.
    token: Option<&'static str>,
    /// Another SHA-256 than that of the bytes.
    wrong_digest: bool,
}

impl Model {
    fn tiny() -> Self {
        let files = [(CONFIG_FILE, b"{}".as_slice()), ("model.safetensors", WEIGHTS), ("vocab.txt", b"a\nb\n")];
        Self { repository: "me/tiny", files: files.into(), ..Self::default() }
    }
}

struct Server {
    address: String,
    /// `METHOD address`, with the token that came along.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(model: Model) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is no concern of the server's.
                let _ = serve(stream.unwrap(), &model, &seen);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn hub(&self, cache: &Path) -> Hub {
        quick(Hub::new(&self.address, cache))
    }
}

fn quick(hub: Hub) -> Hub {
    hub.with_downloads(Downloads::default().with_pauses([Duration::ZERO; 2]))
}

fn serve(mut stream: TcpStream, model: &Model, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    let mut token = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            token = value.strip_prefix("Bearer ").map(str::to_string);
        }
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let with = token.as_ref().map_or(String::new(), |token| format!(" with {token}"));
    seen.lock().unwrap().push(format!("{method} {path}{with}"));
    let mut answer = |status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
        if method == "GET" { stream.write_all(body) } else { Ok(()) }
    };
    if let Some(file) = path.strip_prefix("/bytes/") {
        return answer("200 OK", "", model.files[file]);
    }
    if let Some(rest) = path.strip_prefix("/old-name/") {
        return answer("307 Temporary Redirect", &format!("Location: /{}/{rest}\r\n", model.repository), b"");
    }
    let Some(rest) = path.strip_prefix(&format!("/{}/resolve/", model.repository)) else {
        return answer("401 Unauthorized", "X-Error-Code: RepoNotFound\r\n", b"");
    };
    if model.token != token.as_deref() {
        return answer("401 Unauthorized", "X-Error-Code: GatedRepo\r\n", b"");
    }
    let (revision, file) = rest.split_once('/').unwrap();
    if !["main", COMMIT].contains(&revision) {
        return answer("404 Not Found", "X-Error-Code: RevisionNotFound\r\n", b"");
    }
    let Some(bytes) = model.files.get(file) else {
        return answer("404 Not Found", &format!("X-Error-Code: EntryNotFound\r\nX-Repo-Commit: {COMMIT}\r\n"), b"");
    };
    let commit = format!("X-Repo-Commit: {COMMIT}\r\n");
    if !file.ends_with(".safetensors") {
        return answer("200 OK", &format!("{commit}ETag: \"a9f1c6d2\"\r\n"), bytes);
    }
    let digest = if model.wrong_digest { sha256(b"other") } else { sha256(bytes) };
    // To another server as far as anybody can tell, as from theirs to where the bytes are.
    let port = stream.local_addr()?.port();
    let headers = format!(
        "{commit}X-Linked-Etag: \"{digest}\"\r\nX-Linked-Size: {}\r\nLocation: http://localhost:{port}/bytes/{file}\r\n",
        bytes.len()
    );
    write!(stream, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n")
}

fn tiny() -> HubModel {
    HubModel::named("hf:me/tiny").unwrap().unwrap()
}

#[test]
fn files_are_fetched_once_and_are_of_one_commit() {
    let server = Server::new(Model::tiny());
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let folder = hub.folder(&tiny());
    let mut told = Vec::new();
    let mut tell = |file: &str, progress: download::Progress| told.push((file.to_string(), progress.done));
    assert_eq!(hub.file(&tiny(), &[CONFIG_FILE], &mut tell).unwrap(), folder.join(CONFIG_FILE));
    let weights = hub.file(&tiny(), &WEIGHT_FILES, &mut tell).unwrap();
    assert_eq!(fs::read(&weights).unwrap(), WEIGHTS);
    assert_eq!(hub.tokenizer(&tiny(), &mut tell).unwrap(), Some(folder.clone()));
    assert!(told.contains(&("model.safetensors".into(), WEIGHTS.len() as u64)), "{told:?}");
    let at = |file: &str| format!("/me/tiny/resolve/{COMMIT}/{file}");
    assert_eq!(
        server.requests(),
        [
            "HEAD /me/tiny/resolve/main/config.json".to_string(),
            format!("GET {}", at("config.json")),
            format!("HEAD {}", at("model.safetensors")),
            format!("GET {}", at("model.safetensors")),
            "GET /bytes/model.safetensors".to_string(),
            format!("HEAD {}", at("tokenizer.json")),
            format!("HEAD {}", at("vocab.json")),
            format!("HEAD {}", at("vocab.txt")),
            format!("GET {}", at("vocab.txt")),
        ]
    );

    // From then on nobody is asked, for what is not there neither.
    let nobody = quick(Hub::new("http://127.0.0.1:1", cache.path()));
    assert_eq!(nobody.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap(), weights);
    assert_eq!(nobody.tokenizer(&tiny(), &mut |_, _| {}).unwrap(), Some(folder));
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn weights_with_another_checksum_are_refused() {
    let server = Server::new(Model { wrong_digest: true, ..Model::tiny() });
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let error = hub.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains(&sha256(b"other")) && error.contains(&sha256(WEIGHTS)), "{error}");
    assert!(!hub.folder(&tiny()).join("model.safetensors").exists());
}

#[test]
fn a_model_without_a_file_says_which_would_do() {
    let mut model = Model::tiny();
    model.files.retain(|name, _| *name == CONFIG_FILE);
    let server = Server::new(model);
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let error = hub.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, HubError::Missing { .. }), "{error}");
    let error = error.to_string();
    for part in ["me/tiny", "model.safetensors or pytorch_model.bin", "main", "in several files"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    // Asked for again, since there is no way without it; a tokenizer is not, of a commit that is known.
    server.requests();
    hub.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap_err();
    assert_eq!(server.requests().len(), 2);
    hub.file(&tiny(), &[CONFIG_FILE], &mut |_, _| {}).unwrap();
    server.requests();
    for requests in [3, 0] {
        assert_eq!(hub.tokenizer(&tiny(), &mut |_, _| {}).unwrap(), None);
        assert_eq!(server.requests().len(), requests);
    }

    let model = HubModel::named("hf:me/tiny@v9").unwrap().unwrap();
    let error = hub.file(&model, &WEIGHT_FILES, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("no me/tiny at revision v9"), "{error}");
}

#[test]
fn a_gated_model_wants_a_token_which_no_other_server_sees() {
    let server = Server::new(Model { token: Some("hf_secret"), ..Model::tiny() });
    let cache = tempfile::tempdir().unwrap();
    let hub = server.hub(cache.path());
    let error = hub.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap_err().to_string();
    for part in ["me/tiny", "401 Unauthorized", "set HF_TOKEN", "name a folder"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let wrong = server.hub(cache.path()).with_token("hf_other");
    let error = wrong.file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("the account of HF_TOKEN") && !error.contains("hf_other"), "{error}");
    assert!(!format!("{wrong:?}").contains("hf_other"));

    server.requests();
    server.hub(cache.path()).with_token("hf_secret").file(&tiny(), &WEIGHT_FILES, &mut |_, _| {}).unwrap();
    let address = format!("/me/tiny/resolve/{COMMIT}/model.safetensors");
    assert_eq!(
        server.requests(),
        [
            "HEAD /me/tiny/resolve/main/model.safetensors with hf_secret".to_string(),
            format!("GET {address} with hf_secret"),
            "GET /bytes/model.safetensors".to_string(),
        ]
    );
}

#[test]
fn a_model_that_has_another_name_now_is_found() {
    let server = Server::new(Model::tiny());
    let cache = tempfile::tempdir().unwrap();
    let model = HubModel { repository: "old-name".into(), revision: "main".into() };
    let path = server.hub(cache.path()).file(&model, &WEIGHT_FILES, &mut |_, _| {}).unwrap();
    assert_eq!(fs::read(path).unwrap(), WEIGHTS);
}

#[test]
fn without_a_network_the_message_says_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub = quick(Hub::new(format!("http://{port}"), cache.path()));
    let error = hub.file(&tiny(), &[CONFIG_FILE], &mut |_, _| {}).unwrap_err().to_string();
    let place = hub.folder(&tiny()).join(CONFIG_FILE).display().to_string();
    for part in ["is there a network?", &place, "or name a folder that holds config.json"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    // What somebody put there is used.
    fs::create_dir_all(hub.folder(&tiny())).unwrap();
    fs::write(&place, "{}").unwrap();
    hub.file(&tiny(), &[CONFIG_FILE], &mut |_, _| {}).unwrap();
}

#[test]
fn what_the_libraries_of_hugging_face_have_is_used_from_there() {
    let (cache, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let hub = quick(Hub::new("http://127.0.0.1:1", cache.path())).also_in(theirs.path());
    // Under the name that the model had before there were owners.
    let folder = theirs.path().join("models--gpt2");
    let snapshot = folder.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("pytorch_model.bin"), "weights").unwrap();
    for name in ["gpt2".to_string(), format!("hf:openai-community/gpt2@{COMMIT}")] {
        let model = HubModel::named(&name).unwrap().unwrap();
        let path = hub.file(&model, &WEIGHT_FILES, &mut |_, _| {}).unwrap();
        assert_eq!(path, snapshot.join("pytorch_model.bin"));
    }
    assert!(fs::read_dir(cache.path()).unwrap().next().is_none());
}
