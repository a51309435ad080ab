//! What a call leaves behind for people to read: on stderr, and in a file where one is configured. Stdout belongs to the
//! protocol.

mod file;
mod phase;

pub(crate) use file::FileSettings;
pub(crate) use phase::{Phase, timed};

use std::io::{self, Write};
use std::time::Duration;

use ipam_etcd::LineLog;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use crate::protocol::{Call, CniError, Code, Command, Netconf};
use crate::settings::Fields;

/// Starts logging. A file that cannot be written is told of on stderr; no pod waits for it.
pub(crate) fn start(fields: &Fields) -> Result<(), CniError> {
    let settings = FileSettings::of(fields)?;
    let opened = settings.as_ref().map(FileSettings::open).transpose();
    let mut writers: Vec<Box<dyn Write + Send>> = vec![Box::new(io::stderr())];
    let failure = match opened {
        Ok(file) => {
            writers.extend(file.map(|file| Box::new(file) as Box<dyn Write + Send>));
            None
        }
        Err(failure) => Some(failure),
    };
    // A second start can only come from a second command in one process, which there is none of.
    LineLog::new(level(fields)?, writers)
        .start()
        .map_err(|error| CniError::from_chain(Code::Internal, &error))?;
    if let Some((settings, failure)) = settings.zip(failure) {
        warn!(path = %settings.path.display(), %failure, "log_file_path cannot be written; the log goes to stderr alone");
    }
    fields.warn_of_unknown();
    Ok(())
}

fn level(fields: &Fields) -> Result<LevelFilter, CniError> {
    Ok(match fields.shared_text("log_level")?.map(str::to_ascii_lowercase).as_deref() {
        Some("debug") => LevelFilter::DEBUG,
        Some("warning" | "warn") => LevelFilter::WARN,
        Some("error" | "fatal") => LevelFilter::ERROR,
        // Calico takes anything else for info.
        _ => LevelFilter::INFO,
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
