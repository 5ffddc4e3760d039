//! How a command fails: the one place that prints errors and knows the exit codes.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, Report};
use training_loop::error::TrainError;

use crate::{backend::BackendError, config::ConfigError};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The user can put it right: exit code 2.
    User(Report),
    /// The user cannot: exit code 1.
    Internal(Report),
    /// Ctrl-C, after everything was saved: exit code 130.
    Interrupted,
    /// Whoever reads the output went away, as `head` does. It is no failure.
    ClosedPipe,
}

impl Failure {
    /// A mistake of the user's, said in one message.
    pub fn user(message: impl fmt::Display) -> Self {
        Self::User(Report::msg(message.to_string()))
    }

    /// A failure that is not the user's doing.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Internal(Report::msg(message.to_string()))
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::User(_) => 2,
            Self::Internal(_) => 1,
            Self::Interrupted => 130,
            Self::ClosedPipe => 0,
        }
    }

    /// Prints the message to standard error: with colour on a terminal, in plain ASCII anywhere else.
    pub fn print(&self) {
        let text = match self {
            Self::User(report) | Self::Internal(report) => rendered(report.as_ref()),
            Self::Interrupted => "interrupted\n".into(),
            Self::ClosedPipe => return,
        };
        // Where standard error is closed there is nobody to tell.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn rendered(diagnostic: &dyn Diagnostic) -> String {
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let theme = match (io::stderr().is_terminal(), colours) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, _) => GraphicalTheme::none(),
    };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_links(false).with_wrap_lines(false).with_context_lines(1);
    let mut text = String::new();
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(_) => format!("{diagnostic}\n"),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::User(Report::new(error))
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::user(error)
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::NonFinite { .. } | TrainError::Io { .. } => Self::internal(error),
            _ => Self::user(error),
        }
    }
}

/// Of writing to standard output; errors of other files carry their path in an error of their own.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::internal(format!("cannot write the output: {error}")),
        }
    }
}
