//! The laws: what holds for every file, tried on random ones, a module for each dialect or backend.
//!
//! `PROPTEST_CASES` says how many are tried (256); they are the same ones each time unless `PROPTEST_RNG_SEED` names others.

#[path = "../support/mod.rs"]
mod support;

mod bsd;
mod freebsd;
mod ifcfg;
mod ifupdown;
mod netifrc;
mod netplan;
mod networkd;
mod networkmanager;
mod shell;
mod wicked;
mod wish_list;
