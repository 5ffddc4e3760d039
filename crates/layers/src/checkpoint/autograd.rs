//! What a checkpoint needs of `Autodiff` behind a `B: Backend`.
//!
//! **Why a thread.** burn's backward pass holds the graph that it goes through, and at its end looks over all graphs there are, waiting
//! for each. One that begins inside of another therefore waits for the outer one (burn's issue 5194). Here it does so on a thread of
//! its own, which has handed over the gradients before and ends soon after the outer pass; it computes on the GPU stream of the
//! caller. Its graph begins at leaves of its own, since to build on those of the outer pass is to wait as well.

#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::{
    backend::{
        Autodiff,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{
        Shape, StreamId, TensorMetadata,
        backend::{AutodiffBackend, Backend, BackendTypes},
        ops::FloatTensor,
    },
};
use std::{
    any::Any,
    array, fmt, panic,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        mpsc::{Sender, channel},
    },
    thread,
};

/// Nodes that a recorded segment has at most before it: those of its inputs and of a parameter.
pub(super) const PARENTS: usize = 8;

/// A float tensor of `I` under `Autodiff`.
type Tracked<I> = <Autodiff<I> as BackendTypes>::FloatTensorPrimitive;

/// From the gradient of a segment's output, those of the nodes before it.
type SegmentBackward<P> = Box<dyn FnOnce(P) -> Vec<(NodeId, P)> + Send>;

/// Computes a segment from these leaves.
type Run<'a, P> = Box<dyn FnOnce(Vec<P>) -> P + 'a>;

/// Of each leaf, where the segment's output depends on it.
type LeafGradients<P> = Vec<Option<P>>;

/// What can be done where tensors are of the type `P`.
pub(super) struct Autograd<P> {
    /// The node of a tensor that needs a gradient.
    pub node: fn(&P) -> Option<NodeId>,
    /// Puts a tensor behind the nodes of others, with what the backward pass does there. At most [`PARENTS`].
    pub record: fn(Vec<P>, P, SegmentBackward<P>) -> P,
    /// The gradients of the leaves that a segment is computed from, given that of its output; inside of a backward pass.
    pub gradients: fn(Vec<P>, Run<'_, P>, P) -> LeafGradients<P>,
}

impl<P> Clone for Autograd<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Autograd<P> {}

/// Those of backends that were enabled: an [`Autograd`] each.
static ENABLED: RwLock<Vec<Box<dyn Any + Send + Sync>>> = RwLock::new(Vec::new());

/// Lets [`checkpoint`](super::checkpoint) work on a backend, which it knows by itself where that is `Autodiff` of NdArray or Flex.
/// Models are generic over `B: Backend` and cannot tell how to differentiate; who trains them can. Once a process is enough.
pub fn enable<B: AutodiffBackend>() {
    let autograd: Box<dyn Any + Send + Sync> = Box::new(autograd::<B::InnerBackend>());
    let is_known = |known: &Box<dyn Any + Send + Sync>| (**known).type_id() == (*autograd).type_id();
    let mut enabled = ENABLED.write().unwrap_or_else(PoisonError::into_inner);
    if !enabled.iter().any(is_known) {
        enabled.push(autograd);
    }
}

impl<P: 'static> Autograd<P> {
    /// None where the backend records no gradients, or is not known.
    pub fn of() -> Option<Self> {
        let is = |known: &dyn Any| known.downcast_ref::<Self>().copied();
        #[cfg(feature = "flex")]
        if let Some(autograd) = is(&autograd::<Flex>()) {
            return Some(autograd);
        }
        #[cfg(feature = "ndarray")]
        if let Some(autograd) = is(&autograd::<NdArray>()) {
            return Some(autograd);
        }
        ENABLED.read().unwrap_or_else(PoisonError::into_inner).iter().find_map(|known| is(&**known))
    }
}

fn autograd<I: Backend>() -> Autograd<Tracked<I>> {
    Autograd { node: node::<I>, record: record::<I>, gradients: gradients::<I> }
}

fn node<I: Backend>(tensor: &Tracked<I>) -> Option<NodeId> {
    tensor.is_tracked().then_some(tensor.node.id)
}

