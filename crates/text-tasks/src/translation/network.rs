//! What the job asks of a family of encoders and decoders.

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Bool, Int, Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use layers::beam::Decoder;
use training_loop::{
    error::TaskError,
    job::{AssembleContext, Block},
    optimizer::ParameterGroup,
    parameters::ParameterInfo,
};

/// A network that reads one text and writes another. It learns from whole targets, and writes token by token as [`Decoder`]
/// says.
pub trait EncoderDecoder<B: Backend>: Module<B> + Decoder<B, State: Clone> {
    /// The most tokens of a source, and of a target, that it reads; none where there is no limit. Default: none.
    fn context_len(&self) -> Option<usize> {
        None
    }

    /// Reads the sources: the state in which the decoder starts.
    ///
    /// # Shapes
    /// - sources: `[batch, source time]`, padded at the end with any token
    /// - lengths: `batch` numbers in `1..=source time`
    fn encode(&self, sources: Tensor<B, 2, Int>, lengths: &[usize]) -> Self::State;

    /// The logits of the token after each of `inputs`, which begin with the token that starts a text.
    ///
    /// # Shapes
    /// - inputs: `[batch, time]`
    /// - logits: `[batch, time, target vocabulary]`
    fn decode(&self, inputs: Tensor<B, 2, Int>, state: Self::State) -> Tensor<B, 3>;

    /// The same, but a step reads its token from `inputs` only where `forced` is true, and elsewhere the token that the step
    /// before thought likeliest: scheduled sampling (Bengio et al. 2015, <https://arxiv.org/abs/1506.03099>). The first step
    /// always reads `inputs`.
    ///
    /// # Shapes
    /// - inputs, forced: `[batch, time]`
    /// - logits: `[batch, time, target vocabulary]`
    fn decode_sampled(
        &self,
        inputs: Tensor<B, 2, Int>,
        forced: Tensor<B, 2, Bool>,
        mut state: Self::State,
    ) -> Tensor<B, 3> {
        let [_, time] = inputs.dims();
        let mut steps = Vec::with_capacity(time);
        let mut likeliest: Option<Tensor<B, 2, Int>> = None;
        for step in 0..time {
            let given = inputs.clone().narrow(1, step, 1);
            let read = match likeliest {
                Some(likeliest) => likeliest.mask_where(forced.clone().narrow(1, step, 1), given),
                None => given,
            };
            let (logits, after) = self.step(read.squeeze_dim(1), state);
            likeliest = Some(logits.clone().detach().argmax(1)); // [batch, 1]
            steps.push(logits);
            state = after;
        }
        Tensor::stack(steps, 1)
    }

    /// How much the decoder looks at each token of the source when it writes the token after each of `inputs`; each row sums
    /// to 1. Default: none, for networks that do not look.
    ///
    /// # Shapes
    /// - sources, lengths: as for [`encode`](Self::encode)
    /// - inputs: `[batch, time]`
    /// - output: `[batch, time, source time]`
    fn alignment(
        &self,
        _sources: Tensor<B, 2, Int>,
        _lengths: &[usize],
        _inputs: Tensor<B, 2, Int>,
    ) -> Option<Tensor<B, 3>> {
        None
    }
}

/// The `[model]` of a job that trains encoders and decoders: a family's name, and how its network is made.
pub trait EncoderDecoderFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;

    /// The network.
    type Model<B: Backend>: EncoderDecoder<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + EncoderDecoder<B>
        + From<Self::Model<B>>;

    /// A network with random weights. Both sizes count the token that stands at the ends of texts.
    ///
    /// # Errors
    /// When this `[model]` does not go with the vocabularies.
    fn init<B: Backend>(
        &self,
        source_vocab: usize,
        target_vocab: usize,
        device: &B::Device,
    ) -> Result<Self::Model<B>, TaskError>;

    /// Puts the weights that `[model]` names in place of the random ones. Default: it names none.
    ///
    /// # Errors
    /// When they cannot be had or do not fit.
    fn load_pretrained<B: Backend>(
        &self,
        _model: &mut Self::Model<B>,
        _context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        Ok(())
    }

    /// Settings of its network's parameters that go with this family, such as no weight decay on normalisations; those of the
    /// config come after them and win. Default: none.
    fn parameter_groups(&self, _parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        Vec::new()
    }
}
