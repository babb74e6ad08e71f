//! The dialects of configuration files, one per file: reading and the places to write side by side.

pub mod ini;
pub mod words;
