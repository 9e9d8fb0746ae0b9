//! What the kernel tells of processes, by its process connector: each that begins, becomes another program, or ends.
//!
//! The kernel numbers what it tells, by processor; a gap is an event that was lost.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
        netlink::{self, SocketAddrNetlink},
        recv, send, socket_with, sockopt,
    },
};
use std::{collections::BTreeMap, io, time::Duration};

/// A process's number, which is that of its first thread.
pub(crate) type Pid = u32;

/// Something that happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A process made another, which is the same program.
    Fork {
        /// The one that was there.
        parent: Pid,
        /// The new one.
        child: Pid,
    },
    /// A process became another program.
    Exec(Pid),
    /// A process ended.
    Exit(Pid),
    /// So many events were lost, or more.
    Lost(u64),
}

/// The kernel's index and value of the process connector, and the group that hears it.
const PROCESSES: u32 = 1;
/// The order to tell from now on.
const LISTEN: u32 = 1;
/// A netlink message that stands for itself.
const DONE: u16 = 3;
/// The lengths of the headers: netlink's, the connector's, and what an event has before its data.
const NETLINK: usize = 16;
const CONNECTOR: usize = 20;
const EVENT: usize = 16;

/// The processor of a message that is not numbered.
const NOWHERE: u32 = u32::MAX;

/// How many bytes the kernel keeps for us: some 20,000 events.
const BUFFER: usize = 16 << 20;
/// How many events are taken at once.
const BATCH: usize = 512;

/// A connection to the kernel's process connector.
#[derive(Debug)]
pub(crate) struct Connector {
    socket: OwnedFd,
    /// The number that the next event of each processor has.
    next: BTreeMap<u32, u32>,
}

