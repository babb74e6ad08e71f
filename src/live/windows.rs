//! Windows: interfaces and addresses by the IP Helper functions GetAdaptersAddresses and GetUnicastIpAddressTable, whose
//! answers are numbers and flags, never translated text.
//!
//! Nothing is changed here: netsh, which the plan names, does that. An interface is called by its number, as netsh takes it.
//! Compiled and run under wine, untested on a real host.

#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper as helper;
use windows_sys::Win32::NetworkManagement::Ndis::IfOperStatusUp;
use windows_sys::Win32::Networking::WinSock as sock;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::SystemInformation::OSVERSIONINFOW;
use windows_sys::core::PWSTR;

use super::mend::{Mend, MendRoutes};
use super::way::{by_source, is_link_local};
use super::{Address, Link, Route, State, Way};
use crate::alias::{Alias, with_prefix};
use crate::error::Result;

/// netsh changes addresses.
pub(super) const CHANGES: bool = false;

/// The table tells nothing more.
pub(super) type RawAddress = ();

/// Routes are not put back here.
pub(super) type RawRoute = ();

/// The first size of the list's buffer, as Microsoft recommends, in bytes.
const FIRST_SIZE: u32 = 15 << 10;

/// The system.
pub(super) struct Kernel;

/// An adapter with its addresses.
struct Adapter {
    index: u32,
    name: String,
    up: bool,
    dhcp: bool,
    gateways: Vec<IpAddr>,
    dns: Vec<IpAddr>,
    addresses: Vec<Unicast>,
}

/// A row of the table of addresses.
struct Unicast {
    ip: IpAddr,
    prefix: u8,
    origin: sock::NL_PREFIX_ORIGIN,
    skip_as_source: bool,
    state: sock::NL_DAD_STATE,
    valid: u32,
}

impl Kernel {
    pub(super) fn open() -> Result<Kernel> {
        Ok(Kernel)
    }

    /// The system looks for duplicates itself when it puts an address up (RFC 5227, RFC 4862 5.4).
    pub(super) fn in_use(&self, _interface: &str, _wanted: &BTreeSet<IpAddr>) -> Result<BTreeMap<IpAddr, String>> {
        Ok(BTreeMap::new())
    }

    /// The system tells the neighbours itself when it puts an address up (RFC 5227 2.3).
    pub(super) fn announce(&self, _interface: &str, _addresses: &BTreeSet<IpAddr>) -> Result<()> {
        Ok(())
    }

