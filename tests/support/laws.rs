//! What the laws of several backends share.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipalias::alias::Alias;
use ipalias::backend::Entry;
use ipalias::error::{Kind, Refusal};
use ipalias::plan::Plan;
use ipalias::root::Root;
use proptest::prelude::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// The configuration of a law: 256 cases, or `PROPTEST_CASES`; the same ones each time, so that a run says something about
/// the change at hand, unless `PROPTEST_RNG_SEED` names others. One in `part` of them where each starts programs.
pub fn config(part: u32) -> Config {
    let all = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let rng_seed = match all.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        named @ RngSeed::Fixed(_) => named,
    };
    Config { cases: all.cases / part, rng_seed, ..all }
}

/// Runs `law` on random cases; it says whether the case told anything, which one in `least` has to.
pub fn check<T: std::fmt::Debug>(least: usize, cases: impl Strategy<Value = T>, law: impl Fn(&T) -> bool) {
    let config = config(1);
    let count = config.cases as usize;
    let told = AtomicUsize::new(0);
    let run = TestRunner::new(config).run(&cases, |case| {
        told.fetch_add(usize::from(law(&case)), Ordering::Relaxed);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let told = told.into_inner();
    assert!(told * least >= count, "only {told} of {count} cases told anything");
}

/// A root with nothing in it, at `dir`. Thousands of cases are laid over it, so that there is no limit to what is read.
pub fn empty(dir: &Path) -> Root {
    std::fs::create_dir(dir.join("etc")).unwrap();
    Root::open(dir).unwrap().unlimited()
}

/// Nothing for a refusal, which says what to do and is no defect.
pub fn refused<T>(result: anyhow::Result<T>) -> Option<T> {
    result
        .map_err(|error| {
            let refusal = error.downcast_ref::<Refusal>().unwrap_or_else(|| panic!("no refusal: {error:#}"));
            assert!(refusal.kind != Kind::Unproven, "{refusal}");
            assert!(!refusal.reason.is_empty() && !refusal.hint.is_empty(), "{refusal:?}");
        })
        .ok()
}

/// The wishes that stand nowhere, be it without effect.
pub fn missing(wanted: Vec<Alias>, entries: &[Entry]) -> Vec<Alias> {
    let known = |alias: &Alias| entries.iter().any(|entry| entry.address.addr() == alias.address.addr());
    wanted.into_iter().filter(|alias| !known(alias)).collect()
}

/// A plan's files before and after.
pub fn show(plan: &Plan) -> String {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let change = |change: &ipalias::plan::Change| {
        format!("{}\nbefore {:?}\nafter  {:?}", change.path, text(&change.before), text(&change.after))
    };
    plan.changes.iter().map(change).collect::<Vec<_>>().join("\n")
}

/// Writes a plan's files into the tree at `top`.
pub fn write(plan: &Plan, top: &Path) {
    for change in &plan.changes {
        let file = top.join(change.path.to_string().trim_start_matches('/'));
        match &change.after {
            Some(bytes) => {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, bytes).unwrap();
            }
            None => std::fs::remove_file(file).unwrap(),
        }
    }
}
