//! Whole stories with the real program on a store of its own.

#[cfg(test)]
mod cli {
    mod addresses;
    mod config;
    mod explain;
    mod export;
    mod install;
    mod migrate;
    mod pools;
    mod store;
    mod story;
    mod streams;
}
