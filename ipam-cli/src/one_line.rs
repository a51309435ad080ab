//! Text of others, in one line.

/// Joins lines and drops what could move a terminal's cursor: messages quote what others have written.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
