//! The parameters' names here and in the state dict of PyTorch's `nn.RNN`, `nn.LSTM` and `nn.GRU`.
//!
//! | PyTorch | here |
//! | --- | --- |
//! | `weight_ih_l0` | `layers.0.forward.weight_ih` |
//! | `bias_hh_l1_reverse` | `layers.1.reverse.bias_hh` |
//!
//! The numbers need no change: layout and order of the gates are the same. With burn-store:
//!
//! ```ignore
//! let names = KeyRemapper::from_patterns(state_dict::FROM_PYTORCH.to_vec())?;
//! let mut store = PytorchStore::from_file("lstm.pt").remap(names);
//! network.load_from(&mut store)?;
//! ```

/// Regular expressions and replacements, for burn-store's `KeyRemapper`, that turn PyTorch's names into ours. A prefix
/// (`encoder.lstm.`) is kept, other names are left alone.
pub const FROM_PYTORCH: [(&str, &str); 2] = [
    (r"(^|\.)(weight|bias)_(ih|hh)_l(\d+)$", "${1}layers.${4}.forward.${2}_${3}"),
    (r"(^|\.)(weight|bias)_(ih|hh)_l(\d+)_reverse$", "${1}layers.${4}.reverse.${2}_${3}"),
];

/// Regular expressions and replacements, for burn-store's `KeyRemapper`, that turn our names into PyTorch's. A prefix is
/// kept, other names are left alone.
pub const TO_PYTORCH: [(&str, &str); 2] = [
    (r"(^|\.)layers\.(\d+)\.forward\.(weight|bias)_(ih|hh)$", "${1}${3}_${4}_l${2}"),
    (r"(^|\.)layers\.(\d+)\.reverse\.(weight|bias)_(ih|hh)$", "${1}${3}_${4}_l${2}_reverse"),
];
