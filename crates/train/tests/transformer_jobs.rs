//! The jobs of the transformer family as a user types them.

mod support;

use data::image::{Image, png};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};
use support::{config, refused, run, score, scores_on_wgpu_as_on_the_cpu, train, train_config};

/// A model of a few thousand parameters.
const TINY_GPT: &str = "model.num_layers=2 model.embedding_size=32 model.context_len=32 data.seq_len=32 data.batch_size=8 \
                        data.tokenizer={kind=\"char\"} task.sample_tokens=16";

#[test]
fn a_gpt_learns_writes_and_shows_what_it_looks_at() {
    let desk = tempfile::tempdir().unwrap();
    let settings = format!("{TINY_GPT} training.max_steps=120");
    train_config(desk.path(), "transformer/gpt-stories.toml", "stories", &settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "stories", "--backend", "ndarray"]);
    // A guess among all characters is about 5 bits.
    assert!(score(&printed, "bits_per_character") < 4.4, "{printed}");
    let report = fs::read_to_string(desk.path().join("runs/stories/report.html")).unwrap();
    assert!(report.contains("Attention, layer 2 of 2") && report.contains("Samples over time"));

    let generate = |more: &[&str]| {
        let mut arguments =
            vec!["generate", "--run", "stories", "--backend", "ndarray", "--prompt", "Once", "--tokens", "80"];
        arguments.extend(more);
        train(desk.path(), &arguments)
    };
    let text = generate(&[]);
    assert!(text.starts_with("Once") && text.trim_end().chars().count() > 70, "longer than the context: {text}");
    assert_eq!(text, generate(&[]), "the seed decides");
    assert!(!generate(&["--stop", "e ", "--min-p", "0.05"])["Once".len()..].contains("e "));
    let several = generate(&["--n", "3"]);
    assert!(several.contains("--- 1 of 3 ---\nOnce") && several.contains("--- 3 of 3 ---\nOnce"), "{several}");
    assert!(several.contains(text.trim_end()), "the first of several is the only one of one:\n{several}\n{text}");
    scores_on_wgpu_as_on_the_cpu(desk.path(), "stories");
}

#[test]
fn lora_fine_tunes_a_run_with_few_parameters() {
    let desk = tempfile::tempdir().unwrap();
    let base = format!("{TINY_GPT} training.max_steps=40");
    train_config(desk.path(), "transformer/gpt-stories.toml", "base", &base, &[]);
    let tuned = format!(
        "{TINY_GPT} training.max_steps=20 model.pretrained=\"run:base\" model.lora={{rank=2,targets=[\"*.attn.*\",\"*.mlp.*\"]}}"
    );
    train_config(desk.path(), "transformer/gpt-stories.toml", "tuned", &tuned, &[]);
    let log = fs::read_to_string(desk.path().join("runs/tuned/train.log")).unwrap();
    assert!(log.contains("weights of") && log.contains("runs/base/checkpoints"), "{log}");
    // The optimiser keeps a state for the additions alone, not for what they are added to.
    let kept = |run: &str, file: &str| fs::metadata(desk.path().join("runs").join(run).join(file)).unwrap().len();
    let optimizer = "checkpoints/step-20/optimizer-main.safetensors";
    assert!(kept("tuned", optimizer) < kept("tuned", "checkpoints/step-20/model.safetensors") / 2);
    let loss = |run: &str| score(&train(desk.path(), &["eval", "--run", run, "--backend", "ndarray"]), "loss");
    assert!(loss("tuned") < loss("base"));
    assert!(train(desk.path(), &["generate", "--run", "tuned", "--prompt", "a", "--tokens", "4"]).starts_with('a'));
}

/// A server that has the files of `folder` at `/any-owner/any-name/resolve/any-revision/`, and its address.
fn model_server(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serve = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
        let request = lines.next().unwrap_or_default();
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        let mut words = request.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let file = path.rsplit('/').next().map(|name| folder.join(name));
        let (status, body) = match file.and_then(|file| fs::read(file).ok()) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", Vec::new()),
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        if method == "GET" { stream.write_all(&body) } else { Ok(()) }
    };
    // A client that went away is no concern of the server's.
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(serve(stream))));
    address
}

