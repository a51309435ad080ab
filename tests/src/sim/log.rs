//! What happened, step by step, for whoever has to find out why.

use ipam_core::kv::{Op, Txn};

use super::run::What;

/// What happened, or nothing where nobody asked.
#[derive(Debug, Default)]
pub struct Log {
    lines: Option<Vec<String>>,
}

impl Log {
    /// Keeps everything.
    #[must_use]
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Returns what happened.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    pub(super) fn note(&mut self, process: usize, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let line = line();
            lines.push(match process {
                _ if line.starts_with(' ') => line,
                usize::MAX => format!("     {line}"),
                number => format!("{number:>4} {line}"),
            });
        }
    }

    pub(super) fn commit(&mut self, what: &What, txn: &Txn) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("    {} on {} writes", what.family, what.host));
            lines.extend(txn.then.iter().filter_map(written));
        }
    }
}

fn written(op: &Op) -> Option<String> {
    match op {
        Op::Put { key, value } => {
            Some(format!("        put {key} {}", String::from_utf8_lossy(value)))
        }
        Op::Delete { key } => Some(format!("        delete {key}")),
        Op::Read(_) => None,
    }
}
