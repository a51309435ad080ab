//! How the pools of a family would be chosen, and which address would come of it.

use serde::Serialize;

use super::Item;

/// What an allocator would do in one family.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    /// 4 or 6.
    pub(crate) family: u8,
    /// What was considered, in its order.
    pub(crate) steps: Vec<Step>,
    /// The pools that it would try, in their order.
    pub(crate) pools: Vec<String>,
    /// The block that the address would come from.
    pub(crate) block: Option<BlockChoice>,
    /// The address that it would be if it happened now.
    pub(crate) address: Option<String>,
    /// Whether there would be one.
    pub(crate) succeeds: bool,
    /// How it would end, in words.
    pub(crate) outcome: String,
}

/// Something that was considered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Which kind of rule: `level`, `binding` or `pool`.
    pub(crate) rule: &'static str,
    /// What it was applied to.
    pub(crate) subject: String,
    /// What came of it.
    pub(crate) verdict: StepVerdict,
    /// Why.
    pub(crate) why: String,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepVerdict {
    /// It counts.
    Kept,
    /// It does not count.
    Dropped,
}

/// Where an address would come from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BlockChoice {
    /// The block.
    pub(crate) cidr: String,
    /// `affine`, `claim` or `borrow`.
    pub(crate) how: &'static str,
}

impl StepVerdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Dropped => "dropped",
        }
    }
}

impl BlockChoice {
    fn why(&self) -> &'static str {
        match self.how {
            "affine" => "the node has it already",
            "claim" => "the node would claim it",
            _ => "another owner has it, and every block of the node is full",
        }
    }
}

impl Item for Decision {
    const KIND: &'static str = "Decision";
    const HEADINGS: &'static [&'static str] = &["FAMILY", "RULE", "SUBJECT", "VERDICT", "WHY"];

    fn rows(&self) -> Vec<Vec<String>> {
        let family = format!("IPv{}", self.family);
        let row = |rule: &str, subject: &str, verdict: &str, why: &str| {
            vec![
                family.clone(),
                rule.to_owned(),
                subject.to_owned(),
                verdict.to_owned(),
                why.to_owned(),
            ]
        };
        let steps = self.steps.iter();
        let mut rows: Vec<Vec<String>> = steps
            .map(|step| row(step.rule, &step.subject, step.verdict.word(), &step.why))
            .collect();
        if let Some(block) = &self.block {
            rows.push(row("block", &block.cidr, block.how, block.why()));
        }
        if let Some(address) = &self.address {
            rows.push(row(
                "address",
                address,
                "predicted",
                "unless another allocation comes first",
            ));
        }
        let verdict = if self.succeeds { "succeeds" } else { "fails" };
        rows.push(row("result", "-", verdict, &self.outcome));
        rows
    }
}
