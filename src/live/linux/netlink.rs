//! One rtnetlink(7) socket: dumps of links, addresses and routes, route lookups, and pipelined changes of addresses.
//!
//! A message that is too short for its kind is left out: what newer kernels describe besides is none of ours.

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{self, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sockopt};
use nix::sys::time::TimeVal;

use super::message::{AddressMessage, LinkMessage, Message, RouteMessage};
use crate::error::Result;

/// Bytes of requests sent before their answers are read, so that neither side's buffer can overflow.
const PIPELINE: usize = 16 << 10;

/// Bytes read at once; the kernel never makes a larger part of a dump.
const BUFFER: usize = 64 << 10;

/// Bytes of `struct nlmsghdr`, which is in front of every message.
const HEADER: usize = 16;

/// The kernel's answer to a request, and the end of a dump (netlink(7)).
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;

/// The tables changed while they were dumped.
const INTERRUPTED: u16 = 0x10;

/// What became of a request.
pub(super) type Answer = std::result::Result<(), Errno>;

/// A message of the kernel: its type, its flags, what is in it.
struct Received<'a> {
    kind: u16,
    flags: u16,
    payload: &'a [u8],
}

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
    /// What datagrams are read into, one after the other.
    buffer: std::cell::Cell<Vec<u8>>,
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
        let (sequence, buffer) = Default::default();
        Ok(Netlink { socket: open().context("opening a netlink socket")?, sequence, buffer })
    }

    pub(super) fn links(&self) -> Result<Vec<LinkMessage>> {
        self.dump(libc::RTM_GETLINK, libc::RTM_NEWLINK, &LinkMessage::new())
    }

    pub(super) fn addresses(&self) -> Result<Vec<AddressMessage>> {
        self.dump(libc::RTM_GETADDR, libc::RTM_NEWADDR, &AddressMessage::new())
    }

    pub(super) fn routes(&self) -> Result<Vec<RouteMessage>> {
        let mut all = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            all.extend(self.dump(libc::RTM_GETROUTE, libc::RTM_NEWROUTE, &RouteMessage::all(family))?);
        }
        Ok(all)
    }

    /// The route that a packet to `target` would take now; nothing if there is none. Sends no packet.
    pub(super) fn route_to(&self, target: IpAddr) -> Result<Option<RouteMessage>> {
        self.send(&self.request(libc::RTM_GETROUTE, 0, &RouteMessage::to(target)))?;
        let mut found = None;
        self.receive(|message| {
            found = Some(message.payload).filter(|_| message.kind == libc::RTM_NEWROUTE).and_then(RouteMessage::parse);
            true
        })?;
        Ok(found)
    }

    /// Changes addresses, all requests pipelined; the answer of each in order.
    pub(super) fn change_addresses<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a AddressMessage>,
        how: How,
    ) -> Result<Vec<Answer>> {
        let (kind, flags) = match how {
            How::Delete => (libc::RTM_DELADDR, 0),
            How::Create => (libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL),
            How::Replace => (libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_REPLACE),
        };
        self.change(kind, flags, messages)
    }

    /// Puts the links with these indices up; the answer of each in order.
    pub(super) fn put_up(&self, indices: impl IntoIterator<Item = u32>) -> Result<Vec<Answer>> {
        let messages: Vec<LinkMessage> = indices.into_iter().map(LinkMessage::put_up).collect();
        self.change(libc::RTM_SETLINK, 0, &messages)
    }

    /// Adds routes; the answer of each in order.
    pub(super) fn add_routes(&self, messages: &[RouteMessage]) -> Result<Vec<Answer>> {
        self.change(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, messages)
    }

    /// Takes routes away; the answer of each in order.
    pub(super) fn delete_routes<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a RouteMessage>,
    ) -> Result<Vec<Answer>> {
        self.change(libc::RTM_DELROUTE, 0, messages)
    }

    /// Sends requests, as many at once as their answers have room for, and reads the answer of each.
    fn change<'a, const LENGTH: usize>(
        &self,
        kind: u16,
        flags: libc::c_int,
        messages: impl IntoIterator<Item = &'a Message<LENGTH>>,
    ) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        let mut waiting = messages.into_iter().peekable();
        while waiting.peek().is_some() {
            let (mut bytes, mut missing) = (Vec::new(), 0);
            while let Some(message) = waiting.next_if(|next| bytes.is_empty() || bytes.len() + next.len() <= PIPELINE) {
                bytes.extend(self.request(kind, libc::NLM_F_ACK | flags, message));
                missing += 1;
            }
            self.send(&bytes)?;
            while missing > 0 {
                self.receive(|message| {
                    if let Some(answer) = message.answer() {
                        answers.push(answer);
                        missing -= 1;
                    }
                    missing == 0
                })?;
            }
        }
        Ok(answers)
    }

    /// A whole dump; asked again if the tables changed while it was made.
    fn dump<const LENGTH: usize>(
        &self,
        kind: u16,
        wanted: u16,
        request: &Message<LENGTH>,
    ) -> Result<Vec<Message<LENGTH>>> {
        loop {
            self.send(&self.request(kind, libc::NLM_F_DUMP, request))?;
            let mut all = Vec::new();
            let (mut done, mut torn) = (false, false);
            let mut outcome = Ok(());
            while !done {
                self.receive(|message| {
                    torn |= message.flags & INTERRUPTED != 0;
                    if message.kind == wanted {
                        all.extend(Message::parse(message.payload));
                    }
                    outcome = message.answer().unwrap_or(outcome);
                    done = [ERROR, DONE].contains(&message.kind);
                    done
                })?;
            }
            outcome.context("the kernel refused a netlink dump")?;
            if !torn {
                return Ok(all);
            }
        }
    }

    /// A request as it is sent (`struct nlmsghdr` of netlink(7)).
    fn request<const LENGTH: usize>(&self, kind: u16, flags: libc::c_int, message: &Message<LENGTH>) -> Vec<u8> {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let mut bytes = Vec::with_capacity(HEADER + message.len());
        bytes.extend(((HEADER + message.len()) as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        bytes.extend(self.sequence.get().to_ne_bytes());
        bytes.extend([0; 4]);
        message.write(&mut bytes);
        bytes
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        socket::send(self.socket.as_raw_fd(), bytes, MsgFlags::empty()).context("sending to the kernel")?;
        Ok(())
    }

    /// Reads one datagram and shows its messages to `take`, until that says it has enough.
    fn receive(&self, mut take: impl FnMut(Received<'_>) -> bool) -> Result<()> {
        let mut buffer = self.buffer.take();
        buffer.resize(BUFFER, 0);
        let size = loop {
            match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other.context("waiting for the kernel's answer")?,
            }
        };
        let mut rest = buffer.get(..size).unwrap_or_default();
        while let Some([a, b, c, d, kind_a, kind_b, flags_a, flags_b]) = rest.first_chunk().copied() {
            let length = u32::from_ne_bytes([a, b, c, d]) as usize;
            let Some(payload) = rest.get(HEADER..length) else { break };
            let kind = u16::from_ne_bytes([kind_a, kind_b]);
            if take(Received { kind, flags: u16::from_ne_bytes([flags_a, flags_b]), payload }) {
                break;
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        self.buffer.set(buffer);
        Ok(())
    }
}

impl Received<'_> {
    /// The answer to a request, if it is one: a negative errno, or 0 (`struct nlmsgerr`).
    fn answer(&self) -> Option<Answer> {
        let code = self.payload.first_chunk().filter(|_| self.kind == ERROR).map(|code| i32::from_ne_bytes(*code))?;
        Some(if code == 0 { Ok(()) } else { Err(Errno::from_raw(-code)) })
    }
}
