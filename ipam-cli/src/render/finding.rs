//! What a check found.

use ipam_core::check::Finding;
use serde::Serialize;

use super::Item;

/// A rule that stored data breaks.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingItem {
    code: &'static str,
    severity: String,
    subject: String,
    rule: &'static str,
    evidence: Vec<String>,
    /// What `--repair` does about it.
    repair: Option<&'static str>,
}

impl FindingItem {
    /// Makes the item.
    pub(crate) fn of(finding: &Finding) -> Self {
        Self {
            code: finding.rule.code(),
            severity: finding.rule.severity().to_string(),
            subject: finding.subject.clone(),
            rule: finding.rule.title(),
            evidence: vec![finding.evidence.clone()],
            repair: finding.rule.remedy().what(),
        }
    }
}

impl Item for FindingItem {
    const KIND: &'static str = "Finding";
    const HEADINGS: &'static [&'static str] = &["CODE", "SEVERITY", "SUBJECT", "EVIDENCE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let evidence = format!("{}: {}", self.rule, self.evidence.join("; "));
        vec![vec![self.code.to_owned(), self.severity.clone(), self.subject.clone(), evidence]]
    }
}
