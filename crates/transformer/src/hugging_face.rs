//! Reads the `config.json` that stands beside weights on Hugging Face.

use serde_json::{Map, Value};

use crate::{
    bert::{BertConfig, BertPooling},
    feed_forward::Activation,
    gpt::{GptConfig, Positions},
    norm::NormKind,
};

/// Why a `config.json` says no architecture of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config.json: {message}")]
pub struct HuggingFaceError {
    /// What is wrong, and where.
    pub message: String,
}

fn error(message: impl Into<String>) -> HuggingFaceError {
    HuggingFaceError { message: message.into() }
}

impl GptConfig {
    /// The architecture in the text of a `config.json`, of GPT-2 or Llama, and the size of its vocabulary.
    ///
    /// # Errors
    /// [`HuggingFaceError`] when it is no JSON, of another kind of model, lacks a key, or asks for something that [`Gpt`](crate::gpt::Gpt) does not
    /// have.
    pub fn from_hugging_face(text: &str) -> Result<(Self, usize), HuggingFaceError> {
        let file = ConfigFile::parse(text)?;
        let config = match file.model_type()? {
            "gpt2" => gpt2(&file)?,
            "llama" => llama(&file)?,
            other => return Err(error(format!("model_type \"{other}\" is neither \"gpt2\" nor \"llama\""))),
        };
        checked(config.validate())?;
        Ok((config, file.size("vocab_size")?))
    }
}

impl BertConfig {
    /// The architecture in the text of BERT's `config.json`, and the size of its vocabulary.
    ///
    /// # Errors
    /// [`HuggingFaceError`] when it is no JSON, of another kind of model, lacks a key, or asks for something that [`Bert`](crate::bert::Bert) does not
    /// have.
    pub fn from_hugging_face(text: &str) -> Result<(Self, usize), HuggingFaceError> {
        let file = ConfigFile::parse(text)?;
        // The oldest files name no kind.
        if file.values.contains_key("model_type") && file.model_type()? != "bert" {
            return Err(error(format!("model_type \"{}\" is not \"bert\"", file.model_type()?)));
        }
        file.only("position_embedding_type", "absolute")?;
        let config = Self {
            num_layers: file.size("num_hidden_layers")?,
            num_heads: file.size("num_attention_heads")?,
            hidden_size: file.size("hidden_size")?,
            feed_forward_size: file.size("intermediate_size")?,
            context_len: file.size("max_position_embeddings")?,
            type_vocab_size: file.size("type_vocab_size")?,
            pooling: BertPooling::First,
            dropout: file.number("hidden_dropout_prob")?.unwrap_or(0.1),
            activation_checkpointing: false,
            activation: file.activation("hidden_act")?,
            norm_epsilon: file.number("layer_norm_eps")?.unwrap_or(1e-12),
        };
        checked(config.validate())?;
        Ok((config, file.size("vocab_size")?))
    }
}

fn gpt2(file: &ConfigFile) -> Result<GptConfig, HuggingFaceError> {
    if let Some(true) = file.flag("scale_attn_by_inverse_layer_idx")? {
        return Err(error("scale_attn_by_inverse_layer_idx is not supported"));
    }
    Ok(GptConfig {
        num_layers: file.size("n_layer")?,
        num_heads: file.size("n_head")?,
        embedding_size: file.size("n_embd")?,
        context_len: file.size("n_positions")?,
        feed_forward_size: file.optional_size("n_inner")?.unwrap_or(0),
        dropout: file.number("resid_pdrop")?.unwrap_or(0.1),
        activation: file.activation("activation_function")?,
        norm_epsilon: file.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        tie_weights: file.flag("tie_word_embeddings")?.unwrap_or(true),
        ..GptConfig::default()
    })
}

