//! What was probably meant by a command line that is refused: the nearest name, the range without the address in its way.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::alias::{self, IfName};
use crate::cli::Addresses;
use crate::detect::NIXOS_HINT;
use crate::error::{Kind, Refusal};
use crate::nearest::nearest;
use crate::plan::typed;

/// A refusal of an interface that is not there: the nearest of `known` is asked about first.
pub(super) fn interface<'a>(
    refusal: Refusal,
    interface: &IfName,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Refusal {
    if known.clone().into_iter().any(|name| name == interface.as_str()) {
        return refusal;
    }
    match nearest(interface.as_str(), known) {
        Some(meant) => Refusal { hint: format!("did you mean -i {meant}? {}", refusal.hint), ..refusal },
        None => refusal,
    }
}

/// A refusal of one ADDRESS argument, which may be the name of a list.
pub(super) fn list(refusal: Refusal, text: &str) -> Refusal {
    if !Path::new(text).is_file() {
        return refusal;
    }
    Refusal::new(
        Kind::Usage,
        format!("{text:?} is a file, not an address"),
        format!("have it read: --from {}", typed(&[text])),
    )
}

/// A refusal of `ip`: where `asked` names it in a range or block, how that is written without it and all others that `bad`
/// finds.
pub(super) fn range(
    error: anyhow::Error,
    asked: &Addresses,
    ip: IpAddr,
    bad: impl Fn(IpAddr) -> bool,
) -> anyhow::Error {
    let ranges = asked.addresses.iter().map(|text| (text.clone(), alias::parse_addresses(text)));
    let blocks = asked.block.iter().map(|text| (format!("--block {text}"), alias::parse_block(text)));
    let mut all = ranges.chain(blocks).filter_map(|(text, nets)| Some((text, nets.ok()?)));
    let found = all.find(|(_, nets)| nets.len() > 1 && nets.iter().any(|net| net.addr() == ip));
    match (found, error.downcast::<Refusal>()) {
        (Some((text, nets)), Ok(mut refusal)) => {
            let left = alias::without(&nets, bad);
            refusal.reason = format!("{}, and {text} contains it", refusal.reason);
            if !left.is_empty() {
                refusal.hint = format!("leave it out: instead of {text} write {}", left.join(" "));
            }
            refusal.into()
        }
        (None, Ok(refusal)) => refusal.into(),
        (_, Err(error)) => error,
    }
}

/// A refusal with the addresses and the interface that were asked for in the place of examples.
pub(super) fn filled_in(error: anyhow::Error, wanted: &[IpNet], interface: Option<&str>) -> anyhow::Error {
    match error.downcast::<Refusal>() {
        Ok(refusal) if refusal.hint == NIXOS_HINT => {
            let hint = nixos(wanted, interface.unwrap_or("<name>"));
            Refusal { hint, ..refusal }.into()
        }
        Ok(refusal) => {
            let only = wanted.first().filter(|_| wanted.len() == 1);
            refusal.about(only.copied(), interface).into()
        }
        Err(error) => error,
    }
}

/// The lines for NixOS.
fn nixos(wanted: &[IpNet], interface: &str) -> String {
    let family = |name: &str, is_ipv4: bool| {
        let nets = wanted.iter().filter(|net| net.addr().is_ipv4() == is_ipv4);
        let items: String = nets
            .map(|net| format!("{{ address = \"{}\"; prefixLength = {}; }} ", net.addr(), net.prefix_len()))
            .collect();
        (!items.is_empty()).then(|| format!("networking.interfaces.{interface}.{name}.addresses = [ {items}];"))
    };
    let lines: Vec<String> = [family("ipv4", true), family("ipv6", false)].into_iter().flatten().collect();
    format!("add to its configuration: {} then: nixos-rebuild switch", lines.join(" "))
}