#[test]
fn a_gpt2_is_downloaded_by_its_name_and_then_needs_no_network() {
    let desk = tempfile::tempdir().unwrap();
    let gpt2 = format!(
        "{TINY_GPT} model.num_kv_heads=0 model.positions=learned model.norm=layer_norm model.activation=gelu_tanh model.bias=true \
         model.tie_weights=true"
    );
    train_config(desk.path(), "transformer/gpt-stories.toml", "base", &format!("{gpt2} training.max_steps=30"), &[]);
    let published = desk.path().join("published");
    fs::create_dir(&published).unwrap();
    let weights = desk.path().join("runs/base/checkpoints/step-30/model.safetensors");
    fs::copy(weights, published.join("model.safetensors")).unwrap();
    let config_file = r#"{ "model_type": "gpt2", "n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 32, "vocab_size": 100,
                           "activation_function": "gelu_new" }"#;
    fs::write(published.join("config.json"), config_file).unwrap();
    fs::copy(desk.path().join("runs/base/tokenizer.json"), published.join("tokenizer.json")).unwrap();

    let [cache, home] = ["cache", "home"].map(|name| desk.path().join(name).display().to_string());
    let stories = config("transformer/gpt-stories.toml");
    let tune = |endpoint: &str, name: &str, more: &[&str]| {
        let mut arguments = vec!["--config", stories.to_str().unwrap(), "--backend", "ndarray", "--name", name];
        let settings = gpt2.split_whitespace().chain(["training.max_steps=2"]).chain(more.iter().copied());
        arguments.extend(settings.flat_map(|setting| ["--set", setting]));
        let environment = [("KILN_CACHE", cache.as_str()), ("HF_HOME", &home), ("HF_ENDPOINT", endpoint)];
        let (code, output, error) = run(desk.path(), &arguments, &environment);
        // Messages are folded at the width of a terminal.
        let printed = format!("{output}{error}");
        (code, printed.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" "))
    };
    let server = model_server(published);
    let (code, printed) =
        tune(&server, "first", &["model.pretrained=gpt2", "data.tokenizer={kind=\"file\",path=\"gpt2\"}"]);
    assert_eq!(code, Some(0), "{printed}");
    let folder = Path::new(&cache).join("hub/openai-community--gpt2/main");
    let tokenizer = format!("tokenizer of openai-community/gpt2: {}", folder.display());
    for part in ["weights of openai-community/gpt2", "loaded 28 tensors", &tokenizer] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
    assert!(folder.join("model.safetensors").is_file());

    // No server is at port 1.
    let nobody = "http://127.0.0.1:1";
    let (code, printed) = tune(nobody, "second", &["model.pretrained=hf:openai-community/gpt2"]);
    assert!(code == Some(0) && printed.contains("loaded 28 tensors"), "{printed}");

    for (endpoint, more, parts) in [
        (nobody, &["model.pretrained=gpt2", "model.num_layers=3"][..], &["another architecture", "num_layers = 2"][..]),
        (nobody, &["model.pretrained=hf:me/net"], &["is there a network?", "name a folder"]),
        (server.as_str(), &["model.pretrained=hf:net"], &["model.pretrained", "hf:owner/name"]),
        (&server, &["model.pretrained=gpt9"], &["gpt9", "hf:owner/name"]),
    ] {
        let (code, printed) = tune(endpoint, "third", more);
        assert_eq!(code, Some(2), "{printed}");
        for part in parts {
            assert!(printed.contains(part), "{part} in {printed}");
        }
        assert!(!desk.path().join("runs/third").exists());
    }
}

