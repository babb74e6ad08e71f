//! The netplan that is installed, and what makes it take in a change.
//!
//! Measured with netplan 0.99 (Ubuntu 18.04), 0.101, 0.104, 0.106, 0.107 and 1.1.2: its generator writes the renderers' files
//! below `/run` and touches nothing that is up. What 1.2 does is from its source: it splits the generator in two, so that only
//! its command does all.

use super::definitions::{Definition, Renderer};
use crate::backend::networkd::release::Release;
use crate::error::Result;
use crate::plan::{Check, Command, Disturbs, Staged, Step};
use crate::root::{Root, RootPath};

/// Where packages put the generator, the newest layout first.
const GENERATORS: [&str; 3] = ["/usr/libexec/netplan/generate", "/usr/lib/netplan/generate", "/lib/netplan/generate"];

/// What else shows that netplan is installed.
const OTHERS: [&str; 4] = [
    "/usr/sbin/netplan",
    "/sbin/netplan",
    "/usr/lib/systemd/system-generators/netplan",
    "/lib/systemd/system-generators/netplan",
];

/// The program.
#[derive(Debug, Clone)]
pub struct Program {
    /// A file that shows that it is there, if it is.
    pub evidence: Option<RootPath>,
    /// Whether it takes options of an address: since 0.100.
    pub takes_options: bool,
    generate: Vec<String>,
}

impl Program {
    /// The program in `root`.
    pub fn of(root: &Root) -> Result<Program> {
        let mut generator = None;
        for path in GENERATORS {
            if generator.is_none() && root.is_file(&path.into())? {
                generator = Some(path);
            }
        }
        let mut evidence = generator.map(RootPath::from);
        for path in OTHERS {
            let path = RootPath::from(path);
            if evidence.is_none() && (root.is_file(&path)? || root.link_target(&path)?.is_some()) {
                evidence = Some(path);
            }
        }
        let is_split = root.is_file(&"/usr/libexec/netplan/configure".into())?;
        let generate = match generator.filter(|_| !is_split) {
            Some(path) => vec![path.to_owned()],
            None => vec!["netplan".to_owned(), "generate".to_owned()],
        };
        // Up to 0.99 its Python part lies here, without Open vSwitch, which came with the options.
        let commands = RootPath::from("/usr/share/netplan/netplan/cli");
        let is_old = !root.list(&commands)?.is_empty() && !root.is_file(&commands.join("ovs.py"))?;
        Ok(Program { evidence, takes_options: !is_old, generate })
    }

    /// What writes the renderers' files.
    pub fn generate(&self) -> Command {
        Command::new(self.generate.clone()).generating()
    }

    /// The same on copies of `files`.
    pub fn check(&self, files: Vec<RootPath>) -> Check {
        let options = ["--root-dir", "{}"].map(str::to_owned);
        Check { staged: Staged::Tree(files), argv: self.generate.iter().cloned().chain(options).collect() }
    }

    /// The steps that make the renderers' files fresh, and the renderers read them: NetworkManager its profiles, networkd in
    /// the way of its release. A networkd that is not told does not put the address up again after the link was down.
    pub fn reread<'a>(
        &self,
        networkd: Release,
        touched: impl Iterator<Item = (&'a Definition, Renderer)>,
    ) -> Vec<Step> {
        let mut steps = vec![Step::reread(self.generate())];
        let mut by_networkd = false;
        for (definition, renderer) in touched {
            match renderer {
                Renderer::NetworkManager => steps.push(Step::reread(load(definition))),
                Renderer::Networkd => by_networkd = true,
            }
        }
        steps.extend(by_networkd.then(|| networkd.reread()).into_iter().flatten());
        steps
    }

    /// netplan's own way, which sets up every interface anew.
    pub fn apply(&self) -> Step {
        Step::reread(Command::new(["netplan", "apply"]).disturbing(Disturbs::Interface))
    }
}

/// What makes NetworkManager read the profile of `definition`. Those of Wi-Fi have the network's name in theirs.
fn load(definition: &Definition) -> Command {
    if definition.section == "wifis" {
        return Command::new(["nmcli", "connection", "reload"]);
    }
    let file = profile(definition);
    Command::new(["nmcli", "connection", "load", &file.to_string()]).complaining("Could not load")
}

/// The profile that netplan generates for `definition`.
pub fn profile(definition: &Definition) -> RootPath {
    let id = definition.id.replace('%', "%25").replace('/', "%2F");
    RootPath::from("/run/NetworkManager/system-connections").join(format!("netplan-{id}.nmconnection"))
}
