//! The face for programs: a versioned envelope around the items.

use serde::Serialize;

use super::{Item, Report};
use crate::diagnose::Diagnosis;
use crate::warning::Warning;

/// The version of the envelope and of everything in it. Fields are added under it, and never change or go.
const API_VERSION: &str = "ringfence/v1";

/// Writes a report; its text ends with a newline.
pub(super) fn render<T: Item>(report: &Report<T>) -> serde_json::Result<String> {
    let warnings = report.warnings.iter();
    let mut text = serde_json::to_string_pretty(&Envelope {
        api_version: API_VERSION,
        kind: format!("{}List", T::KIND),
        revision: report.stamp.revision.map(|revision| revision.0),
        read_at: report.stamp.at.to_string(),
        complete: report.complete,
        warnings: warnings.map(|w| WarningFace { code: w.code, message: &w.message }).collect(),
        items: &report.items,
    })?;
    text.push('\n');
    Ok(text)
}

/// Writes an error; its text is one line.
pub(crate) fn error_object(diagnosis: &Diagnosis) -> serde_json::Result<String> {
    serde_json::to_string(&ErrorFace {
        kind: "Error",
        code: diagnosis.code,
        exit: diagnosis.exit.code(),
        what: &diagnosis.what,
        why: &diagnosis.why,
        fix: &diagnosis.how,
        endpoints: &diagnosis.endpoints,
    })
}

/// Writes a warning that belongs to no report; its text is one line.
pub(crate) fn warning_object(warning: &Warning) -> serde_json::Result<String> {
    let (code, message) = (warning.code, warning.message.as_str());
    serde_json::to_string(&AloneFace { kind: "Warning", warning: WarningFace { code, message } })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    api_version: &'static str,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    read_at: String,
    complete: bool,
    warnings: Vec<WarningFace<'a>>,
    items: &'a [T],
}

#[derive(Serialize)]
struct WarningFace<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct AloneFace<'a> {
    kind: &'static str,
    #[serde(flatten)]
    warning: WarningFace<'a>,
}

#[derive(Serialize)]
struct ErrorFace<'a> {
    kind: &'static str,
    code: &'static str,
    exit: u8,
    what: &'a str,
    why: &'a str,
    fix: &'a str,
    endpoints: &'a [String],
}
