//! The dialects of configuration files, one per file: reading and the places to write side by side; and shell patterns,
//! which several of them use.

pub mod glob;
pub mod ifconfig;
pub mod ini;
pub mod keyfile;
pub mod shell;
pub mod sysconfig;
pub mod words;
pub mod yaml;