fn llama(file: &ConfigFile) -> Result<GptConfig, HuggingFaceError> {
    file.only("hidden_act", "silu")?;
    for key in ["attention_bias", "mlp_bias"] {
        if let Some(true) = file.flag(key)? {
            return Err(error(format!("{key} = true is not supported")));
        }
    }
    let (embedding_size, num_heads) = (file.size("hidden_size")?, file.size("num_attention_heads")?);
    if let Some(size) = file.optional_size("head_dim")?
        && size * num_heads != embedding_size
    {
        return Err(error(format!("head_dim {size} is not hidden_size / num_attention_heads, which is not supported")));
    }
    // Newer files keep what rotates in a table of its own.
    let rotary = file.values.get("rope_parameters").or_else(|| file.values.get("rope_scaling"));
    let kind = rotary.and_then(|table| table.get("rope_type").or_else(|| table.get("type")));
    if let Some(kind) = kind.and_then(Value::as_str)
        && kind != "default"
    {
        return Err(error(format!("rotary positions of the kind \"{kind}\" are not supported")));
    }
    let nested = rotary.and_then(|table| table.get("rope_theta")).and_then(Value::as_f64);
    Ok(GptConfig {
        num_layers: file.size("num_hidden_layers")?,
        num_heads,
        num_kv_heads: file.optional_size("num_key_value_heads")?.unwrap_or(0),
        embedding_size,
        context_len: file.size("max_position_embeddings")?,
        feed_forward_size: file.size("intermediate_size")?,
        dropout: file.number("attention_dropout")?.unwrap_or(0.0),
        activation_checkpointing: false,
        bias: false,
        positions: Positions::Rotary,
        norm: NormKind::RmsNorm,
        activation: Activation::Swiglu,
        tie_weights: file.flag("tie_word_embeddings")?.unwrap_or(false),
        norm_epsilon: file.number("rms_norm_eps")?.unwrap_or(1e-6),
        rotary_base: nested.or(file.number("rope_theta")?).unwrap_or(10_000.0),
    })
}

fn checked(wrong: Vec<(&'static str, String)>) -> Result<(), HuggingFaceError> {
    match wrong.first() {
        Some((key, message)) => Err(error(format!("the value that becomes `{key}` {message}"))),
        None => Ok(()),
    }
}

/// The keys and values of a `config.json`.
struct ConfigFile {
    values: Map<String, Value>,
}

impl ConfigFile {
    fn parse(text: &str) -> Result<Self, HuggingFaceError> {
        let values = serde_json::from_str(text).map_err(|cause| error(format!("is no table of JSON: {cause}")))?;
        Ok(Self { values })
    }

    /// The value of a key that is there, and not null.
    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(&self, key: &str, what: &str, read: fn(&Value) -> Option<T>) -> Result<Option<T>, HuggingFaceError> {
        let of = |value| read(value).ok_or_else(|| error(format!("{key} should be {what}, found {value}")));
        self.value(key).map(of).transpose()
    }

    fn optional_size(&self, key: &str) -> Result<Option<usize>, HuggingFaceError> {
        self.read(key, "a number of things", |value| value.as_u64().and_then(|size| usize::try_from(size).ok()))
    }

    fn size(&self, key: &str) -> Result<usize, HuggingFaceError> {
        self.optional_size(key)?.ok_or_else(|| error(format!("there is no {key}")))
    }

    fn number(&self, key: &str) -> Result<Option<f64>, HuggingFaceError> {
        self.read(key, "a number", Value::as_f64)
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, HuggingFaceError> {
        self.read(key, "true or false", Value::as_bool)
    }

    fn text(&self, key: &str) -> Result<Option<String>, HuggingFaceError> {
        self.read(key, "a text", |value| value.as_str().map(str::to_string))
    }

    fn model_type(&self) -> Result<&str, HuggingFaceError> {
        self.value("model_type").and_then(Value::as_str).ok_or_else(|| error("there is no model_type"))
    }

    /// That a key, if it is there, has the only value that is supported.
    fn only(&self, key: &str, supported: &str) -> Result<(), HuggingFaceError> {
        match self.text(key)? {
            Some(found) if found != supported => {
                Err(error(format!("{key} \"{found}\" is not supported, only \"{supported}\"")))
            }
            _ => Ok(()),
        }
    }

    fn activation(&self, key: &str) -> Result<Activation, HuggingFaceError> {
        match self.text(key)?.as_deref() {
            Some("gelu") => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some("relu") => Ok(Activation::Relu),
            Some(other) => Err(error(format!("{key} \"{other}\" is none of gelu, gelu_new, relu"))),
            None => Err(error(format!("there is no {key}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_not_supported_is_named() {
        let message = |text: &str| GptConfig::from_hugging_face(text).unwrap_err().to_string();
        assert!(message("[]").contains("no table of JSON"));
        assert!(message("{}").contains("there is no model_type"));
        assert!(message(r#"{"model_type": "t5"}"#).contains("\"t5\" is neither"));
        assert!(message(r#"{"model_type": "gpt2"}"#).contains("there is no n_layer"));
        assert!(
            message(r#"{"model_type": "gpt2", "n_layer": -1}"#)
                .contains("n_layer should be a number of things, found -1")
        );
        let llama = include_str!("../tests/fixtures/config_llama.json");
        assert!(message(&llama.replace("\"default\"", "\"yarn\"")).contains("\"yarn\" are not supported"));
        assert!(
            message(&llama.replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 3")).contains("head_dim")
        );
        let bert = BertConfig::from_hugging_face(llama).unwrap_err().to_string();
        assert!(bert.contains("\"llama\" is not \"bert\""), "{bert}");
    }
}
