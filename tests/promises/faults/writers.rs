//! P15: somebody else writes to a file between the plan and the exchange.

use std::fs;
use std::path::{Path, PathBuf};

use super::scene::{Scene, rests};
use super::tracer::{Call, Verdict, disturb};
use super::{on_each, scenes};
use crate::support::{Node, configuration, differences, promise, read_tree};

/// What they write.
const FOREIGN: &[u8] = b"# by hand, just now\n";

/// The calls by which a configuration file takes the name of another, or goes.
pub fn exchanges(scene: &Scene) -> Vec<&Call> {
    let ours =
        |path: PathBuf| !path.to_string_lossy().contains("/ipalias/") && !path.to_string_lossy().ends_with(".bak");
    let moves = [libc::SYS_renameat, libc::SYS_renameat2];
    scene.calls.iter().filter(|call| moves.contains(&call.number()) && call.other_path().is_some_and(ours)).collect()
}

/// Stops the command right before `call`, lets somebody else write to its file, by rename or in place, and looks whether
/// their version survives and everything else is as before.
pub fn intrude(scene: &Scene, root: &Path, call: &Call, by_rename: bool) {
    let at = format!("{}: written to before {}", scene.name, call.text());
    scene.restore(root);
    // The name that is not temporary; the recorded path begins with the root of the recording.
    let names = [call.name.as_ref().unwrap(), call.other.as_ref().unwrap()];
    let name = names.into_iter().find(|name| !name.to_string_lossy().contains(".ipalias-")).unwrap();
    let file = scene.inside(call.fd.as_ref().unwrap()).join(name);
    let ending = disturb(&scene.subject, &scene.command(root), call, || {
        let place = root.join(&file);
        if by_rename {
            fs::write(root.join("theirs"), FOREIGN).unwrap();
            fs::rename(root.join("theirs"), &place).unwrap();
        } else {
            fs::write(&place, FOREIGN).unwrap();
        }
        Verdict::Go
    });
    let tree = read_tree(root);
    let held = tree.get(&file).is_some_and(|node| matches!(node, Node::File(bytes, ..) if bytes == FOREIGN));
    assert!(held, "{at}: their version is lost: {ending:?}");
    assert_eq!(ending.code, Some(3), "{at}: {ending:?}");
    let (mut now, mut before) = (configuration(&tree), scene.before.clone());
    // Their file keeps the directories that it is in.
    now.retain(|path, _| !file.starts_with(path));
    before.retain(|path, _| !file.starts_with(path));
    assert!(now == before, "{at}: {ending:?}\n{}", differences(&before, &now).join("\n"));
    assert!(rests(&tree).iter().all(|path| path.starts_with("var/lib/ipalias")), "{at}: {:?}", rests(&tree));
}

#[test]
fn p15_somebody_writes_before_the_exchange() {
    let scenes = scenes();
    let mut points = 0;
    for scene in &scenes {
        let exchanges = exchanges(scene);
        assert_eq!(exchanges.len(), scene.changes(), "{}: {exchanges:?}", scene.name);
        let all: Vec<(&Call, bool)> = exchanges.iter().flat_map(|call| [(*call, true), (*call, false)]).collect();
        points += all.len();
        on_each(&all, |root, (call, by_rename)| intrude(scene, root, call, *by_rename));
    }
    promise(
        "P15",
        "before-exchange",
        &format!("{points} files written to by others right before the exchange, 0 versions lost"),
    );
}