#[test]
fn a_folder_of_another_architecture_says_which_keys_it_wants() {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path().join("tiny-gpt2");
    fs::create_dir(&folder).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transformer/tests/fixtures");
    fs::copy(fixtures.join("config_gpt2.json"), folder.join("config.json")).unwrap();
    fs::write(folder.join("model.safetensors"), "not read").unwrap();
    let stories = config("transformer/gpt-stories.toml");
    let message = refused(
        desk.path(),
        &["--config", stories.to_str().unwrap(), "--backend", "ndarray", "--set", "model.pretrained=tiny-gpt2"],
    );
    for part in ["config.json", "num_layers = ", "positions = \"learned\""] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let message = refused(desk.path(), &["--config", stories.to_str().unwrap(), "--set", "model.num_layer=3"]);
    assert!(message.contains("num_layer") && message.contains("num_layers"), "{message}");
}

#[test]
fn a_bert_tells_reviews_apart() {
    let desk = tempfile::tempdir().unwrap();
    let settings = "training.epochs=6 model.num_layers=1 model.hidden_size=64";
    train_config(desk.path(), "transformer/bert-reviews.toml", "reviews", settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "reviews", "--backend", "ndarray"]);
    assert!(score(&printed, "accuracy") > 0.75, "{printed}");
    let report = fs::read_to_string(desk.path().join("runs/reviews/report.html")).unwrap();
    assert!(report.contains("Attention, layer 1 of 1") && report.contains("Confusion"));
    let said = train(desk.path(), &["predict", "--run", "reviews", "--backend", "ndarray", "a wonderful film"]);
    assert!(
        said.contains("a wonderful film") && said.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() >= 0.5
    );
    scores_on_wgpu_as_on_the_cpu(desk.path(), "reviews");
}

