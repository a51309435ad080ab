//! What a program writes about its own doings: one line for each event of this project.

use std::fmt::{self, Debug, Write as _};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ipam_core::model::Timestamp;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The crates of this project, as targets of log lines begin.
const OURS: [&str; 5] = ["ipam_core", "ipam_etcd", "ipam_kube", "ipam_cli", "cni_plugin"];

/// A log of lines such as `2026-01-02T03:04:05.678901Z  INFO ADD done network="n" code=0`, to one writer after the other.
///
/// A call of the plugin takes milliseconds, and what prepares for spans, colours and filters touches pages of memory that
/// nothing else needs. So this knows none of them. It writes events of this project alone, as the libraries below tell of
/// every frame of a connection.
pub struct LineLog {
    level: LevelFilter,
    writers: Mutex<Vec<Box<dyn Write + Send>>>,
}

impl Debug for LineLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineLog").field("level", &self.level).finish_non_exhaustive()
    }
}

impl LineLog {
    /// Makes a log of what is at least as grave as a level.
    #[must_use]
    pub fn new(level: LevelFilter, writers: Vec<Box<dyn Write + Send>>) -> Self {
        Self { level, writers: Mutex::new(writers) }
    }

    /// Makes this the log of the whole process.
    ///
    /// # Errors
    ///
    /// [`tracing::subscriber::SetGlobalDefaultError`] where the process has one already.
    pub fn start(self) -> Result<(), tracing::subscriber::SetGlobalDefaultError> {
        tracing::subscriber::set_global_default(self)
    }
}

impl Subscriber for LineLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level && is_ours(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::begin(event.metadata());
        event.record(&mut line);
        line.text.push('\n');
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        for writer in writers.iter_mut() {
            // Nobody is there to be told.
            let _: io::Result<()> = writer.write_all(line.text.as_bytes());
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        // No span is enabled, so nobody asks; 0 is not allowed.
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

fn is_ours(target: &str) -> bool {
    let crate_of = target.split("::").next();
    crate_of.is_some_and(|name| OURS.contains(&name) || name.starts_with("ringfence"))
}

/// A line that grows field by field.
struct Line {
    text: String,
}

impl Line {
    fn begin(metadata: &Metadata<'_>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
        let mut text = String::with_capacity(512);
        let whole = now.to_string();
        let whole = whole.trim_end_matches('Z');
        // A String takes whatever is written.
        let _: fmt::Result =
            write!(text, "{whole}.{:06}Z {:>5}", since.subsec_micros(), metadata.level());
        Self { text }
    }

    /// Writes a value so that it cannot look like another line.
    fn value(&mut self, value: fmt::Arguments<'_>) {
        let mut escaped = Escaped(&mut self.text);
        let _: fmt::Result = escaped.write_fmt(value);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text.push(' ');
        if field.name() != "message" {
            self.text.push_str(field.name());
            self.text.push('=');
        }
        self.value(format_args!("{value:?}"));
    }
}

struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for character in part.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::{debug, info, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(part)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        /// Returns the lines without their times, whose form is looked at.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| without_time(line).to_owned()).collect()
        }
    }

    fn without_time(line: &str) -> &str {
        let (time, rest) = line.split_at("2026-01-02T03:04:05.678901Z".len());
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
        rest
    }

    fn written(log: impl Fn()) -> Vec<String> {
        let (first, second) = (Paper::default(), Paper::default());
        let writers: Vec<Box<dyn Write + Send>> =
            vec![Box::new(first.clone()), Box::new(second.clone())];
        tracing::subscriber::with_default(LineLog::new(LevelFilter::INFO, writers), log);
        assert_eq!(first.lines(), second.lines());
        first.lines()
    }

    #[test]
    fn an_event_is_a_line_for_each_writer() {
        let lines = written(|| {
            let name = "a \"b\"";
            info!(name, count = 3, shown = %"x", "{} done", "ADD");
            warn!(list = ?[1, 2]);
        });
        assert_eq!(
            lines,
            ["  INFO ADD done name=\"a \\\"b\\\"\" count=3 shown=x", "  WARN list=[1, 2]"]
        );
    }

    #[test]
    fn only_what_is_ours_and_grave_enough_is_written() {
        let lines = written(|| {
            debug!("too small");
            info!(target: "h2::codec", "not ours");
            tracing::info_span!("span").in_scope(|| info!("ours"));
        });
        assert_eq!(lines, ["  INFO ours"]);
    }

    #[test]
    fn no_value_looks_like_another_line() {
        let lines = written(|| {
            let forged = "x\n2026-01-02T03:04:05.678901Z  INFO all is well\u{1b}[2K";
            info!(text = forged, shown = %forged, "{forged}");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line.matches("x\\n2026").count(), 3, "{line}");
        assert_eq!(line.matches("\\u{1b}[2K").count(), 3, "{line}");
    }
}
