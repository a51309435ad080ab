//! Measures against references in the same run, and prints one line each; the argument chooses among the measurements.

fn main() {
    ipam_tests::bench::run(&std::env::args().nth(1).unwrap_or_default());
}
