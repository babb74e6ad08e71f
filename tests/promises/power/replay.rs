//! Power cuts on a model of a file system that loses whatever it may.

use std::collections::BTreeSet;
use std::path::Path;

use super::Figures;
use super::model::{Disk, Recording};
use super::scenario::{Images, RECOVERY, SCENARIOS, Scenario, scenario};
use crate::support;

/// Loses everything that may be lost at any moment of `command`, which is run on the tree at `base`; returns the states
/// that left something to be cleared away. Looks at one state in `part`.
fn lose(
    (scenario, images): (&Scenario, &Images),
    (program, mutant): (&Path, Option<&str>),
    (base, command): (&Path, &[&str]),
    part: usize,
    figures: &mut Figures,
) -> Vec<Disk> {
    let recovers = command == RECOVERY;
    let (recording, code) = Recording::of(base, program, command, mutant);
    assert_eq!(code, if recovers { 3 } else { 0 }, "{} ends well", scenario.name);
    let looked_at = base.with_file_name("looked-at");
    let (mut known, mut rests) = (BTreeSet::new(), Vec::new());
    for count in 0..=recording.len() {
        figures.points += 1;
        let ended = count == recording.len();
        let mut states = BTreeSet::new();
        recording.states(count, &mut states);
        for (nth, state) in states.into_iter().enumerate() {
            // At the end more has to hold.
            if !ended && (known.contains(&state) || (count + nth) % part != 0) {
                continue;
            }
            figures.states += 1;
            state.write(&looked_at);
            let found = scenario.check(images, &looked_at, ended && !recovers).and_then(|shown| {
                if ended && recovers && (shown.new || shown.repaired || shown.rests) {
                    return Err("what the next command took back is not durable".to_owned());
                }
                if !shown.new && figures.tries_again() {
                    scenario.again(images, &looked_at)?;
                }
                Ok(shown)
            });
            let at = || format!("{}, power cut after {count} of {} steps", command.join(" "), recording.len());
            if figures.note(found, at).is_some_and(|shown| shown.rests) {
                rests.push(state.clone());
            }
            known.insert(state);
        }
    }
    rests
}

fn replay(scenario: &Scenario, program: (&Path, Option<&str>), part: usize, twice: usize) -> Figures {
    let dir = support::scratch();
    let images = scenario.images(dir.path());
    let base = dir.path().join("host");
    scenario.lay_out(&base);
    let mut figures = Figures::default();
    let rests = lose((scenario, &images), program, (&base, scenario.command), part, &mut figures);
    for state in rests.iter().step_by(twice) {
        state.write(&base);
        lose((scenario, &images), program, (&base, RECOVERY), part, &mut figures);
    }
    figures
}

#[test]
fn p03_whatever_may_be_lost_is_lost() {
    let mut figures = Figures::default();
    for scenario in SCENARIOS {
        let (part, twice) = if support::nightly() { (1, 1) } else { (1, 20) };
        let found = replay(scenario, (Path::new(support::program()), None), part, twice);
        println!("{}: {}", scenario.name, found.text());
        figures.add(found);
    }
    assert!(figures.violations.is_empty(), "{}", figures.violations.join("\n"));
    assert!(figures.states >= 240 && figures.mixed >= 20 && figures.repaired >= 40);
    support::promise("P03", "any-file-system", &figures.text());
}

#[test]
fn p08_mutants_without_syncs_lose_something_of_the_model() {
    let Some(program) = support::mutants() else { return };
    for mutant in ["no-file-sync", "no-dir-sync"] {
        let figures = replay(scenario("remove"), (&program, Some(mutant)), 40, usize::MAX);
        println!("{mutant}: {}", figures.text());
        assert!(!figures.violations.is_empty(), "{mutant} is not seen");
        support::promise("P08", &format!("{mutant}-model"), &figures.text());
    }
}
