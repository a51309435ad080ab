//! One line a figure.

use std::time::Duration;

/// A figure beside its reference of the same run.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What was measured.
    pub(super) name: String,
    /// What came out.
    pub(super) figure: String,
    /// What it is held against.
    pub(super) reference: String,
    /// The figure as a multiple of the reference.
    pub(super) ratio: Option<f64>,
    /// What the ratio should be.
    pub(super) goal: Goal,
}

/// What a ratio should be. A goal that is missed is said, and does not fail the run: the machine may be busy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
    /// Shown for comparison only.
    None,
}

impl Line {
    /// Compares two durations.
    #[must_use]
    pub(super) fn of_times(
        name: &str,
        ours: Duration,
        what: &str,
        theirs: Duration,
        goal: Goal,
    ) -> Self {
        Self {
            name: name.to_owned(),
            figure: milliseconds(ours),
            reference: format!("{what} {}", milliseconds(theirs)),
            ratio: Some(ours.as_secs_f64() / theirs.as_secs_f64()),
            goal,
        }
    }

    /// Holds a figure against a limit that the goal is made of.
    #[must_use]
    pub(super) fn of_limit(name: &str, figure: f64, limit: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            figure: format!("{figure:.2} {unit}"),
            reference: format!("limit {limit} {unit}"),
            ratio: Some(figure / limit),
            goal: Goal::Below(1.0),
        }
    }

    /// States a figure beside another, without a goal.
    #[must_use]
    pub(super) fn of_note(
        name: &str,
        figure: impl Into<String>,
        reference: impl Into<String>,
    ) -> Self {
        let (name, figure, reference) = (name.to_owned(), figure.into(), reference.into());
        Self { name, figure, reference, ratio: None, goal: Goal::None }
    }

    /// Prints the line.
    #[allow(clippy::print_stdout, reason = "this is what the program is for")]
    pub(super) fn print(&self) {
        let ratio = self.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let row = row(&self.name, &self.figure, &self.reference, &ratio, &self.verdict());
        println!("{row}");
    }

    fn verdict(&self) -> String {
        let (words, is_met) = match (self.goal, self.ratio) {
            (Goal::AtMost(limit), Some(ratio)) => (format!("at most {limit:.1}"), ratio <= limit),
            (Goal::AtLeast(limit), Some(ratio)) => (format!("at least {limit:.1}"), ratio >= limit),
            (Goal::Below(limit), Some(ratio)) => (format!("below {limit:.1}"), ratio < limit),
            _ => return "-".to_owned(),
        };
        format!("{words}, {}", if is_met { "met" } else { "MISSED" })
    }
}

/// Returns the line above all lines.
#[must_use]
pub(super) fn heading() -> String {
    row("name", "figure", "reference", "ratio", "goal")
}

/// Returns the median.
///
/// # Panics
///
/// If there is nothing to take it of.
#[must_use]
pub(super) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).expect("figures are comparable"));
    *values.get(values.len() / 2).expect("something was measured")
}

/// Writes a duration.
#[must_use]
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn row(name: &str, figure: &str, reference: &str, ratio: &str, goal: &str) -> String {
    format!("{name:<46} {figure:>18}  {reference:<30} {ratio:>6}  {goal}")
}
