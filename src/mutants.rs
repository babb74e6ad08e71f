//! Faults that are built in on purpose, so that the tests of the promises can show that they would see them
//! (docs/promises.md, P8). Only with the feature `mutants`, which no program that is shipped has; there the environment
//! variable `IPALIAS_MUTANT` chooses one, so that one build serves all.

fn is(mutant: &str) -> bool {
    cfg!(feature = "mutants") && std::env::var_os("IPALIAS_MUTANT").is_some_and(|chosen| chosen == mutant)
}

/// The bytes of files are not synced.
pub(crate) fn no_file_sync() -> bool {
    is("no-file-sync")
}

/// The names in directories are not synced.
#[allow(dead_code, reason = "Windows syncs no directories")]
pub(crate) fn no_dir_sync() -> bool {
    is("no-dir-sync")
}

/// No journal: an operation in flight leaves no trace until it is committed.
pub(crate) fn no_journal() -> bool {
    is("no-journal")
}

/// What an exchange displaced is not compared with what the plan was made from.
pub(crate) fn no_exchange_check() -> bool {
    is("no-exchange-check")
}