/// Four sentences over and over, so that a small model learns in seconds which word is missing.
fn farm(lines: usize) -> String {
    let sentences = [
        "the cat drinks milk at home",
        "a dog eats meat near our barn",
        "two birds pick seed from his field",
        "my horse wants hay every morning",
    ];
    (0..lines).map(|line| sentences[line % 4]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_bert_fills_in_words_and_a_classifier_starts_from_it() {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("texts.txt"), farm(480)).unwrap();
    let settings = "data.source=texts.txt data.documents=\"lines\" data.packing=false data.batch_size=32 data.seq_len=16 model.num_layers=1 \
                    model.hidden_size=64 optimizer.learning_rate=3e-3 training.max_steps=1000";
    train_config(desk.path(), "transformer/masked-stories.toml", "masked", settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "masked", "--backend", "ndarray"]);
    // No word is more than one in twenty.
    assert!(score(&printed, "accuracy") > 0.8, "{printed}");
    assert!((score(&printed, "perplexity").ln() - score(&printed, "loss")).abs() < 0.01, "{printed}");
    let samples = fs::read_dir(desk.path().join("runs/masked/samples")).unwrap();
    let sample = fs::read_to_string(samples.last().unwrap().unwrap().path()).unwrap();
    assert!(sample.contains("was there") && sample.contains("is guessed"), "{sample}");

    let asked = "my horse wants [MASK] every morning";
    let said = train(desk.path(), &["predict", "--run", "masked", "--backend", "ndarray", asked]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "my horse wants hay every morning", "{said}");
    assert!(lines[1].trim_start().starts_with("hay "), "{said}");
    train(desk.path(), &["predict", "--run", "masked", asked, "--output", "out.csv"]);
    let table = fs::read_to_string(desk.path().join("out.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines[0], lines.len()), ("text,place,rank,word,probability", 1 + 5));
    assert!(lines[1].contains(",1,1,hay,"), "{table}");
    let error = refused(desk.path(), &["predict", "--run", "masked", "nothing is hidden here"]);
    assert!(error.contains("[MASK]"), "{error}");

    let rows = (0..60).map(|row| match row % 2 {
        0 => format!("eats,the cat at home {row} drinks milk\n"),
        _ => format!("sleeps,my horse near his field {row} every morning\n"),
    });
    fs::write(desk.path().join("labels.csv"), format!("label,text\n{}", rows.collect::<String>())).unwrap();
    let settings = "data.source=labels.csv data.max_len=20 data.tokenizer={kind=\"file\",path=\"runs/masked/tokenizer.json\"} \
                    model.num_layers=1 model.hidden_size=64 model.context_len=64 model.pooling=\"mean\" \
                    model.pretrained=run:masked training.epochs=15";
    train_config(desk.path(), "transformer/bert-reviews.toml", "classes", settings, &[]);
    let log = fs::read_to_string(desk.path().join("runs/classes/train.log")).unwrap();
    assert!(log.contains("runs/masked/checkpoints"), "{log}");
    // The best by accuracy is the first with all right, which is not yet sure of anything.
    let predict = ["predict", "--run", "classes", "--checkpoint", "last"];
    let said = train(desk.path(), &[&predict[..], &["the cat drinks milk near our barn"]].concat());
    assert!(said.starts_with("eats"), "{said}");
    scores_on_wgpu_as_on_the_cpu(desk.path(), "masked");
}

#[test]
fn a_bert_tags_the_words_of_sentences() {
    let desk = tempfile::tempdir().unwrap();
    let sentence = |number: usize| {
        let [given, name] = [["Ada", "Max", "Eva", "Tom"][number % 4], ["Lovelace", "Planck", "Braun"][number / 4 % 3]];
        let place = ["Paris", "Oslo", "Rome", "Bern", "Kyoto"][number / 12 % 5];
        match number / 60 % 2 {
            0 => format!("{given} B-PER\n{name} I-PER\nwent O\nto O\n{place} B-LOC\n. O\n"),
            _ => format!("In O\n{place} B-LOC\nlives O\n{given} B-PER\n{name} I-PER\n. O\n"),
        }
    };
    let sentences: Vec<String> = (0..240).map(sentence).collect();
    fs::write(desk.path().join("names.conll"), sentences.join("\n")).unwrap();
    let settings = "data.source=names.conll data.max_len=16 model.num_layers=1 model.hidden_size=64 training.epochs=20";
    train_config(desk.path(), "transformer/bert-entities.toml", "names", settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "names", "--backend", "ndarray"]);
    assert!(score(&printed, "f1") > 0.9 && score(&printed, "accuracy") > 0.9, "{printed}");
    let report = fs::read_to_string(desk.path().join("runs/names/report.html")).unwrap();
    assert!(report.contains("Entities") && report.contains("Confusion"));

    // Longer than the model reads at once: it is read in pieces, by sentences.
    let asked = "Ada Planck went to Oslo. In Rome lives Tom Braun. Eva Planck went to Bern.";
    let said = train(desk.path(), &["predict", "--run", "names", "--backend", "ndarray", asked]);
    let expected = "[Ada Planck | PER] went to [Oslo | LOC] . In [Rome | LOC] lives [Tom Braun | PER] . [Eva Planck | PER] went to \
                    [Bern | LOC] .";
    assert_eq!(said.trim_end(), expected);
    train(desk.path(), &["predict", "--run", "names", asked, "--output", "out.csv"]);
    let table = fs::read_to_string(desk.path().join("out.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines[0], lines.len()), ("text,word,tag,probability", 1 + 18));
    assert!(lines[1].starts_with("1,Ada,B-PER,0.") || lines[1].starts_with("1,Ada,B-PER,1."), "{table}");
    scores_on_wgpu_as_on_the_cpu(desk.path(), "names");
}

#[test]
fn a_bert_classifies_pairs_of_texts() {
    let desk = tempfile::tempdir().unwrap();
    let row = |number: usize| {
        let [asked, said] = [number % 3, number / 3 % 3].map(|at| ["red", "green", "blue"][at]);
        let class = if said == "red" { "warm" } else { "cold" };
        format!("is it {asked} {number},no it is {said},{class}\n")
    };
    let rows: String = (0..90).map(row).collect();
    fs::write(desk.path().join("pairs.csv"), format!("question,answer,label\n{rows}")).unwrap();
    let settings = "data.source=pairs.csv data.text_column=question data.pair_column=answer data.max_len=24 \
                    data.tokenizer={kind=\"word_piece\",vocab_size=200} data.batch_size=16 model.num_layers=1 \
                    model.hidden_size=64 model.context_len=24 training.epochs=15";
    train_config(desk.path(), "transformer/bert-reviews.toml", "pairs", settings, &[]);
    let said = |pair: &str| train(desk.path(), &["predict", "--run", "pairs", "--backend", "ndarray", pair]);
    assert!(said("is it red 7\tno it is blue").starts_with("cold"));
    assert!(said("is it blue 7\tno it is red").starts_with("warm"), "the second text decides");
    let error = refused(desk.path(), &["predict", "--run", "pairs", "is it red"]);
    assert!(error.contains("two texts") && error.contains("tab"), "{error}");
}

#[test]
fn a_gpt_learns_documents_in_windows_that_grow() {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("texts.txt"), farm(60)).unwrap();
    for (name, packing) in [("packed", true), ("padded", false)] {
        let settings = format!(
            "{TINY_GPT} data.source=texts.txt data.documents=\"lines\" data.packing={packing} \
             data.tokenizer={{kind=\"word\"}} data.seq_len_warmup={{start=8,steps=40}} training.max_steps=150 \
             optimizer.learning_rate=5e-3"
        );
        train_config(desk.path(), "transformer/gpt-stories.toml", name, &settings, &[]);
        // Nothing to go on from: it begins as documents do, and ends where one does.
        let arguments = ["generate", "--run", name, "--backend", "ndarray", "--tokens", "60", "--temperature", "0"];
        let text = train(desk.path(), &arguments);
        assert!(farm(4).lines().any(|line| line == text.trim()), "{name}: one document: {text}");
    }
}

#[test]
fn a_transformer_writes_dates() {
    let desk = tempfile::tempdir().unwrap();
    let rows = (0..600).map(|number| {
        let (year, month, day) = (1950 + number * 7 % 100, 1 + number % 12, 1 + number * 5 % 28);
        format!("{day}.{month}.{year}\t{year}-{month:02}-{day:02}\n")
    });
    fs::write(desk.path().join("dates.tsv"), format!("written\tiso\n{}", rows.collect::<String>())).unwrap();
    let settings = "data.source=dates.tsv data.from=written data.to=iso data.batch_size=16 data.validation_fraction=0.1 \
                    training.epochs=15 model.hidden_size=64 model.num_layers=1";
    train_config(desk.path(), "transformer/transformer-dates.toml", "dates", settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "dates", "--backend", "ndarray"]);
    assert!(score(&printed, "exact_match") > 0.8, "{printed}");
    let page = fs::read_to_string(desk.path().join("runs/dates/report/translation.json")).unwrap();
    assert!(page.contains("Attention: "));
    assert_eq!(train(desk.path(), &["predict", "--run", "dates", "4.7.1982"]), "1982-07-04\n");
    scores_on_wgpu_as_on_the_cpu(desk.path(), "dates");
}

#[test]
fn a_vit_learns_colours_and_shows_where_it_looks() {
    let desk = tempfile::tempdir().unwrap();
    for number in 0..40_usize {
        for (class, base) in [("sky", [60, 120, 200_u8]), ("sunset", [220, 110, 40])] {
            let folder = desk.path().join("photos").join(class);
            fs::create_dir_all(&folder).unwrap();
            let shade = |at: usize| ((at * 7 + number * 13) % 30) as u8;
            let pixels = (0..16 * 16).flat_map(|at| base.map(|level| level + shade(at))).collect();
            fs::write(folder.join(format!("{number}.png")), png(&Image { width: 16, height: 16, channels: 3, pixels }))
                .unwrap();
        }
    }
    let settings = "data.source=photos data.image_size=16 data.validation_fraction=0.2 data.test_fraction=0.2 data.batch_size=8 \
                    data.augment={} model.num_layers=2 model.hidden_size=48 training.epochs=10";
    train_config(desk.path(), "transformer/vit-cifar10.toml", "photos", settings, &[]);
    let printed = train(desk.path(), &["eval", "--run", "photos", "--backend", "ndarray"]);
    assert!(score(&printed, "accuracy") > 0.9, "{printed}");
    let page = fs::read_to_string(desk.path().join("runs/photos/report/test-pictures.json")).unwrap();
    assert!(page.contains("attention rollout"), "the report says what the maps are");
    let photo = "photos/sky/0.png";
    train(desk.path(), &["predict", "--run", "photos", "--backend", "ndarray", photo, "--explain", "maps"]);
    assert!(desk.path().join("maps/0-sky.png").is_file());

    // Frozen but for its head, from that run, on larger pictures: positions are interpolated.
    let larger = "data.source=photos data.image_size=32 data.validation_fraction=0.2 data.batch_size=8 data.augment={} model.num_layers=2 \
                  model.hidden_size=48 training.epochs=1 model.pretrained=run:photos task.fine_tuning.freeze=[\"trunk\"]";
    train_config(desk.path(), "transformer/vit-cifar10.toml", "larger", larger, &[]);
    let log = fs::read_to_string(desk.path().join("runs/larger/train.log")).unwrap();
    assert!(log.contains("interpolated"), "{log}");
    let message = refused(
        desk.path(),
        &[
            "--config",
            config("transformer/vit-cifar10.toml").to_str().unwrap(),
            "--set",
            "data.source=photos",
            "--set",
            "data.image_size=18",
        ],
    );
    assert!(message.contains("18") && message.contains("patch_size"), "{message}");
    scores_on_wgpu_as_on_the_cpu(desk.path(), "photos");
}

#[test]
fn episodes_are_learned_played_and_learned_from_again() {
    let desk = tempfile::tempdir().unwrap();
    // Without the stages of the shipped config, which have settings of their own.
    let shipped = fs::read_to_string(config("transformer/decision-cartpole.toml")).unwrap();
    let (alone, _) = shipped.split_once("# Runs that come first").unwrap();
    fs::write(desk.path().join("cartpole.toml"), alone).unwrap();
    let quick = ["--set", "training.max_steps=60", "--set", "data.collect.episodes=60", "--set", "task.episodes=4"];
    let quick = [&quick[..], &["--set", "task.validation_episodes=2", "--set", "model.embedding_size=16"]].concat();
    let learn = |more: &[&str]| {
        let start = ["--config", "cartpole.toml", "--backend", "ndarray", "--quiet"];
        train(desk.path(), &[&start[..], &quick, more].concat())
    };
    learn(&["--name", "first"]);
    let printed = train(desk.path(), &["eval", "--run", "first", "--backend", "ndarray"]);
    assert!((9.0..=500.0).contains(&score(&printed, "return_asked_500")), "{printed}");
    assert_eq!(score(&printed, "return"), score(&printed, "return_asked_500"), "{printed}");
    let report = fs::read_to_string(desk.path().join("runs/first/report.html")).unwrap();
    assert!(report.contains("Asked and achieved") && report.contains("Returns of the episodes"));

    let said = train(
        desk.path(),
        &["predict", "--run", "first", "--backend", "ndarray", "--output", "played.jsonl.gz", "50", "200"],
    );
    assert!(said.contains("asked for 50: achieved") && said.contains("asked for 200: achieved"), "{said}");
    let message = refused(desk.path(), &["predict", "--run", "first", "much"]);
    assert!(message.contains("\"much\" is no return"), "{message}");
    learn(&["--name", "again", "--set", "data.path=played.jsonl.gz", "--set", "model.condition_on_return=false"]);
    let log = fs::read_to_string(desk.path().join("runs/again/train.log")).unwrap();
    assert!(log.contains("played.jsonl.gz") && log.contains("cart-pole"), "{log}");
}