    /// Every interface and address, and the default route of each interface.
    pub(super) fn look(&self) -> Result<(Vec<Link>, Vec<Address>, Vec<Route>)> {
        let (mut links, mut addresses, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        for adapter in adapters()? {
            let name = adapter.index.to_string();
            links.push(Link { name: name.clone(), up: adapter.up, carrier: adapter.up });
            routes.extend(adapter.gateways.iter().map(|gateway| Route {
                interface: Some(name.clone()),
                to: "default".to_owned(),
                gateway: Some(*gateway),
                is_ipv6: gateway.is_ipv6(),
                metric: 0,
                source: None,
                onlink: false,
                by_hand: false,
                is_kernels: false,
                raw: (),
            }));
            for found in &adapter.addresses {
                let Some(net) = with_prefix(found.ip, found.prefix) else { continue };
                let state = State {
                    permanent: found.valid == u32::MAX,
                    secondary: false,
                    tentative: found.state == sock::IpDadStateTentative,
                    duplicate: found.state == sock::IpDadStateDuplicate,
                    deprecated: found.state == sock::IpDadStateDeprecated,
                    without_route: false,
                };
                let loopback_or_link = found.ip.is_loopback() || is_link_local(found.ip);
                addresses.push(Address { interface: name.clone(), net, label: None, state, loopback_or_link, raw: () });
            }
        }
        Ok((links, addresses, routes))
    }

    /// The way that a packet to `target` would take, without its next hop.
    pub(super) fn way(&self, target: IpAddr, addresses: &[Address]) -> Result<Option<Way>> {
        Ok(by_source(target, addresses))
    }

    /// Everything that `backend::netsh` needs, as JSON.
    pub(super) fn record(&self) -> Result<Option<String>> {
        let adapters = adapters()?;
        let primary = best_interface(Ipv4Addr::new(9, 9, 9, 9));
        let interfaces: Vec<Value> = adapters.iter().map(|adapter| interface(adapter, primary)).collect();
        Ok(Some(json!({ "build": build(), "wine": is_wine(), "interfaces": interfaces }).to_string()))
    }

    pub(super) fn add(&self, aliases: &[Alias], _replace: bool) -> Result<()> {
        let first = aliases.first().map(|alias| alias.address.to_string()).unwrap_or_default();
        anyhow::bail!("{first} cannot be put up without netsh")
    }

    /// The undo steps of a plan take addresses down.
    pub(super) fn delete(&self, _gone: &BTreeSet<(&str, IpAddr)>) -> Result<()> {
        Ok(())
    }

    /// The undo steps of a plan put addresses back.
    pub(super) fn mend(&self, _mend: &Mend<'_>) -> Result<()> {
        Ok(())
    }

    /// The undo steps of a plan put routes back.
    pub(super) fn mend_routes(&self, _mend: &MendRoutes<'_>) -> Result<()> {
        Ok(())
    }
}

fn interface(adapter: &Adapter, primary: Option<u32>) -> Value {
    let address = |found: &Unicast| {
        json!({
            "address": format!("{}/{}", found.ip, found.prefix),
            "origin": match found.origin {
                sock::IpPrefixOriginManual => "manual",
                sock::IpPrefixOriginWellKnown => "wellKnown",
                // Without DHCP on the interface nothing can come from it; wine says so of every address.
                sock::IpPrefixOriginDhcp => if adapter.dhcp { "dhcp" } else { "manual" },
                sock::IpPrefixOriginRouterAdvertisement => "routerAdvertisement",
                _ => "other",
            },
            "skipAsSource": found.skip_as_source,
            "state": match found.state {
                sock::IpDadStateTentative => "tentative",
                sock::IpDadStateDuplicate => "duplicate",
                sock::IpDadStateDeprecated => "deprecated",
                sock::IpDadStateInvalid => "invalid",
                _ => "preferred",
            },
        })
    };
    json!({
        "index": adapter.index,
        "name": adapter.name,
        "dhcp": adapter.dhcp,
        "primary": primary == Some(adapter.index),
        "gateway": adapter.gateways,
        "dns": adapter.dns,
        "addresses": adapter.addresses.iter().map(address).collect::<Vec<_>>(),
    })
}

/// Every adapter, in the system's order, with its addresses in the order of the table.
fn adapters() -> Result<Vec<Adapter>> {
    let rows = unicast_table()?;
    let mut all = Vec::new();
    let list = adapter_list()?;
    let mut next: *const helper::IP_ADAPTER_ADDRESSES_LH = list.as_ptr().cast();
    // SAFETY: the function linked the structures and everything that they point to inside the buffer `list`, which lives to
    // the end of this function; a list that is empty is a null pointer, as is the end of each.
    unsafe {
        while let Some(adapter) = next.as_ref().filter(|_| !list.is_empty()) {
            let index = match adapter.Anonymous1.Anonymous.IfIndex {
                0 => adapter.Ipv6IfIndex,
                index => index,
            };
            let (mut gateways, mut dns) = (Vec::new(), Vec::new());
            let mut gateway = adapter.FirstGatewayAddress.cast_const();
            while let Some(found) = gateway.as_ref() {
                gateways.extend(ip_behind(&found.Address));
                gateway = found.Next;
            }
            let mut server = adapter.FirstDnsServerAddress.cast_const();
            while let Some(found) = server.as_ref() {
                dns.extend(ip_behind(&found.Address));
                server = found.Next;
            }
            let mut own = rows.get(&index).map(|rows| rows.iter().map(row).collect::<Vec<_>>()).unwrap_or_default();
            own.retain(|found| found.prefix <= if found.ip.is_ipv4() { 32 } else { 128 });
            all.push(Adapter {
                index,
                name: text(adapter.FriendlyName),
                up: adapter.OperStatus == IfOperStatusUp,
                dhcp: adapter.Anonymous2.Flags & helper::IP_ADAPTER_DHCP_ENABLED != 0,
                gateways,
                dns,
                addresses: own,
            });
            next = adapter.Next;
        }
    }
    Ok(all)
}

/// The list of adapters in a buffer of 8-byte words, whose beginning is the first structure.
fn adapter_list() -> Result<Vec<u64>> {
    let mut size = FIRST_SIZE;
    for _ in 0..8 {
        let mut buffer = vec![0u64; (size as usize).div_ceil(8)];
        let family = u32::from(sock::AF_UNSPEC);
        // SAFETY: the buffer has `size` bytes and the alignment of the structure; the reserved pointer has to be null.
        let answer = unsafe {
            helper::GetAdaptersAddresses(
                family,
                helper::GAA_FLAG_INCLUDE_GATEWAYS,
                std::ptr::null(),
                buffer.as_mut_ptr().cast(),
                &mut size,
            )
        };
        match answer {
            NO_ERROR => return Ok(buffer),
            ERROR_NO_DATA => return Ok(Vec::new()),
            // It grew meanwhile: the new size is in `size`.
            ERROR_BUFFER_OVERFLOW => {}
            error => anyhow::bail!("listing the interfaces failed (Windows error {error})"),
        }
    }
    anyhow::bail!("listing the interfaces failed: the list keeps growing")
}

/// The rows of the table of addresses, by interface.
fn unicast_table() -> Result<BTreeMap<u32, Vec<helper::MIB_UNICASTIPADDRESS_ROW>>> {
    let mut table: *mut helper::MIB_UNICASTIPADDRESS_TABLE = std::ptr::null_mut();
    let mut rows: BTreeMap<u32, Vec<helper::MIB_UNICASTIPADDRESS_ROW>> = BTreeMap::new();
    // SAFETY: on success the pointer is of a table with `NumEntries` rows, which is given back once.
    unsafe {
        let answer = helper::GetUnicastIpAddressTable(sock::AF_UNSPEC, &mut table);
        anyhow::ensure!(
            answer == NO_ERROR && !table.is_null(),
            "listing the addresses failed (Windows error {answer})"
        );
        let first = (&raw const (*table).Table).cast::<helper::MIB_UNICASTIPADDRESS_ROW>();
        for row in std::slice::from_raw_parts(first, (*table).NumEntries as usize) {
            rows.entry(row.InterfaceIndex).or_default().push(*row);
        }
        helper::FreeMibTable(table.cast_const().cast());
    }
    Ok(rows)
}

fn row(row: &helper::MIB_UNICASTIPADDRESS_ROW) -> Unicast {
    // SAFETY: the family says which member of the union is valid; both are plain numbers.
    let ip = unsafe {
        if row.Address.si_family == sock::AF_INET6 {
            IpAddr::V6(Ipv6Addr::from(row.Address.Ipv6.sin6_addr.u.Byte))
        } else {
            IpAddr::V4(Ipv4Addr::from(row.Address.Ipv4.sin_addr.S_un.S_addr.to_ne_bytes()))
        }
    };
    Unicast {
        ip,
        prefix: row.OnLinkPrefixLength,
        origin: row.PrefixOrigin,
        skip_as_source: row.SkipAsSource,
        state: row.DadState,
        valid: row.ValidLifetime,
    }
}

/// The IP of a socket address that the system made.
///
/// # Safety
///
/// The pointer is null or of a socket address of the family that it names.
unsafe fn ip_behind(address: &sock::SOCKET_ADDRESS) -> Option<IpAddr> {
    // SAFETY: by the contract above; the union is read as the family says.
    unsafe {
        let found = address.lpSockaddr.cast::<sock::SOCKADDR_INET>();
        match address.lpSockaddr.as_ref()?.sa_family {
            sock::AF_INET => Some(IpAddr::V4(Ipv4Addr::from((*found).Ipv4.sin_addr.S_un.S_addr.to_ne_bytes()))),
            sock::AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from((*found).Ipv6.sin6_addr.u.Byte))),
            _ => None,
        }
    }
}

