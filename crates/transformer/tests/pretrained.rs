//! Weights from files: what becomes of each tensor, and what is refused.

#[allow(dead_code)]
mod support;

use burn::{
    backend::Flex,
    tensor::{Tensor, TensorData},
};
use support::*;
use testkit::assert_close;
use training_loop::weights::to_safetensors;
use transformer::{
    bert::Texts,
    gpt::GptConfig,
    pretrained::{LoadOutcome, LoadReport, Pretrained, StateDict, load, read, save, state_dict},
    vit::VitConfig,
};

fn gpt2() -> (GptConfig, StateDict) {
    (gpt_cases()[0].1.clone(), fixture("gpt").under("gpt2.weights."))
}

fn loaded<M: Pretrained<Flex>>(mut model: M, tensors: StateDict) -> (M, LoadReport) {
    match load(&mut model, tensors) {
        Ok(report) => (model, report),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refused<M: Pretrained<Flex>>(mut model: M, tensors: StateDict) -> String {
    let before = state_dict(&model);
    let message = load(&mut model, tensors).unwrap_err().to_string();
    assert_eq!(state_dict(&model), before, "a load that fails changes nothing");
    message
}

#[test]
fn what_is_saved_is_what_is_read() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for (_, config) in gpt_cases() {
        let model = config.init::<Flex>(GPT_VOCABULARY, &device);
        save(&model, &path).unwrap();
        let (again, report) = loaded(config.init::<Flex>(GPT_VOCABULARY, &device), read(&path).unwrap());
        assert_eq!(state_dict(&again), state_dict(&model));
        assert_eq!(report.rows.len(), report.with(LoadOutcome::Loaded).count());
    }
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(9, 9, &device);
        save(&model, &path).unwrap();
        let (again, _) = loaded(config.init::<Flex>(9, 9, &device), read(&path).unwrap());
        assert_eq!(state_dict(&again), state_dict(&model));
    }
    let model = bert_config().init_masked_lm::<Flex>(BERT_VOCABULARY, &device);
    save(&model, &path).unwrap();
    let (again, _) = loaded(bert_config().init_masked_lm::<Flex>(BERT_VOCABULARY, &device), read(&path).unwrap());
    assert_eq!(state_dict(&again), state_dict(&model));
}

/// Checkpoints of GPT-2 come with and without a prefix, with masks, and with the tied output twice.
#[test]
fn the_many_forms_of_gpt2_are_one() {
    let device = Default::default();
    let (config, tensors) = gpt2();
    let (expected, _) = loaded(config.init::<Flex>(GPT_VOCABULARY, &device), tensors.clone());
    let bare = |name: &String| name.trim_start_matches("transformer.").to_string();
    let mut other: StateDict = tensors.iter().map(|(name, data)| (bare(name), data.clone())).collect();
    other.insert("h.0.attn.bias".into(), TensorData::new(vec![1.0_f32; 144], [1, 1, 12, 12]));
    other.insert("h.0.attn.masked_bias".into(), TensorData::new(vec![-1e4_f32], [1]));
    other.insert("lm_head.weight".into(), other["wte.weight"].clone());
    let (found, report) = loaded(config.init::<Flex>(GPT_VOCABULARY, &device), other.clone());
    assert_eq!(state_dict(&found), state_dict(&expected));
    assert_eq!(report.with(LoadOutcome::Unused).count(), 0);
    // A model with an output of its own begins with the tied one.
    let untied = GptConfig { tie_weights: false, ..config.clone() };
    let (untied, _) = loaded(untied.init::<Flex>(GPT_VOCABULARY, &device), tensors);
    assert_eq!(state_dict(&untied)["lm_head.weight"], state_dict(&expected)["wte.weight"]);
    // An output that is another one cannot be left out.
    other.insert("lm_head.weight".into(), TensorData::new(vec![0.5_f32; 11 * 16], [11, 16]));
    let message = refused(config.init::<Flex>(GPT_VOCABULARY, &device), other);
    assert!(message.contains("lm_head.weight [11, 16] is not in the model"), "{message}");
}

#[test]
fn a_shorter_context_takes_the_first_positions() {
    let device = Default::default();
    let (config, tensors) = gpt2();
    let positions = tensors["transformer.wpe.weight"].clone();
    let short = GptConfig { context_len: 5, ..config };
    let (model, report) = loaded(short.init::<Flex>(GPT_VOCABULARY, &device), tensors);
    let expected = Tensor::<Flex, 2>::from_data(positions, &device).narrow(0, 0, 5);
    assert_eq!(state_dict(&model)["wpe.weight"], expected.into_data());
    let lines = report.lines();
    assert!(lines.contains(&"wpe.weight [12, 16] cut off to [5, 16]".to_string()), "{lines:?}");
}

