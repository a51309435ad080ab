//! The page about the examples: what it says of each, and how the pools are made that they draw from.

use std::fs;
use std::path::PathBuf;

use ipam_tests::source::root;

/// The page, in whose folder the examples are.
const PAGE: &str = "README.md";
const HEAD: &str = "| file | what it is for | what a pod gets | to be reserved | tested |";

/// What the page says of an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) file: String,
    /// Which addresses must be reserved.
    pub(crate) reserved: String,
    /// How much of it is tested.
    pub(crate) tested: String,
}

/// Returns the folder of the examples.
pub(crate) fn folder() -> PathBuf {
    root().join("docs/examples")
}

/// Returns the names of the examples that there are, in order.
pub(crate) fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != PAGE).collect();
    names.sort();
    names
}

/// Returns the text of an example.
pub(crate) fn example(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

/// Returns the rows of the page's table, in the order of their files.
pub(crate) fn rows() -> Vec<Row> {
    let page = text();
    let (_, table) = page.split_once(HEAD).expect("the page has the table");
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut rows: Vec<Row> = lines.map(row).collect();
    rows.sort_by(|one, other| one.file.cmp(&other.file));
    rows
}

/// Returns the commands with which an administrator makes the pools.
pub(crate) fn commands() -> String {
    let page = text();
    let (_, block) = page.split_once("```sh\n").expect("the page has commands");
    block.split_once("```").unwrap().0.to_owned()
}

fn text() -> String {
    fs::read_to_string(folder().join(PAGE)).unwrap()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [file, purpose, gets, reserved, tested] = cells[..] else { panic!("{line}") };
    assert!(!purpose.is_empty() && !gets.is_empty(), "{line}");
    let (_, link) = file.split_once("](").expect("the file is linked");
    Row {
        file: link.trim_end_matches(')').to_owned(),
        reserved: reserved.to_owned(),
        tested: tested.to_owned(),
    }
}