/// A text of the system's.
///
/// # Safety
///
/// The pointer is null or of UTF-16 that ends with 0.
unsafe fn text(start: PWSTR) -> String {
    let mut units = Vec::new();
    let mut at = start.cast_const();
    // SAFETY: by the contract above; the reading ends at the 0.
    unsafe {
        while !start.is_null() && *at != 0 {
            units.push(*at);
            at = at.add(1);
        }
    }
    String::from_utf16_lossy(&units)
}

/// The interface by which packets to `target` leave; nothing if there is none.
fn best_interface(target: Ipv4Addr) -> Option<u32> {
    let mut address = sock::SOCKADDR_IN { sin_family: sock::AF_INET, ..Default::default() };
    address.sin_addr.S_un.S_addr = u32::from_ne_bytes(target.octets());
    let mut index = 0;
    // SAFETY: both pointers are of local variables, and the family says what the first one is of.
    let answer = unsafe { helper::GetBestInterfaceEx((&raw const address).cast(), &mut index) };
    (answer == NO_ERROR).then_some(index)
}

/// The build number, which unlike the version is not made up for old programs.
fn build() -> u32 {
    let mut version = OSVERSIONINFOW { dwOSVersionInfoSize: size_of::<OSVERSIONINFOW>() as u32, ..Default::default() };
    // SAFETY: the structure says its own size.
    unsafe { RtlGetVersion(&mut version) };
    version.dwBuildNumber
}

/// Whether the system is wine, which has such a function in ntdll.
fn is_wine() -> bool {
    // SAFETY: both names are texts that end with 0, and ntdll is part of every process.
    unsafe {
        let ntdll = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        !ntdll.is_null() && GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()).is_some()
    }
}
