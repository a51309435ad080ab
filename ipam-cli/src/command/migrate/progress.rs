//! When and how a long copy says how far it is.

use std::time::Duration;

use ipam_etcd::migrate::Progress;

/// How often somebody at a terminal is told.
const AT_TERMINAL: Duration = Duration::from_secs(1);
/// How often a log is told: a short copy says nothing there.
const IN_LOG: Duration = Duration::from_secs(3);

/// Lets through what is worth telling.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    every: Duration,
    /// When the next line is due, counted from the start.
    due: Duration,
}

impl Pacer {
    /// Begins to count.
    pub(super) fn new(is_terminal: bool) -> Self {
        let every = if is_terminal { AT_TERMINAL } else { IN_LOG };
        Self { every, due: every }
    }

    /// Returns what to tell after so much time, `None` where it is too early for another line.
    pub(super) fn line(&mut self, progress: Progress, elapsed: Duration) -> Option<String> {
        if elapsed < self.due {
            return None;
        }
        self.due = elapsed + self.every;
        let (what, keys, of) = match progress {
            Progress::Copied { keys, of } => ("copied", keys, of),
            Progress::ReadBack { keys, of } => ("read back", keys, of),
        };
        let percent = keys.saturating_mul(100).checked_div(of).unwrap_or(100);
        Some(format!("{what} {keys} of {of} keys, {percent}%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(is_terminal: bool, times_ms: &[u64]) -> Vec<Option<String>> {
        let mut pacer = Pacer::new(is_terminal);
        let progress = Progress::Copied { keys: 50, of: 200 };
        times_ms.iter().map(|ms| pacer.line(progress, Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn a_line_comes_when_it_is_due() {
        let line = Some("copied 50 of 200 keys, 25%".to_owned());
        let at_terminal = told(true, &[10, 999, 1000, 1500, 2100, 3000, 3100]);
        let expected = [None, None, line.clone(), None, line.clone(), None, line.clone()];
        assert_eq!(at_terminal, expected);
        let in_log = told(false, &[10, 2900, 3100, 6000, 6100]);
        assert_eq!(in_log, [None, None, line.clone(), None, line]);
    }

    #[test]
    fn what_is_read_back_is_told_too() {
        let mut pacer = Pacer::new(true);
        let line = pacer.line(Progress::ReadBack { keys: 256, of: 257 }, AT_TERMINAL);
        assert_eq!(line.as_deref(), Some("read back 256 of 257 keys, 99%"));
    }
}