fn record<I: Backend>(
    parents: Vec<Tracked<I>>,
    output: Tracked<I>,
    backward: SegmentBackward<Tracked<I>>,
) -> Tracked<I> {
    let nodes = array::from_fn(|index| parents.get(index).unwrap_or(&output).node.clone());
    let kept = Kept::<I>(Arc::new(Mutex::new(Some(backward))));
    match Recompute.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(kept, output.primitive),
        OpsKind::UnTracked(prep) => prep.finish(output.primitive),
    }
}

/// A state has to be `Clone`; it is taken once.
struct Kept<I: Backend>(Arc<Mutex<Option<SegmentBackward<Tracked<I>>>>>);

impl<I: Backend> Clone for Kept<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Backend> fmt::Debug for Kept<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// The step of a segment.
#[derive(Debug)]
struct Recompute;

impl<I: Backend> Backward<I, PARENTS> for Recompute {
    type State = Kept<I>;

    fn backward(self, ops: Ops<Kept<I>, PARENTS>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = Autodiff::<I>::from_inner(grads.consume::<I>(&ops.node));
        let backward = ops.state.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let backward = backward.expect("burn takes each step once");
        for (id, gradient) in backward(gradient) {
            grads.register::<I>(id, gradient.primitive);
        }
    }
}

/// The graph of the inner pass: an end, a tap for each leaf in front of it, the segment, and a start with the given gradient. Taps
/// take the gradients out of the pass, and the end, which comes last, says that all are there.
fn gradients<I: Backend>(
    leaves: Vec<Tracked<I>>,
    run: Run<'_, Tracked<I>>,
    gradient: Tracked<I>,
) -> LeafGradients<Tracked<I>> {
    let (device, dtype) = (I::float_device(&gradient.primitive), gradient.primitive.dtype());
    let nothing = || I::float_zeros(Shape::new([1]), &device, dtype.into());
    let (done, wait) = channel();
    let found = Found::<I>(Arc::new(Mutex::new(leaves.iter().map(|_| None).collect())));

    let last = Autodiff::<I>::from_inner(nothing()).require_grad();
    let end = follow::<I, _>(End, &last, done, nothing());
    let taps = leaves.into_iter().enumerate().map(|(index, leaf)| {
        let state = (index, found.clone());
        follow::<I, _>(Tap, &end, state, leaf.primitive)
    });
    let output = run(taps.collect());
    drop((last, end));
    if output.is_tracked() {
        let start = follow::<I, _>(Start, &output, Given(gradient.primitive), nothing());
        drop(output);
        let stream = StreamId::current();
        let pass = thread::spawn(move || stream.executes(|| drop(start.backward())));
        if wait.recv().is_err() {
            pass.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        }
    }
    let mut found = found.0.lock().unwrap_or_else(PoisonError::into_inner);
    found.drain(..).map(|gradient| gradient.map(Autodiff::<I>::from_inner)).collect()
}

/// A tensor behind another one.
fn follow<I: Backend, O: Backward<I, 1>>(
    step: O,
    parent: &Tracked<I>,
    state: O::State,
    output: FloatTensor<I>,
) -> Tracked<I> {
    match step.prepare::<NoCheckpointing>([parent.node.clone()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct End;

impl<I: Backend> Backward<I, 1> for End {
    type State = Sender<()>;

    fn backward(self, ops: Ops<Sender<()>, 1>, _grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        // Who waits is there until it hears this.
        let _ = ops.state.send(());
    }
}

/// Gradients of the leaves, in their order.
struct Found<I: Backend>(Arc<Mutex<Vec<Option<FloatTensor<I>>>>>);

impl<I: Backend> Clone for Found<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Backend> fmt::Debug for Found<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Found")
    }
}

#[derive(Debug)]
struct Tap;

impl<I: Backend> Backward<I, 1> for Tap {
    type State = (usize, Found<I>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (index, found) = ops.state;
        found.0.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(grads.consume::<I>(&ops.node));
    }
}

struct Given<I: Backend>(FloatTensor<I>);

impl<I: Backend> Clone for Given<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Backend> fmt::Debug for Given<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

#[derive(Debug)]
struct Start;

impl<I: Backend> Backward<I, 1> for Start {
    type State = Given<I>;

    fn backward(self, ops: Ops<Given<I>, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        grads.consume::<I>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<I>(parent.id, ops.state.0);
        }
    }
}
