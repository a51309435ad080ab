//! The face for people: columns with two spaces between them.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::{Item, Report};

/// Writes a table without lines around it, or nothing where there is no item. Cells are never wrapped or cut.
pub(super) fn render<T: Item>(report: &Report<T>) -> String {
    let rows: Vec<Vec<String>> = report.items.iter().flat_map(Item::rows).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !T::HEADINGS.is_empty() {
        table.set_header(T::HEADINGS);
    }
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| shown(cell))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// Shows control characters by their names: what others have stored must not move a terminal's cursor.
fn shown(cell: &str) -> String {
    let mut shown = String::with_capacity(cell.len());
    for c in cell.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
