//! The `--tui` dashboard: curves, progress, scores and samples while a run trains.
//!
//! burn has a dashboard too, but its thread polls without sleeping and so takes a whole core from the training.

mod draw;
mod speed;
mod state;

use std::{
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    panic, process,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        event::{self, Event as TerminalEvent, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use training_loop::{
    event::{Event, Observer},
    fit::Interrupt,
};

use self::{draw::draw, speed::Speed, state::State};

/// The shortest time between two pictures; also how long the end of a run may wait for the thread.
const FRAME: Duration = Duration::from_millis(100);

/// What the shell reports for a process that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Whether the dashboard has the terminal. Held while anything is written to it, so that nothing is drawn after a restore.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// Shows a run on the whole terminal, from a thread of its own that sleeps between two pictures.
///
/// `q` and Ctrl-C stop the run after its step, with a checkpoint; once more, and the process ends at once with exit code 130.
/// The terminal is given back at [`Event::End`], when this value is dropped and when anything panics.
pub struct Tui {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes over the terminal on standard error: standard output belongs to whoever holds its lock.
    ///
    /// `header` says which run this is, from the most to the least important: its name and job first, then backend and device.
    /// Small terminals show only the first line, and no terminal more than three.
    ///
    /// # Errors
    /// Standard error is no terminal, or one that cannot be switched to raw mode.
    pub fn new(header: Vec<String>, interrupt: Interrupt) -> io::Result<Self> {
        if !io::stderr().is_terminal() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "--tui draws on standard error, which is not a terminal here: leave --tui out, or do not redirect it",
            ));
        }
        let shared = Arc::new(Shared::new(header));
        restore_on_panic();
        take_terminal()?;
        let thread = Terminal::new(CrosstermBackend::new(Screen::default())).and_then(|terminal| {
            let shared = shared.clone();
            thread::Builder::new().name("dashboard".into()).spawn(move || {
                Dashboard::new(terminal, shared, interrupt).run();
                Self::restore();
            })
        });
        match thread {
            Ok(thread) => Ok(Self { shared, thread: Some(thread) }),
            Err(error) => {
                Self::restore();
                Err(error)
            }
        }
    }

    /// Gives the terminal back as it was, from any thread and as often as one likes: for a signal handler that exits.
    pub fn restore() {
        let mut taken = lock(&TAKEN);
        if std::mem::take(&mut *taken) {
            // A terminal that is gone needs no tidying.
            let _ = disable_raw_mode();
            let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
        }
    }

    fn close(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
        Self::restore();
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.close();
    }
}

impl Observer for Tui {
    fn on_event(&mut self, event: &Event<'_>) {
        match event {
            // The one that comes with every step costs one store.
            Event::Step { step } => self.shared.step.store(*step, Ordering::Relaxed),
            Event::End(_) => self.close(),
            _ => {
                if let Event::Start { step, .. } = event {
                    self.shared.step.store(*step, Ordering::Relaxed);
                }
                lock(&self.shared.state).apply(event);
                self.shared.changed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// What the loop writes and the thread reads.
struct Shared {
    step: AtomicU64,
    changed: AtomicBool,
    closing: AtomicBool,
    state: Mutex<State>,
}

impl Shared {
    fn new(header: Vec<String>) -> Self {
        Self {
            step: AtomicU64::new(0),
            changed: AtomicBool::new(true),
            closing: AtomicBool::new(false),
            state: Mutex::new(State::new(header)),
        }
    }
}

/// The thread's side.
struct Dashboard {
    terminal: Terminal<CrosstermBackend<Screen>>,
    shared: Arc<Shared>,
    interrupt: Interrupt,
    began: Option<Instant>,
    speed: Speed,
    /// What the picture on the screen was drawn from: step, second, whether the run was asked to stop.
    shown: Option<(u64, u64, bool)>,
}

impl Dashboard {
    fn new(terminal: Terminal<CrosstermBackend<Screen>>, shared: Arc<Shared>, interrupt: Interrupt) -> Self {
        Self { terminal, shared, interrupt, began: None, speed: Speed::default(), shown: None }
    }

    /// Draws until it is told to stop, or the terminal goes away.
    fn run(mut self) {
        let mut due = Instant::now();
        while !self.shared.closing.load(Ordering::Relaxed) && *lock(&TAKEN) {
            // Sleeps until the next picture is due or a key is pressed.
            let result = match event::poll(due.saturating_duration_since(Instant::now())) {
                Ok(true) => event::read().and_then(|event| self.handle(&event)),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            let result = result.and_then(|()| {
                if Instant::now() < due {
                    return Ok(());
                }
                due = Instant::now() + FRAME;
                self.refresh()
            });
            if result.is_err() {
                break;
            }
        }
    }

    fn handle(&mut self, event: &TerminalEvent) -> io::Result<()> {
        match event {
            TerminalEvent::Key(key) if key.kind == KeyEventKind::Press => self.press(*key)?,
            TerminalEvent::Resize(..) => self.shared.changed.store(true, Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    }

    fn press(&mut self, key: KeyEvent) -> io::Result<()> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => self.quit(),
            KeyCode::Char('q') => self.quit(),
            // Whatever else writes to the terminal spoils the picture.
            KeyCode::Char('l') if control => self.terminal.clear()?,
            KeyCode::Tab | KeyCode::Right => lock(&self.shared.state).select_next(),
            KeyCode::BackTab | KeyCode::Left => lock(&self.shared.state).select_previous(),
            _ => return Ok(()),
        }
        self.shared.changed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Asks the loop to stop; it was asked already: stops the process.
    fn quit(&self) {
        if self.interrupt.is_set() {
            Tui::restore();
            let _ = writeln!(io::stderr(), "stopped at once: what came after the last checkpoint is lost");
            process::exit(EXIT_INTERRUPTED);
        }
        self.interrupt.set();
    }

    /// Draws, if there is anything new to see.
    fn refresh(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let step = self.shared.step.load(Ordering::Relaxed);
        let changed = self.shared.changed.swap(false, Ordering::Relaxed);
        let mut state = lock(&self.shared.state);
        if state.progress.started {
            let began = *self.began.get_or_insert(now);
            state.progress.elapsed = now.saturating_duration_since(began).as_secs_f64();
            state.progress.steps_per_second = self.speed.observe(now, step);
        }
        state.progress.step = step;
        state.stopping = self.interrupt.is_set();
        let shown = Some((step, state.progress.elapsed as u64, state.stopping));
        if changed || self.shown != shown {
            self.terminal.draw(|frame| draw(frame, &state))?;
            self.shown = shown;
        }
        Ok(())
    }
}

/// Gathers a picture and writes it in one go, and only while the dashboard has the terminal.
#[derive(Default)]
struct Screen(Vec<u8>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let taken = lock(&TAKEN);
        let written = if *taken { io::stderr().write_all(&self.0) } else { Ok(()) };
        self.0.clear();
        written
    }
}

fn take_terminal() -> io::Result<()> {
    let mut taken = lock(&TAKEN);
    if *taken {
        return Err(io::Error::new(ErrorKind::ResourceBusy, "another run of this process has the terminal"));
    }
    enable_raw_mode()?;
    if let Err(error) = execute!(BufWriter::new(io::stderr()), EnterAlternateScreen) {
        let _ = disable_raw_mode();
        return Err(error);
    }
    *taken = true;
    Ok(())
}

/// A panic's message must land on the terminal as it was, not on a screen that vanishes.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            Tui::restore();
            hook(info);
        }));
    });
}

/// Nothing here is left half changed by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
