//! The link itself, through packet(7) sockets: is an address in use by a neighbour, and where it is from now on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::frame::{self, Mac};
use crate::error::Result;

/// How often a probe or an announcement is sent, and how long an answer is waited for (V7 of the safety rules: 0.6 s).
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes that are read of a frame; what says who has an address is in the first 78.
const MOST_BYTES: usize = 128;

/// One Ethernet link.
pub(super) struct Wire {
    index: u32,
    me: Mac,
}

impl Wire {
    pub(super) fn new(index: u32, me: Mac) -> Wire {
        Wire { index, me }
    }

    /// Which of `wanted`, all of one family, a neighbour has, and its hardware address.
    pub(super) fn in_use(&self, wanted: &BTreeSet<IpAddr>) -> Result<BTreeMap<IpAddr, Mac>> {
        let mut found = BTreeMap::new();
        let Some(first) = wanted.first() else { return Ok(found) };
        let socket = self.socket(*first)?;
        for _ in 0..ROUNDS {
            for ip in wanted.iter().filter(|ip| !found.contains_key(*ip)) {
                send(&socket, &frame::probe(self.me, *ip))?;
            }
            let began = Instant::now();
            while let Some(left) = PAUSE.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
                let Some(heard) = receive(&socket, left)? else { continue };
                let Some((ip, mac)) = frame::claim(&heard) else { continue };
                if mac != self.me && wanted.contains(&ip) {
                    found.insert(ip, mac);
                }
            }
        }
        Ok(found)
    }

    /// Tells the neighbours that `addresses` are here; twice, since the first frame may get lost.
    pub(super) fn announce(&self, addresses: &BTreeSet<IpAddr>) -> Result<()> {
        for round in 0..2 {
            if round > 0 {
                std::thread::sleep(PAUSE);
            }
            for is_ipv4 in [true, false] {
                let mut family = addresses.iter().filter(|ip| ip.is_ipv4() == is_ipv4).peekable();
                let Some(first) = family.peek() else { continue };
                let socket = self.socket(**first)?;
                for ip in family {
                    for frame in frame::announcements(self.me, *ip) {
                        send(&socket, &frame)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A socket that sends to the link and hears what of the family of `ip` arrives there.
    fn socket(&self, ip: IpAddr) -> Result<OwnedFd> {
        let kind = if ip.is_ipv4() { libc::ETH_P_ARP } else { libc::ETH_P_IPV6 };
        let open = || -> nix::Result<OwnedFd> {
            // Without a protocol nothing is heard before the socket is bound to its link.
            let socket = socket::socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
            socket::bind(socket.as_raw_fd(), &address(self.index, kind as u16)?)?;
            socket::setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
            Ok(socket)
        };
        open().context("opening a packet socket")
    }
}

/// The address of a link, for frames of one protocol (packet(7)).
#[allow(unsafe_code)]
fn address(index: u32, protocol: u16) -> nix::Result<LinkAddr> {
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `raw` is a whole socket address of its family, and is copied.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) }.ok_or(Errno::EINVAL)
}

fn send(socket: &OwnedFd, frame: &[u8]) -> Result<()> {
    loop {
        match socket::send(socket.as_raw_fd(), frame, MsgFlags::empty()) {
            // A full queue is waited for; a frame that the link loses is sent again in the next round.
            Err(Errno::ENOBUFS | Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(Errno::EINTR) => {}
            other => return other.map(drop).context("sending to the link"),
        }
    }
}

/// The beginning of the next frame, if one comes within `limit`.
fn receive(socket: &OwnedFd, limit: Duration) -> Result<Option<Vec<u8>>> {
    let limit = TimeVal::microseconds(limit.as_micros().max(1) as i64);
    socket::setsockopt(socket, sockopt::ReceiveTimeout, &limit).context("waiting for the link")?;
    let mut bytes = vec![0; MOST_BYTES];
    match socket::recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno).context("listening to the link"),
    }
}