#[test]
fn weights_of_another_model_are_refused_with_every_reason() {
    let device = Default::default();
    let (config, mut tensors) = gpt2();
    let message = refused(GptConfig { num_layers: 1, ..config.clone() }.init::<Flex>(11, &device), tensors.clone());
    assert!(message.contains("blocks.1.attn.qkv.weight [48, 16] is not in the model"), "{message}");
    assert!(message.contains("than this GPT of 0.0 M parameters"), "{message}");
    let message = refused(GptConfig { num_layers: 3, ..config.clone() }.init::<Flex>(11, &device), tensors.clone());
    assert!(message.contains("blocks.2.attn.qkv.weight [48, 16] is missing"), "{message}");
    let message = refused(config.init::<Flex>(12, &device), tensors.clone());
    assert!(message.contains("wte.weight should be [12, 16], found [11, 16]"), "{message}");
    tensors.insert("transformer.ln_f.bias".into(), TensorData::new(vec![0_i64; 16], [16]));
    let message = refused(config.init::<Flex>(11, &device), tensors);
    assert!(message.contains("norm.bias holds"), "{message}");
}

#[test]
fn heads_of_another_task_begin_at_random() {
    let device = Default::default();
    let tensors = fixture("bert").under("masked_lm.weights.");
    let model = bert_config().init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device);
    let (model, report) = loaded(model, tensors.clone());
    let missing: Vec<&str> = report.with(LoadOutcome::Missing).map(|row| row.name.as_str()).collect();
    let expected = ["bert.pooler.weight", "bert.pooler.bias", "classifier.weight", "classifier.bias"];
    assert_eq!(missing, expected);
    assert!(report.with(LoadOutcome::Unused).all(|row| row.name.starts_with("predictions.")));
    // The encoder is that of the file.
    let masked = bert_config().init_masked_lm::<Flex>(BERT_VOCABULARY, &device);
    let (masked, _) = loaded(masked, tensors);
    let features =
        |bert: &transformer::bert::Bert<Flex>| bert.forward(Texts::new(Tensor::from_ints([[1, 2, 3]], &device), &[3]));
    assert_close(&features(&model.bert), &features(&masked.bert), 1e-6);
    // A head for other classes stays as it was drawn, as a whole.
    let tensors = fixture("bert").under("token.weights.");
    let (_, report) = loaded(bert_config().init_token_classifier::<Flex>(BERT_VOCABULARY, 5, &device), tensors);
    assert_eq!(report.with(LoadOutcome::Replaced).count(), 2);
    assert!(!report.head_is_loaded());
}

/// The oldest checkpoints of BERT have TensorFlow's names for normalisations.
#[test]
fn gamma_and_beta_are_weight_and_bias() {
    let device = Default::default();
    let old: StateDict = fixture("bert")
        .under("masked_lm.weights.")
        .into_iter()
        .map(|(name, data)| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
            (name, data)
        })
        .collect();
    let (_, report) = loaded(bert_config().init_masked_lm::<Flex>(BERT_VOCABULARY, &device), old);
    assert!(report.head_is_loaded());
}

#[test]
fn a_vision_transformer_fits_other_images_and_classes() {
    let device = Default::default();
    let tensors = fixture("vit").under("torchvision.weights.");
    let (_, config) = vit_cases()[2].clone();
    let larger = VitConfig { image_size: 20, ..config };
    let (model, report) = loaded(larger.init::<Flex>(1, 7, &device), tensors.clone());
    let lines = report.lines();
    for line in [
        "patch_embed.proj.weight [8, 3, 4, 4] summed over its channels to [8, 1, 4, 4]",
        "pos_embed [1, 10, 8] interpolated to [1, 26, 8]",
        "head head [3, 8] replaced by [7, 8], which begins at random",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line:?} is not in {lines:?}");
    }
    let kernels = Tensor::<Flex, 4>::from_data(tensors["conv_proj.weight"].clone(), &device).sum_dim(1);
    assert_close(&model.patch_embed.proj.weight.val(), &kernels, 1e-6);
    let other = VitConfig { patch_size: 5, ..larger };
    let message = refused(other.init::<Flex>(3, 3, &device), tensors);
    assert!(message.contains("patch_embed.proj.weight should be [8, 3, 5, 5], found [8, 3, 4, 4]"), "{message}");
}

/// In files of Llama the output stands beside `model.`, before all other names.
#[test]
fn the_output_of_llama_is_read_from_a_file() {
    let device = Default::default();
    let fixture = fixture("gpt");
    let (case, config) = gpt_cases()[1].clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, to_safetensors(&fixture.under(&format!("{case}.weights."))).unwrap()).unwrap();
    let (model, report) = loaded(config.init::<Flex>(GPT_VOCABULARY, &device), read(&path).unwrap());
    assert_eq!(report.rows.len(), report.with(LoadOutcome::Loaded).count());
    let logits = model.forward(fixture.int(&format!("{case}.tokens"), &device), None).0;
    assert_close(&logits, &fixture.float(&format!("{case}.logits"), &device), TOLERANCE);
}
