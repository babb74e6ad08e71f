//! One rtnetlink(7) socket: dumps of links, addresses and routes, route lookups, and pipelined changes of addresses.
//!
//! Messages are encoded and decoded by `netlink-packet-route`; a message that it cannot decode is left out, since newer
//! kernels describe things that have nothing to do with addresses.

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::Context as _;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sockopt};
use nix::sys::time::TimeVal;

use crate::error::Result;

/// Bytes of requests sent before their answers are read, so that neither side's buffer can overflow.
const PIPELINE: usize = 16 << 10;

/// Bytes read at once; the kernel never makes a larger part of a dump.
const BUFFER: usize = 64 << 10;

/// How a change treats what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It must be new.
    Create,
    /// What is there is replaced.
    Replace,
    /// It goes.
    Delete,
}

/// The socket.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: std::cell::Cell<u32>,
}

impl Netlink {
    pub(super) fn open() -> Result<Netlink> {
        let open = || -> nix::Result<OwnedFd> {
            let kind = SockType::Raw;
            let socket = socket::socket(
                socket::AddressFamily::Netlink,
                kind,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkRoute,
            )?;
            socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
            socket::setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(10, 0))?;
            socket::setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))?;
            Ok(socket)
        };
        Ok(Netlink { socket: open().context("opening a netlink socket")?, sequence: std::cell::Cell::new(0) })
    }

    pub(super) fn links(&self) -> Result<Vec<LinkMessage>> {
        self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| match message {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        })
    }

    pub(super) fn addresses(&self) -> Result<Vec<AddressMessage>> {
        self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), |message| match message {
            RouteNetlinkMessage::NewAddress(address) => Some(address),
            _ => None,
        })
    }

    pub(super) fn routes(&self) -> Result<Vec<RouteMessage>> {
        let mut all = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            all.extend(self.dump(RouteNetlinkMessage::GetRoute(request), |message| match message {
                RouteNetlinkMessage::NewRoute(route) => Some(route),
                _ => None,
            })?);
        }
        Ok(all)
    }

    /// The route that a packet to `target` would take now; nothing if there is none. Sends no packet.
    pub(super) fn route_to(&self, target: IpAddr) -> Result<Option<RouteMessage>> {
        let mut request = RouteMessage::default();
        let (family, bits, address) = match target {
            IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
            IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
        };
        request.header.address_family = family;
        request.header.destination_prefix_length = bits;
        request.attributes.push(RouteAttribute::Destination(address));
        self.send(&[self.request(RouteNetlinkMessage::GetRoute(request), 0)])?;
        let mut found = None;
        self.receive(|payload, _| match payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
                found = Some(route);
                true
            }
            _ => true,
        })?;
        Ok(found)
    }

    /// Changes addresses, all requests pipelined; the answer of each in order.
    pub(super) fn change_addresses(
        &self,
        messages: Vec<AddressMessage>,
        how: How,
    ) -> Result<Vec<std::result::Result<(), Errno>>> {
        let requests = messages.into_iter().map(|message| match how {
            How::Delete => self.request(RouteNetlinkMessage::DelAddress(message), NLM_F_ACK),
            How::Create => {
                self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            }
            How::Replace => {
                self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)
            }
        });
        self.change(requests.collect())
    }

    /// Puts the links with these indices up; the answer of each in order.
    pub(super) fn put_up(&self, indices: Vec<u32>) -> Result<Vec<std::result::Result<(), Errno>>> {
        let request = |index| {
            let mut message = LinkMessage::default();
            message.header.index = index;
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
            self.request(RouteNetlinkMessage::SetLink(message), NLM_F_ACK)
        };
        self.change(indices.into_iter().map(request).collect())
    }

    /// Adds routes; the answer of each in order.
    pub(super) fn add_routes(&self, messages: Vec<RouteMessage>) -> Result<Vec<std::result::Result<(), Errno>>> {
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.change(
            messages.into_iter().map(|message| self.request(RouteNetlinkMessage::NewRoute(message), flags)).collect(),
        )
    }

    /// Takes routes away; the answer of each in order.
    pub(super) fn delete_routes(&self, messages: Vec<RouteMessage>) -> Result<Vec<std::result::Result<(), Errno>>> {
        let request = |message| self.request(RouteNetlinkMessage::DelRoute(message), NLM_F_ACK);
        self.change(messages.into_iter().map(request).collect())
    }

    fn change(
        &self,
        requests: Vec<NetlinkMessage<RouteNetlinkMessage>>,
    ) -> Result<Vec<std::result::Result<(), Errno>>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut waiting = requests.as_slice();
        while !waiting.is_empty() {
            let mut bytes = 0;
            let fits = |request: &&NetlinkMessage<_>| {
                bytes += request.buffer_len();
                bytes <= PIPELINE
            };
            let (now, later) = waiting.split_at(waiting.iter().take_while(fits).count().max(1));
            self.send(now)?;
            let mut missing = now.len();
            while missing > 0 {
                self.receive(|payload, _| {
                    if let NetlinkPayload::Error(error) = payload {
                        answers.push(error.code.map_or(Ok(()), |code| Err(Errno::from_raw(-code.get()))));
                        missing -= 1;
                    }
                    missing == 0
                })?;
            }
            waiting = later;
        }
        Ok(answers)
    }

    /// A whole dump; asked again if the tables changed while it was made.
    fn dump<T>(&self, request: RouteNetlinkMessage, pick: impl Fn(RouteNetlinkMessage) -> Option<T>) -> Result<Vec<T>> {
        loop {
            self.send(&[self.request(request.clone(), NLM_F_DUMP)])?;
            let mut all = Vec::new();
            let (mut done, mut torn, mut failed) = (false, false, None);
            while !done {
                self.receive(|payload, header| {
                    torn |= header.flags & NLM_F_DUMP_INTR != 0;
                    match payload {
                        NetlinkPayload::InnerMessage(message) => all.extend(pick(message)),
                        NetlinkPayload::Done(_) => done = true,
                        NetlinkPayload::Error(error) => {
                            failed = error.code;
                            done = true;
                        }
                        _ => {}
                    }
                    done
                })?;
            }
            if let Some(code) = failed {
                return Err(Errno::from_raw(-code.get())).context("the kernel refused a netlink dump");
            }
            if !torn {
                return Ok(all);
            }
        }
    }

    fn request(&self, message: RouteNetlinkMessage, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence.get();
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        message
    }

    fn send(&self, messages: &[NetlinkMessage<RouteNetlinkMessage>]) -> Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            let at = bytes.len();
            bytes.resize(at + message.buffer_len().next_multiple_of(4), 0);
            if let Some(room) = bytes.get_mut(at..) {
                message.serialize(room);
            }
        }
        socket::send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).context("sending to the kernel")?;
        Ok(())
    }

    /// Reads one datagram and shows its messages to `take`, until that says it has enough.
    fn receive(&self, mut take: impl FnMut(NetlinkPayload<RouteNetlinkMessage>, NetlinkHeader) -> bool) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        let size = loop {
            match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other.context("waiting for the kernel's answer")?,
            }
        };
        let mut rest = buffer.get(..size).unwrap_or_default();
        while let Some(length) = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
            let Some(whole) = rest.get(..length).filter(|whole| whole.len() >= 16) else { break };
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(whole) {
                Ok(message) => {
                    let (header, payload) = message.into_parts();
                    if take(payload, header) {
                        return Ok(());
                    }
                }
                Err(error) => tracing::debug!("a netlink message is left out: {error}"),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}
