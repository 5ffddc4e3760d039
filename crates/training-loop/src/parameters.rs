//! The parameters of a module in a fixed order, flattened to rank 1, so that optimisers, clipping and averaging need not know
//! names, ranks or burn's `ParamId`s (which change whenever weights are loaded).

use burn::{
    module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};

/// A float parameter or buffer of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Dotted path, the same as in checkpoints.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether the module asks for its gradient; false for buffers such as running means.
    pub trainable: bool,
}

impl ParameterInfo {
    /// Number of elements.
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Every float parameter and buffer, in the order in which the module visits them; the index in this list identifies a
/// parameter everywhere in this crate.
pub fn list<B: Backend, M: Module<B>>(module: &M) -> Vec<ParameterInfo> {
    #[derive(Default)]
    struct Lister {
        path: Vec<String>,
        found: Vec<ParameterInfo>,
    }
    impl<B: Backend> ModuleVisitor<B> for Lister {
        fn enter_module(&mut self, name: &str, container: &str) {
            if !is_enum(container) {
                self.path.push(name.into());
            }
        }
        fn exit_module(&mut self, _: &str, container: &str) {
            if !is_enum(container) {
                self.path.pop();
            }
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.found.push(ParameterInfo {
                path: self.path.join("."),
                shape: param.lazy_shape().to_vec(),
                trainable: param.val().is_require_grad(),
            });
        }
    }
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found
}

/// Whether a module that a visitor enters is an enum, by its type: the name of its variant is no part of a path (see
/// [`weights::collect`](crate::weights::collect)).
pub fn is_enum(container_type: &str) -> bool {
    container_type.starts_with("Enum:")
}

/// Takes the gradients of the parameters for which `wanted(index)` holds, flattened; `None` where there is none.
pub fn take_gradients<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: &M,
    gradients: &mut B::Gradients,
    wanted: impl Fn(usize) -> bool,
) -> Vec<Option<Tensor<B::InnerBackend, 1>>> {
    struct Taker<'a, B: AutodiffBackend, F> {
        gradients: &'a mut B::Gradients,
        wanted: F,
        taken: Vec<Option<Tensor<B::InnerBackend, 1>>>,
    }
    impl<B: AutodiffBackend, F: Fn(usize) -> bool> ModuleVisitor<B> for Taker<'_, B, F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let gradient = if (self.wanted)(self.taken.len()) { param.val().grad_remove(self.gradients) } else { None };
            self.taken.push(gradient.map(flatten));
        }
    }
    let mut taker = Taker { gradients, wanted, taken: Vec::new() };
    module.visit(&mut taker);
    taker.taken
}

/// The values of all parameters and buffers, flattened; they share memory with the module.
pub fn values<B: Backend, M: Module<B>>(module: &M) -> Vec<Tensor<B, 1>> {
    struct Reader<B: Backend>(Vec<Tensor<B, 1>>);
    impl<B: Backend> ModuleVisitor<B> for Reader<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.push(flatten(param.val()));
        }
    }
    let mut reader = Reader(Vec::new());
    module.visit(&mut reader);
    reader.0
}

/// Replaces the values of all parameters and buffers by `values`, in their order.
pub fn with_values<B: Backend, M: Module<B>>(module: M, values: Vec<Tensor<B, 1>>) -> M {
    struct Writer<B: Backend>(std::vec::IntoIter<Tensor<B, 1>>);
    impl<B: Backend> ModuleMapper<B> for Writer<B> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            match self.0.next() {
                Some(value) => param.map(|old| value.reshape(old.shape())),
                None => param,
            }
        }
    }
    module.map(&mut Writer(values.into_iter()))
}

/// Lets `update(index, value)` change parameters, on the backend without gradients; `None` leaves one as it is.
///
/// The value is handed over, not shared, so that an update may work in place.
pub fn update<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: M,
    wanted: impl Fn(usize) -> bool,
    update: impl FnMut(usize, Tensor<B::InnerBackend, 1>) -> Tensor<B::InnerBackend, 1>,
) -> M {
    struct Updater<W, U> {
        index: usize,
        wanted: W,
        update: U,
    }
    impl<B, W, U> ModuleMapper<B> for Updater<W, U>
    where
        B: AutodiffBackend,
        W: Fn(usize) -> bool,
        U: FnMut(usize, Tensor<B::InnerBackend, 1>) -> Tensor<B::InnerBackend, 1>,
    {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let index = self.index;
            self.index += 1;
            if !(self.wanted)(index) {
                return param;
            }
            let (id, tensor, mapper) = param.consume();
            let require_grad = tensor.is_require_grad();
            let shape = tensor.shape();
            let updated = (self.update)(index, flatten(tensor.inner())).reshape::<D, _>(shape);
            let tensor = Tensor::from_inner(updated).set_require_grad(require_grad);
            Param::from_mapped_value(id, tensor, mapper)
        }
    }
    module.map(&mut Updater { index: 0, wanted, update })
}

/// Makes exactly the parameters for which `trains(index)` holds ask for a gradient. Buffers must not be among them.
pub fn set_trainable<B: AutodiffBackend, M: AutodiffModule<B>>(module: M, trains: impl Fn(usize) -> bool) -> M {
    struct Setter<F> {
        index: usize,
        trains: F,
    }
    impl<B: AutodiffBackend, F: Fn(usize) -> bool> ModuleMapper<B> for Setter<F> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let trains = (self.trains)(self.index);
            self.index += 1;
            if param.val().is_require_grad() == trains {
                return param;
            }
            param.map(|tensor| tensor.detach().set_require_grad(trains))
        }
    }
    module.map(&mut Setter { index: 0, trains })
}

fn flatten<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Tensor<B, 1> {
    tensor.reshape([-1])
}
