//! Publishes that wait for the broker, in their order, as the nucleus's spooler keeps them in memory.

use bytes::Bytes;
use std::collections::VecDeque;

/// A message to publish with QoS 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// How often it was tried again.
    pub(crate) retries: u32,
    /// The packet that carries it now.
    packet: Option<u16>,
}

impl Message {
    pub(crate) fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retries: 0, packet: None }
    }
}

/// What waits and what is on its way.
#[derive(Debug)]
pub(crate) struct Spool {
    /// How many bytes of payload it holds at most.
    room: usize,
    /// How many messages may be on their way at once.
    width: usize,
    size: usize,
    waiting: VecDeque<Message>,
    in_flight: VecDeque<Message>,
}

impl Spool {
    pub(crate) fn new(room: usize, width: usize) -> Self {
        Self { room, width, size: 0, waiting: VecDeque::new(), in_flight: VecDeque::new() }
    }

    /// Takes a message; false if there is no room for it.
    #[must_use = "a message without room is lost"]
    pub(crate) fn add(&mut self, message: Message) -> bool {
        if self.size + message.payload.len() > self.room {
            return false;
        }
        self.size += message.payload.len();
        self.waiting.push_back(message);
        true
    }

    /// The next message to send, if one may be on its way.
    pub(crate) fn send(&mut self) -> Option<Message> {
        if self.in_flight.len() >= self.width {
            return None;
        }
        let message = self.waiting.pop_front()?;
        self.in_flight.push_back(message.clone());
        Some(message)
    }

    /// Notes which packet carries the oldest message that was sent and has none.
    pub(crate) fn sent(&mut self, packet: u16) {
        if let Some(message) = self.in_flight.iter_mut().find(|message| message.packet.is_none()) {
            message.packet = Some(packet);
        }
    }

    /// The message that a packet carried; the broker has answered.
    pub(crate) fn answered(&mut self, packet: u16) -> Option<Message> {
        let place = self.in_flight.iter().position(|message| message.packet == Some(packet))?;
        let message = self.in_flight.remove(place)?;
        self.size -= message.payload.len();
        Some(message)
    }

    /// Puts a message that the broker didn't take in front.
    pub(crate) fn again(&mut self, mut message: Message) {
        message.packet = None;
        message.retries += 1;
        self.size += message.payload.len();
        self.waiting.push_front(message);
    }

    /// The connection is lost: what was on its way waits again, before everything else.
    pub(crate) fn interrupted(&mut self) {
        while let Some(mut message) = self.in_flight.pop_back() {
            message.packet = None;
            self.waiting.push_front(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Message {
        Message::new("t", text)
    }

    fn drain(spool: &mut Spool) -> Vec<Bytes> {
        std::iter::from_fn(|| spool.send()).map(|message| message.payload).collect()
    }

    #[test]
    fn an_interruption_loses_nothing_and_keeps_the_order() {
        fidelity::fidelity!("core-mqtt-1");
        let mut spool = Spool::new(100, 2);
        for text in ["a", "b", "c"] {
            assert!(spool.add(message(text)));
        }
        assert_eq!(drain(&mut spool), ["a", "b"], "two at once");
        spool.sent(1);
        spool.sent(2);
        assert_eq!(spool.answered(2).unwrap().payload, "b");
        spool.interrupted();
        assert_eq!(drain(&mut spool), ["a", "c"]);
        spool.sent(1);
        assert!(spool.answered(2).is_none(), "a packet of the lost connection");
        assert!(spool.answered(1).is_some());
    }

    #[test]
    fn room() {
        fidelity::fidelity!("core-mqtt-1");
        let mut spool = Spool::new(3, 5);
        assert!(spool.add(message("ab")));
        assert!(!spool.add(message("cd")));
        assert!(spool.add(message("c")));
        assert_eq!(drain(&mut spool).len(), 2);
        assert!(!spool.add(message("d")), "what is on its way still takes room");
        spool.sent(7);
        spool.answered(7);
        assert!(spool.add(message("d")));
    }

    #[test]
    fn a_refused_message_comes_before_the_others() {
        fidelity::fidelity!("core-mqtt-1");
        let mut spool = Spool::new(10, 1);
        assert!(spool.add(message("a")) && spool.add(message("b")));
        spool.send();
        spool.sent(1);
        let refused = spool.answered(1).unwrap();
        spool.again(refused);
        let next = spool.send().unwrap();
        assert_eq!((next.payload.as_ref(), next.retries), (b"a".as_slice(), 1));
    }
}
