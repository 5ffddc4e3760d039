//! The backends compiled in and the devices they find. The one file that names concrete backends.
//!
//! Everything computes in `f32` with each backend's own integers: the precision that holds on all of them.

use std::{
    fmt::{self, Write},
    panic::{self, AssertUnwindSafe},
    str::FromStr,
};

use burn::tensor::backend::AutodiffBackend;
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "flex", feature = "ndarray"))]
use burn::{backend::Autodiff, tensor::Tensor};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// burn's backends, the fastest first: of those compiled in, the first is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// NVIDIA GPUs by CUDA.
    Cuda,
    /// Any GPU, by Vulkan, Metal or DirectX.
    Wgpu,
    /// The CPU, by burn's newer backend.
    Flex,
    /// The CPU, by the crate ndarray.
    #[value(name = "ndarray")]
    NdArray,
}

impl BackendKind {
    const ALL: [Self; 4] = [Self::Cuda, Self::Wgpu, Self::Flex, Self::NdArray];

    /// Name on the command line, and of the cargo feature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
        }
    }

    /// Whether this build has it.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Flex => cfg!(feature = "flex"),
            Self::NdArray => cfg!(feature = "ndarray"),
        }
    }

    /// Those of this build, the fastest first.
    pub fn compiled_in() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| kind.is_compiled_in())
    }

    fn runs_on_gpu(self) -> bool {
        matches!(self, Self::Cuda | Self::Wgpu)
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value of `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The CPU; with wgpu a Vulkan driver that runs there.
    Cpu,
    /// A GPU: the best, or the n-th that the backend lists.
    Gpu(Option<usize>),
    /// The n-th GPU of CUDA.
    Cuda(usize),
    /// The n-th graphics card of wgpu.
    Discrete(usize),
    /// The n-th GPU of wgpu that is part of a processor.
    Integrated(usize),
    /// The n-th GPU of wgpu that a virtual machine offers.
    Virtual(usize),
}

impl DeviceRequest {
    fn suits(self, kind: BackendKind) -> bool {
        match self {
            Self::Cpu => kind != BackendKind::Cuda,
            Self::Gpu(_) => kind.runs_on_gpu(),
            Self::Cuda(_) => kind == BackendKind::Cuda,
            Self::Discrete(_) | Self::Integrated(_) | Self::Virtual(_) => kind == BackendKind::Wgpu,
        }
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Gpu(None) => write!(f, "gpu"),
            Self::Gpu(Some(n)) => write!(f, "gpu:{n}"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Discrete(n) => write!(f, "discrete:{n}"),
            Self::Integrated(n) => write!(f, "integrated:{n}"),
            Self::Virtual(n) => write!(f, "virtual:{n}"),
        }
    }
}

impl FromStr for DeviceRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected cpu, gpu, gpu:N, cuda:N, discrete:N, integrated:N or virtual:N, for example gpu:0".to_string();
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<usize>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let first = number.unwrap_or(0);
        match name {
            "cpu" if first == 0 => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(number)),
            "cuda" => Ok(Self::Cuda(first)),
            "discrete" => Ok(Self::Discrete(first)),
            "integrated" => Ok(Self::Integrated(first)),
            "virtual" => Ok(Self::Virtual(first)),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for DeviceRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeviceRequest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Device".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(cpu|gpu|(gpu|cuda|discrete|integrated|virtual):[0-9]+)$"
        })
    }
}

/// Why nothing can be computed as asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The build lacks the backend.
    #[error(
        "the backend {asked} is not compiled in (there is {}); to have it: cargo run -p train --features {asked} -- ...",
        names(compiled_in)
    )]
    NotCompiledIn {
        /// What `--backend` says.
        asked: BackendKind,
        /// What there is instead.
        compiled_in: Vec<BackendKind>,
    },
    /// The build has no backend at all.
    #[error("no backend is compiled in; to have one: cargo run -p train --features ndarray -- ...")]
    None,
    /// None of the backends compiled in has such a device.
    #[error("no backend that is compiled in ({}) runs on --device {device}{}", names(compiled_in), offer(suited))]
    Unsuited {
        /// What `--device` says.
        device: DeviceRequest,
        /// What there is.
        compiled_in: Vec<BackendKind>,
        /// Backends that have such devices.
        suited: Vec<BackendKind>,
    },
    /// The backend finds no device, or not the one asked for, or cannot use it.
    #[error("backend {backend} finds no device here ({reason}); {}", alternatives(others))]
    NoDevice {
        /// The backend.
        backend: BackendKind,
        /// In one line.
        reason: String,
        /// The other backends compiled in.
        others: Vec<BackendKind>,
    },
    /// Both are compiled in.
    #[error(
        "this build has both `fusion` and `autotune`, which together have given wrong results on {0} with this version of burn; \
         build with one of the two, or set {FUSION_AND_AUTOTUNE}=1 to run nevertheless"
    )]
    FusionAndAutotune(BackendKind),
}

fn names(kinds: &[BackendKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

fn offer(suited: &[BackendKind]) -> String {
    match suited.first() {
        Some(kind) => format!("; to have one: cargo run -p train --features {kind} -- ..."),
        None => String::new(),
    }
}

fn alternatives(others: &[BackendKind]) -> String {
    match others {
        [] => "no other backend is compiled in: build with --features ndarray".into(),
        [only] => format!("compiled in as well: {only}; choose it with --backend {only}"),
        [first, ..] => format!("compiled in as well: {}; choose one with --backend {first}", names(others)),
    }
}

/// Set to 1, lets a build with both run.
///
/// Together they have given silently wrong results in burn 0.21 (tracel-ai/burn 5257, and 5079 on Vulkan), each alone has not.
/// Refusing at run time rather than by `compile_error!` keeps `--all-features` building for checks and documentation.
const FUSION_AND_AUTOTUNE: &str = "KILN_FUSION_WITH_AUTOTUNE";

/// A backend and one of its devices, which is there.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendChoice {
    /// The backend.
    pub kind: BackendKind,
    /// Name of the device, for people.
    pub device_name: String,
    /// Why it is not the fastest backend, where it is not.
    pub note: Option<String>,
    device: Device,
}

#[derive(Debug, Clone, PartialEq)]
enum Device {
    #[cfg(feature = "cuda")]
    Cuda(burn::backend::cuda::CudaDevice),
    #[cfg(feature = "wgpu")]
    Wgpu(burn::backend::wgpu::WgpuDevice),
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    Cpu,
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.kind, self.device_name)
    }
}

impl BackendChoice {
    /// Decides where to compute. Without wishes that is the fastest backend compiled in.
    pub fn new(backend: Option<BackendKind>, device: Option<DeviceRequest>) -> Result<Self, BackendError> {
        let choice = match backend {
            Some(kind) if !kind.is_compiled_in() => {
                return Err(BackendError::NotCompiledIn {
                    asked: kind,
                    compiled_in: BackendKind::compiled_in().collect(),
                });
            }
            Some(kind) => Self::on(kind, device)?,
            None => Self::fastest(device)?,
        };
        let allowed = std::env::var_os(FUSION_AND_AUTOTUNE).is_some_and(|value| value == "1");
        if cfg!(all(feature = "fusion", feature = "autotune")) && choice.kind.runs_on_gpu() && !allowed {
            return Err(BackendError::FusionAndAutotune(choice.kind));
        }
        Ok(choice)
    }

    fn fastest(device: Option<DeviceRequest>) -> Result<Self, BackendError> {
        let compiled_in: Vec<BackendKind> = BackendKind::compiled_in().collect();
        if compiled_in.is_empty() {
            return Err(BackendError::None);
        }
        let suits = |kind: &BackendKind| device.is_none_or(|device| device.suits(*kind));
        let suited: Vec<BackendKind> = match device {
            // A CPU backend beats a Vulkan driver on the CPU.
            Some(DeviceRequest::Cpu) => compiled_in.iter().rev().copied().filter(suits).collect(),
            _ => compiled_in.iter().copied().filter(suits).collect(),
        };
        let fastest = match device {
            Some(DeviceRequest::Cpu) => suited.iter().find(|kind| **kind == BackendKind::Flex).or(suited.first()),
            _ => suited.first(),
        };
        match fastest {
            Some(BackendKind::Wgpu) if device.is_none() => Self::wgpu_unless_software(),
            Some(kind) => Self::on(*kind, device),
            None => {
                let suited = BackendKind::ALL.into_iter().filter(suits).collect();
                Err(device.map_or(BackendError::None, |device| BackendError::Unsuited { device, compiled_in, suited }))
            }
        }
    }

    /// Where wgpu finds nothing but a driver that runs on the CPU, a CPU backend computes the same many times faster.
    fn wgpu_unless_software() -> Result<Self, BackendError> {
        let wgpu = Self::on(BackendKind::Wgpu, None)?;
        let cpu = BackendKind::compiled_in().find(|kind| !kind.runs_on_gpu());
        match (wgpu.is_software(), cpu) {
            (true, Some(kind)) => {
                let note = format!(
                    "wgpu finds only {}, which is no GPU: --backend wgpu uses it nevertheless",
                    wgpu.device_name
                );
                Ok(Self { note: Some(note), ..Self::on(kind, None)? })
            }
            _ => Ok(wgpu),
        }
    }

    #[cfg(feature = "wgpu")]
    fn is_software(&self) -> bool {
        // The variable is cubecl's own way to ask for a device.
        let asked_for = std::env::var_os("CUBECL_WGPU_DEFAULT_DEVICE").is_some();
        !asked_for && self.device_name.ends_with(adapters::SOFTWARE)
    }

    #[cfg(not(feature = "wgpu"))]
    fn is_software(&self) -> bool {
        false
    }

    /// The device of a backend that is compiled in.
    fn on(kind: BackendKind, device: Option<DeviceRequest>) -> Result<Self, BackendError> {
        if let Some(device) = device.filter(|device| !device.suits(kind)) {
            return Err(no_device(kind, format!("it does not run on --device {device}")));
        }
        let found = match kind {
            #[cfg(feature = "cuda")]
            BackendKind::Cuda => cuda::device(device).map(|(device, name)| (Device::Cuda(device), name)),
            #[cfg(feature = "wgpu")]
            BackendKind::Wgpu => adapters::device(device).map(|(device, name)| (Device::Wgpu(device), name)),
            #[cfg(feature = "flex")]
            BackendKind::Flex => Ok((Device::Cpu, cpu_name())),
            #[cfg(feature = "ndarray")]
            BackendKind::NdArray => Ok((Device::Cpu, cpu_name())),
            #[allow(unreachable_patterns, reason = "reachable only where a backend is left out")]
            kind => {
                return Err(BackendError::NotCompiledIn {
                    asked: kind,
                    compiled_in: BackendKind::compiled_in().collect(),
                });
            }
        };
        let (device, device_name) = found.map_err(|reason| no_device(kind, reason))?;
        Ok(Self { kind, device_name, note: None, device })
    }
}

fn no_device(backend: BackendKind, reason: String) -> BackendError {
    BackendError::NoDevice {
        backend,
        reason,
        others: BackendKind::compiled_in().filter(|kind| *kind != backend).collect(),
    }
}

/// Something to do that works on every backend.
pub trait WithBackend {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output;
}

/// Runs `task` on the chosen backend and device, once it is sure that the device computes.
pub fn dispatch<T: WithBackend>(choice: &BackendChoice, task: T) -> Result<T::Output, BackendError> {
    match (choice.kind, &choice.device) {
        #[cfg(feature = "cuda")]
        (_, Device::Cuda(device)) => run_on::<Autodiff<burn::backend::Cuda>, T>(choice.kind, device.clone(), task),
        #[cfg(feature = "wgpu")]
        (_, Device::Wgpu(device)) => run_on::<Autodiff<burn::backend::Wgpu>, T>(choice.kind, device.clone(), task),
        #[cfg(feature = "flex")]
        (BackendKind::Flex, _) => run_on::<Autodiff<burn::backend::Flex>, T>(choice.kind, Default::default(), task),
        #[cfg(feature = "ndarray")]
        (BackendKind::NdArray, _) => {
            run_on::<Autodiff<burn::backend::NdArray>, T>(choice.kind, Default::default(), task)
        }
        #[allow(unreachable_patterns, reason = "reachable only where a backend is left out")]
        (kind, _) => {
            Err(BackendError::NotCompiledIn { asked: kind, compiled_in: BackendKind::compiled_in().collect() })
        }
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "flex", feature = "ndarray"))]
fn run_on<B: AutodiffBackend, T: WithBackend>(
    kind: BackendKind,
    device: B::Device,
    task: T,
) -> Result<T::Output, BackendError> {
    if kind.runs_on_gpu() {
        // A driver that is listed may still refuse a device, or lack the compiler for kernels; burn panics then.
        let computes = quietly(|| {
            let ones = Tensor::<B::InnerBackend, 1>::ones([4], &device);
            let sum: f32 = burn::tensor::ElementConversion::elem(ones.sum().into_scalar());
            sum
        });
        match computes {
            Ok(4.0) => {}
            Ok(sum) => return Err(no_device(kind, format!("a trial sum gave {sum} instead of 4"))),
            Err(reason) => return Err(no_device(kind, reason)),
        }
    }
    Ok(task.run::<B>(device))
}

/// Runs what may panic; the first line of the panic is the error, and nothing is printed.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "flex", feature = "ndarray"))]
fn quietly<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(action));
    panic::set_hook(hook);
    outcome.map_err(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
        text.and_then(|text| text.lines().next()).unwrap_or("its driver failed").to_string()
    })
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn cpu_name() -> String {
    let simd = simd();
    let simd = if simd.is_empty() { String::new() } else { format!(", {}", simd.join(" ")) };
    match threads() {
        1 => format!("CPU, 1 thread{simd}"),
        count => format!("CPU, {count} threads{simd}"),
    }
}

/// Vector instructions of this processor.
fn simd() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let found = [
            ("AVX", std::is_x86_feature_detected!("avx")),
            ("AVX2", std::is_x86_feature_detected!("avx2")),
            ("FMA", std::is_x86_feature_detected!("fma")),
            ("AVX-512", std::is_x86_feature_detected!("avx512f")),
        ];
        found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        vec!["NEON"]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

/// The backends and their devices, for `train info`.
pub fn describe() -> String {
    let mut text = String::from("backends, the fastest first\n");
    for kind in BackendKind::ALL {
        let devices = match devices(kind) {
            None => vec![format!("not compiled in; to have it: cargo run -p train --features {kind} -- ...")],
            Some(Ok(devices)) => devices,
            Some(Err(reason)) => vec![format!("no device ({reason})")],
        };
        for (index, device) in devices.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {:8} {device}", if index == 0 { kind.name() } else { "" });
        }
    }
    let default = match BackendChoice::new(None, None) {
        Ok(choice) => choice.note.iter().fold(choice.to_string(), |text, note| format!("{text}\n  {note}")),
        Err(error) => error.to_string(),
    };
    let on = |feature: bool| if feature { "on" } else { "off" };
    let (fusion, autotune) = (on(cfg!(feature = "fusion")), on(cfg!(feature = "autotune")));
    let _ = write!(text, "\ndefault: {default}\nkernels on a GPU: fusion {fusion}, autotune {autotune}\n");
    text
}

/// The devices of a backend, or why there is none; nothing for one that is not compiled in.
fn devices(kind: BackendKind) -> Option<Result<Vec<String>, String>> {
    match kind {
        #[cfg(feature = "cuda")]
        BackendKind::Cuda => Some(cuda::names().map(|names| {
            names.iter().enumerate().map(|(index, name)| format!("{name} (--device cuda:{index})")).collect()
        })),
        #[cfg(feature = "wgpu")]
        BackendKind::Wgpu => Some(adapters::names()),
        kind => (kind.is_compiled_in() && !kind.runs_on_gpu()).then(|| Ok(vec![cpu_name()])),
    }
}

#[cfg(feature = "wgpu")]
mod adapters {
    //! What wgpu would find, asked beforehand: cubecl panics where there is nothing.

    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use burn::backend::wgpu::{
        WgpuDevice,
        graphics::{AutoGraphicsApi, GraphicsApi},
    };
    use wgpu::{AdapterInfo, Backends, DeviceType, Instance, InstanceDescriptor};

    use super::DeviceRequest;

    /// End of the name of a device that is no GPU.
    pub(super) const SOFTWARE: &str = "runs on the CPU";

    struct Adapter {
        name: String,
        device: WgpuDevice,
        is_cpu: bool,
    }

    pub(super) fn device(wanted: Option<DeviceRequest>) -> Result<(WgpuDevice, String), String> {
        let all = list()?;
        let chosen = match wanted {
            // The default device follows cubecl's environment variable, and is the one that burn takes where none is named.
            None | Some(DeviceRequest::Gpu(None)) => {
                let best = all.iter().find(|adapter| !adapter.is_cpu).or(all.first());
                if wanted.is_some() && best.is_some_and(|best| best.is_cpu) {
                    return Err(format!("no GPU, only {}", all[0].name));
                }
                return best.map(|best| (WgpuDevice::DefaultDevice, best.name.clone())).ok_or_else(|| nothing().into());
            }
            Some(DeviceRequest::Cpu) => all.iter().find(|adapter| adapter.is_cpu),
            Some(DeviceRequest::Gpu(Some(index))) => all.iter().filter(|adapter| !adapter.is_cpu).nth(index),
            Some(DeviceRequest::Discrete(index)) => find(&all, &WgpuDevice::DiscreteGpu(index)),
            Some(DeviceRequest::Integrated(index)) => find(&all, &WgpuDevice::IntegratedGpu(index)),
            Some(DeviceRequest::Virtual(index)) => find(&all, &WgpuDevice::VirtualGpu(index)),
            Some(DeviceRequest::Cuda(_)) => None,
        };
        match chosen {
            Some(adapter) => Ok((adapter.device.clone(), adapter.name.clone())),
            None => {
                let wanted = wanted.map(|wanted| wanted.to_string()).unwrap_or_default();
                Err(format!("--device {wanted} is not among: {}", names()?.join("; ")))
            }
        }
    }

    fn find<'a>(all: &'a [Adapter], device: &WgpuDevice) -> Option<&'a Adapter> {
        all.iter().find(|adapter| adapter.device == *device)
    }

    /// Each device with the flag that chooses it.
    pub(super) fn names() -> Result<Vec<String>, String> {
        let flag = |device: &WgpuDevice| match device {
            WgpuDevice::DiscreteGpu(index) => format!("discrete:{index}"),
            WgpuDevice::IntegratedGpu(index) => format!("integrated:{index}"),
            WgpuDevice::VirtualGpu(index) => format!("virtual:{index}"),
            WgpuDevice::Cpu => "cpu".into(),
            _ => "gpu".into(),
        };
        let all = list()?;
        Ok(all.iter().map(|adapter| format!("{} (--device {})", adapter.name, flag(&adapter.device))).collect())
    }

    fn nothing() -> &'static str {
        "wgpu sees no adapter: is a graphics driver installed?"
    }

    /// The adapters in cubecl's order, each with the device that cubecl calls it.
    fn list() -> Result<Vec<Adapter>, String> {
        let api: Backends = AutoGraphicsApi::backend().into();
        let found = super::quietly(|| {
            let description = InstanceDescriptor { backends: api, ..InstanceDescriptor::new_without_display_handle() };
            ready(Instance::new(description).enumerate_adapters(api))
                .iter()
                .map(wgpu::Adapter::get_info)
                .collect::<Vec<_>>()
        })?;
        if found.is_empty() {
            return Err(nothing().into());
        }
        let nth = |index: usize, kind| found[..index].iter().filter(|info| info.device_type == kind).count();
        let adapter = |(index, info): (usize, &AdapterInfo)| Adapter {
            name: name(info),
            device: match info.device_type {
                DeviceType::DiscreteGpu => WgpuDevice::DiscreteGpu(nth(index, DeviceType::DiscreteGpu)),
                DeviceType::IntegratedGpu => WgpuDevice::IntegratedGpu(nth(index, DeviceType::IntegratedGpu)),
                DeviceType::VirtualGpu => WgpuDevice::VirtualGpu(nth(index, DeviceType::VirtualGpu)),
                DeviceType::Cpu => WgpuDevice::Cpu,
                DeviceType::Other => WgpuDevice::DefaultDevice,
            },
            is_cpu: info.device_type == DeviceType::Cpu,
        };
        Ok(found.iter().enumerate().map(adapter).collect())
    }

    fn name(info: &AdapterInfo) -> String {
        let kind = match info.device_type {
            DeviceType::DiscreteGpu => "graphics card",
            DeviceType::IntegratedGpu => "part of the processor",
            DeviceType::VirtualGpu => "virtual GPU",
            DeviceType::Cpu => SOFTWARE,
            DeviceType::Other => "GPU of unknown kind",
        };
        format!("{}, {}, {kind}", info.name, info.backend)
    }

    /// The outcome of a future that needs no reactor; wgpu's are ready at once outside a browser.
    fn ready<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            std::thread::yield_now();
        }
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    //! What CUDA would find, asked beforehand: cudarc panics where the driver's library is missing.

    use burn::backend::cuda::CudaDevice;
    use cudarc::driver::result;

    use super::DeviceRequest;

    pub(super) fn device(wanted: Option<DeviceRequest>) -> Result<(CudaDevice, String), String> {
        let names = names()?;
        let index = match wanted {
            Some(DeviceRequest::Cuda(index) | DeviceRequest::Gpu(Some(index))) => index,
            _ => 0,
        };
        match names.get(index) {
            Some(name) => Ok((CudaDevice::new(index), name.clone())),
            None => Err(format!("there is no cuda:{index} among: {}", names.join("; "))),
        }
    }

    /// The GPUs in CUDA's order.
    pub(super) fn names() -> Result<Vec<String>, String> {
        let listed = super::quietly(|| {
            result::init()?;
            (0..result::device::get_count()?)
                .map(|index| result::device::get_name(result::device::get(index)?))
                .collect()
        });
        match listed {
            Err(_) => Err("there is no CUDA driver: libcuda cannot be loaded".into()),
            Ok(Err(error)) => {
                let error: cudarc::driver::DriverError = error;
                Err(format!("CUDA says {error}"))
            }
            Ok(Ok(names)) if Vec::<String>::is_empty(&names) => Err("CUDA sees no GPU".into()),
            Ok(Ok(names)) => Ok(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_written() {
        for text in ["cpu", "gpu", "gpu:1", "cuda:0", "discrete:0", "integrated:2", "virtual:0"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        for wrong in ["", "cpu:1", "gpu:", "gpu:-1", "tpu", "cuda:x"] {
            assert!(wrong.parse::<DeviceRequest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_backend_that_is_missing_is_named_with_the_way_to_have_it() {
        for kind in BackendKind::ALL.into_iter().filter(|kind| !kind.is_compiled_in()) {
            let message = BackendChoice::new(Some(kind), None).unwrap_err().to_string();
            assert!(message.contains(&format!("cargo run -p train --features {kind} -- ")), "{message}");
        }
    }

    #[test]
    fn no_device_is_one_line_with_the_alternatives() {
        let error = BackendError::NoDevice {
            backend: BackendKind::Wgpu,
            reason: "no adapter".into(),
            others: vec![BackendKind::Flex, BackendKind::NdArray],
        };
        assert_eq!(
            error.to_string(),
            "backend wgpu finds no device here (no adapter); compiled in as well: flex, ndarray; choose one with --backend flex"
        );
    }

    struct Twice(f32);

    impl WithBackend for Twice {
        type Output = f32;

        fn run<B: AutodiffBackend>(self, device: B::Device) -> f32 {
            let tensor = burn::tensor::Tensor::<B, 1>::full([1], self.0, &device) * 2.0;
            burn::tensor::ElementConversion::elem(tensor.into_scalar())
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn the_chosen_backend_computes() {
        let choice = BackendChoice::new(Some(BackendKind::NdArray), Some(DeviceRequest::Cpu)).unwrap();
        assert_eq!(dispatch(&choice, Twice(21.0)), Ok(42.0));
        let error = BackendChoice::new(Some(BackendKind::NdArray), Some(DeviceRequest::Gpu(None))).unwrap_err();
        assert!(matches!(error, BackendError::NoDevice { backend: BackendKind::NdArray, .. }));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn flex_computes() {
        let choice = BackendChoice::new(Some(BackendKind::Flex), None).unwrap();
        assert_eq!(dispatch(&choice, Twice(21.0)), Ok(42.0));
    }

    /// Passed over where there is no Vulkan driver.
    #[cfg(feature = "wgpu")]
    #[test]
    fn wgpu_computes_or_says_why_not() {
        match BackendChoice::new(Some(BackendKind::Wgpu), None) {
            Ok(choice) => assert_eq!(dispatch(&choice, Twice(21.0)), Ok(42.0)),
            Err(error) => assert!(error.to_string().starts_with("backend wgpu finds no device here"), "{error}"),
        }
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn cuda_computes_or_says_why_not() {
        match BackendChoice::new(Some(BackendKind::Cuda), None) {
            Ok(choice) => assert_eq!(dispatch(&choice, Twice(21.0)), Ok(42.0)),
            Err(error) => assert!(error.to_string().starts_with("backend cuda finds no device here"), "{error}"),
        }
    }
}