impl Connector {
    /// Asks the kernel to tell.
    ///
    /// # Errors
    /// When it has no process connector, or does not tell us: we must be in the machine's own process and network
    /// namespaces, and have `CAP_NET_ADMIN`.
    pub(crate) fn open() -> io::Result<Self> {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::CONNECTOR))?;
        // What the kernel can't hand over while we are busy waits here.
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
        }
        bind(&socket, &SocketAddrNetlink::new(0, PROCESSES))?;
        send(&socket, &listen(), SendFlags::empty())?;
        let mut connector = Self { socket, next: BTreeMap::new() };
        connector.acknowledged()?;
        Ok(connector)
    }

    /// Waits for the kernel's answer.
    fn acknowledged(&mut self) -> io::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(1);
        let refused = |code: u32| io::Error::from_raw_os_error(i32::try_from(code).unwrap_or(i32::MAX));
        let mut buffer = [0; 512];
        while self.wait(PATIENCE)? {
            let length = recv(&self.socket, &mut buffer, RecvFlags::empty())?.0;
            match read(&buffer[..length]) {
                Some(Message { answer: Some(0), .. }) => return Ok(()),
                Some(Message { answer: Some(code), .. }) => return Err(refused(code)),
                _ => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel's process connector does not answer"))
    }

    fn wait(&self, patience: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what was told, waiting for so long at most.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn read(&mut self, patience: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        if !self.wait(patience)? {
            return Ok(());
        }
        let mut buffer = [0; 512];
        while events.len() < BATCH {
            match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => self.take(&buffer[..length], events),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // There was no room for what it had to tell.
                Err(Errno::NOBUFS) => events.push(Event::Lost(1)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let Some(message) = read(bytes) else { return };
        // An answer is told to all who listen. Some kernels number it as any message, others as of no processor.
        if message.processor == NOWHERE {
            return;
        }
        let expected = self.next.insert(message.processor, message.number.wrapping_add(1));
        let gap = expected.map_or(0, |expected| message.number.wrapping_sub(expected));
        if gap > 0 {
            events.push(Event::Lost(gap.into()));
        }
        events.extend(message.event);
    }
}

/// A message of the kernel.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    number: u32,
    processor: u32,
    /// What it answers to our order: 0, or why not.
    answer: Option<u32>,
    event: Option<Event>,
}

/// The order to tell.
fn listen() -> Vec<u8> {
    let length = NETLINK + CONNECTOR + 4;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend(DONE.to_ne_bytes());
    bytes.extend([0; 2 + 4 + 4]);
    bytes.extend(PROCESSES.to_ne_bytes());
    bytes.extend(PROCESSES.to_ne_bytes());
    bytes.extend([0; 4 + 4]);
    bytes.extend(4_u16.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes
}

/// Reads a message; nothing where it makes no sense.
fn read(bytes: &[u8]) -> Option<Message> {
    const ANSWER: u32 = 0;
    const FORK: u32 = 1;
    const EXEC: u32 = 2;
    const EXIT: u32 = 0x8000_0000;
    let at = |offset: usize| Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?));
    let event = NETLINK + CONNECTOR;
    let field = |index: usize| at(event + EVENT + 4 * index);
    if at(NETLINK)? != PROCESSES {
        return None;
    }
    let (number, what, processor) = (at(NETLINK + 8)?, at(event)?, at(event + 4)?);
    let told = match what {
        // A thread is no process.
        FORK if field(2)? == field(3)? => Some(Event::Fork { parent: field(1)?, child: field(3)? }),
        EXEC => Some(Event::Exec(field(1)?)),
        EXIT if field(0)? == field(1)? => Some(Event::Exit(field(1)?)),
        _ => None,
    };
    let answer = if what == ANSWER { field(0) } else { None };
    Some(Message { number, processor, answer, event: told })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel sends it.
    fn message(number: u32, what: u32, processor: u32, fields: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; NETLINK];
        for word in [1, 1, number, 0, 40, what, processor, 0, 0].iter().chain(fields) {
            bytes.extend(word.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn what_the_kernel_tells_is_read() {
        let event = |what, fields: &[u32]| read(&message(7, what, 1, fields)).unwrap();
        assert_eq!(event(1, &[10, 10, 11, 11]).event, Some(Event::Fork { parent: 10, child: 11 }));
        assert_eq!(event(1, &[10, 10, 12, 10]).event, None, "a thread");
        assert_eq!(event(2, &[11, 11]).event, Some(Event::Exec(11)));
        assert_eq!(event(0x8000_0000, &[11, 11, 0, 17]).event, Some(Event::Exit(11)));
        assert_eq!(event(0x8000_0000, &[12, 11, 0, 17]).event, None, "a thread");
        assert_eq!(event(0x200, &[11, 11]).event, None);
        assert_eq!(event(0, &[1]).answer, Some(1));
        assert_eq!(read(&message(7, 2, 0, &[11])), None, "cut");
        assert_eq!(listen().len(), 40);
    }

    #[test]
    fn a_gap_in_the_numbers_of_a_processor_is_lost_events() {
        let (socket, _) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        let mut connector = Connector { socket, next: BTreeMap::new() };
        let mut events = Vec::new();
        for (number, processor) in [(5, 0), (90, 1), (6, 0), (91, 1), (u32::MAX, 2), (0, 2)] {
            connector.take(&message(number, 2, processor, &[3, 3]), &mut events);
        }
        for (number, processor, what) in [(7, 0, 0), (8, 0, 2), (3, NOWHERE, 0), (9, NOWHERE, 0)] {
            connector.take(&message(number, what, processor, &[3, 3]), &mut events);
        }
        assert_eq!(events, [Event::Exec(3); 7], "another's answer is numbered, or is of no processor");
        events.clear();
        connector.take(&message(11, 0x200, 0, &[3, 3]), &mut events);
        assert_eq!(events, [Event::Lost(2)]);
    }

    #[test]
    fn no_room_is_lost_events() {
        // Only the machine's own root is told.
        let Ok(mut connector) = Connector::open() else { return };
        assert!(sockopt::set_socket_recv_buffer_size(&connector.socket, 2048).is_ok());
        for _ in 0..50 {
            std::process::Command::new("true").status().unwrap();
        }
        let mut events = Vec::new();
        connector.read(Duration::from_secs(1), &mut events).unwrap();
        assert!(events.iter().any(|event| matches!(event, Event::Lost(_))), "{events:?}");
    }
}
