//! What a call leaves behind for people to read: on stderr, and in a file where one is configured. Stdout belongs to the
//! protocol.

mod file;
mod phase;

pub(crate) use file::FileSettings;
pub(crate) use phase::{Phase, timed};

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use ipam_etcd::is_ours;
use tracing::{debug, error, info, warn};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt as _};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::protocol::{Call, CniError, Code, Command, Netconf};
use crate::settings::Fields;

/// Starts logging. A file that cannot be written is told of on stderr; no pod waits for it.
pub(crate) fn start(fields: &Fields) -> Result<(), CniError> {
    let settings = FileSettings::of(fields)?;
    let opened = settings.as_ref().map(FileSettings::open).transpose();
    let (writer, failure) = match opened {
        Ok(Some(file)) => (BoxMakeWriter::new(io::stderr.and(Mutex::new(file))), None),
        Ok(None) => (BoxMakeWriter::new(io::stderr), None),
        Err(failure) => (BoxMakeWriter::new(io::stderr), Some(failure)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level(fields)?)
        .finish()
        .with(filter_fn(is_ours));
    // A second start can only come from a second command in one process, which there is none of.
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| CniError::from_chain(Code::Internal, &error))?;
    if let Some((settings, failure)) = settings.zip(failure) {
        warn!(path = %settings.path.display(), %failure, "log_file_path cannot be written; the log goes to stderr alone");
    }
    fields.warn_of_unknown();
    Ok(())
}

fn level(fields: &Fields) -> Result<tracing::Level, CniError> {
    Ok(match fields.shared_text("log_level")?.map(str::to_ascii_lowercase).as_deref() {
        Some("debug") => tracing::Level::DEBUG,
        Some("warning" | "warn") => tracing::Level::WARN,
        Some("error" | "fatal") => tracing::Level::ERROR,
        // Calico takes anything else for info.
        _ => tracing::Level::INFO,
    })
}

/// Writes what was called, what came of it, and where the time went: one line.
pub(crate) fn end<T>(
    command: Command,
    call: Option<&Call>,
    netconf: &Netconf,
    outcome: &Result<T, CniError>,
    total: Duration,
) {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let pod = |part: fn(&Call) -> Option<&String>| {
        call.and_then(part).map(String::as_str).unwrap_or_default()
    };
    macro_rules! line {
        ($level:ident, $code:expr, $says:expr) => {
            $level!(
                network = netconf.name,
                container = call.map(|call| call.container_id.as_str()).unwrap_or_default(),
                interface = call.map(|call| call.ifname.as_str()).unwrap_or_default(),
                namespace = pod(|call| call.arguments.pod_namespace.as_ref()),
                pod = pod(|call| call.arguments.pod_name.as_ref()),
                code = $code,
                annotations_ms = ms(Phase::Annotations.taken()),
                lock_ms = ms(Phase::Lock.taken()),
                store_ms = ms(Phase::Store.taken()),
                total_ms = ms(total),
                "{} {}",
                command.name(),
                $says
            )
        };
    }
    match outcome {
        // Runtimes ask for it every few seconds.
        Ok(_) if command == Command::Status => line!(debug, 0, "done"),
        Ok(_) => line!(info, 0, "done"),
        Err(error) => line!(error, error.code as u32, format_args!("refused: {}", error.line())),
    }
}
