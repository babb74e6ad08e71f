//! Faults that are built in on purpose, one for each feature `mutant-…`, so that the tests of the promises can show that
//! they would see them (docs/promises.md, P8). Never in a program that is shipped: all are off by default.

/// The bytes of files are not synced.
pub(crate) const NO_FILE_SYNC: bool = cfg!(feature = "mutant-no-file-sync");

/// The names in directories are not synced.
pub(crate) const NO_DIR_SYNC: bool = cfg!(feature = "mutant-no-dir-sync");

/// No journal: an operation in flight leaves no trace until it is committed.
pub(crate) const NO_JOURNAL: bool = cfg!(feature = "mutant-no-journal");

/// What an exchange displaced is not compared with what the plan was made from.
pub(crate) const NO_EXCHANGE_CHECK: bool = cfg!(feature = "mutant-no-exchange-check");
