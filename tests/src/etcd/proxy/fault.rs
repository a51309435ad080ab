//! What a proxy does wrong, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::frames::{Frame, Kind, Piece};

/// What goes wrong. Calls and bytes are counted over all connections, from the moment that the fault was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// New connections are refused; those that exist go on.
    Refuse,
    /// Connections are accepted, but nothing passes in either direction as long as the fault lasts.
    Silence,
    /// What passes is late by so much. Each piece is: a frame of HTTP/2, or what came at once of another protocol.
    Delay {
        /// On the way to the server.
        requests: Duration,
        /// On the way to the client.
        replies: Duration,
    },
    /// A call's connection is cut, in both directions. Calls count from 1. This happens once, then the fault is over.
    Cut {
        /// Which call.
        call: u64,
        /// When in its course.
        at: Moment,
    },
    /// The connection is cut that would be the one to pass more bytes from clients than this. This happens once.
    CutAfterBytes(u64),
}

/// A moment in the course of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server sees nothing of the request.
    BeforeRequest,
    /// The whole request was passed on; whether the server still acts on it is its own affair.
    AfterRequest,
    /// The server answered, so it has acted; the client gets nothing of the reply.
    BeforeReply,
    /// The client gets the beginning of the reply.
    InReply,
    /// The client gets the whole reply.
    AfterReply,
}

/// What passed through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Calls that clients began, whether they were passed on or not.
    pub calls: u64,
    /// Calls whose reply was passed on to its end.
    pub replies: u64,
    /// Connections that were cut by a fault.
    pub cuts: u64,
    /// Bytes that were passed on to the server.
    pub bytes_to_server: u64,
    /// Bytes that were passed on to clients.
    pub bytes_to_client: u64,
}

/// The direction in which something passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// The calls of one connection that are not over: streams and the calls' numbers.
#[derive(Debug, Default)]
pub(super) struct Calls {
    numbers: BTreeMap<u32, u64>,
    newest: u32,
    /// Nothing passes any more, even if the connection has not quite been cut.
    is_cut: bool,
}

/// How much of a piece is passed on, and whether the connection is cut then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) passed: usize,
    pub(super) is_cut: bool,
}

/// A fault and what was counted.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) fault: Fault,
    /// What comes after a cut.
    pub(super) next: Fault,
    pub(super) counts: Counts,
    /// The counts when the fault was set.
    before: Counts,
}

impl Course {
    pub(super) fn set(&mut self, fault: Fault, next: Fault) {
        (self.fault, self.next, self.before) = (fault, next, self.counts);
    }

    /// Judges a piece, and counts it; there is no verdict on a connection that was cut.
    pub(super) fn judge(&mut self, way: Way, calls: &mut Calls, piece: &Piece) -> Option<Verdict> {
        if calls.is_cut {
            return None;
        }
        let number = piece.frame.and_then(|frame| self.number(way, calls, frame));
        let length = piece.bytes.len();
        let cut_at = match self.fault {
            Fault::Cut { call, at } if number == Some(call + self.before.calls) => {
                piece.frame.and_then(|frame| cut_at(way, at, frame, length))
            }
            Fault::CutAfterBytes(bytes) if way == Way::ToServer => {
                let passed = self.counts.bytes_to_server - self.before.bytes_to_server;
                let left = usize::try_from(bytes - passed).unwrap_or(usize::MAX);
                (left < length).then_some(left)
            }
            Fault::None
            | Fault::Refuse
            | Fault::Silence
            | Fault::Delay { .. }
            | Fault::Cut { .. }
            | Fault::CutAfterBytes(_) => None,
        };
        let verdict = Verdict { passed: cut_at.unwrap_or(length), is_cut: cut_at.is_some() };
        self.count(way, calls, piece, verdict);
        Some(verdict)
    }

    fn number(&mut self, way: Way, calls: &mut Calls, frame: Frame) -> Option<u64> {
        let begins = way == Way::ToServer && frame.kind == Kind::Headers;
        if begins && frame.stream > calls.newest {
            self.counts.calls += 1;
            calls.newest = frame.stream;
            calls.numbers.insert(frame.stream, self.counts.calls);
        }
        calls.numbers.get(&frame.stream).copied()
    }

    fn count(&mut self, way: Way, calls: &mut Calls, piece: &Piece, verdict: Verdict) {
        let passed = verdict.passed as u64;
        match way {
            Way::ToServer => self.counts.bytes_to_server += passed,
            Way::ToClient => self.counts.bytes_to_client += passed,
        }
        if way == Way::ToClient
            && verdict.passed == piece.bytes.len()
            && let Some(frame) = piece.frame.filter(|frame| frame.is_last)
            && calls.numbers.remove(&frame.stream).is_some()
        {
            self.counts.replies += 1;
        }
        if verdict.is_cut {
            calls.is_cut = true;
            self.counts.cuts += 1;
            self.set(self.next, Fault::None);
        }
    }
}

/// Returns how much of a frame of the call in question is passed on before the cut, if this is the frame to cut at.
fn cut_at(way: Way, at: Moment, frame: Frame, length: usize) -> Option<usize> {
    match (way, at) {
        (Way::ToServer, Moment::BeforeRequest) => Some(0),
        (Way::ToServer, Moment::AfterRequest) | (Way::ToClient, Moment::AfterReply) => {
            frame.is_last.then_some(length)
        }
        (Way::ToClient, Moment::BeforeReply) => (frame.kind != Kind::Other).then_some(0),
        // A reply with an error may be one frame.
        (Way::ToClient, Moment::InReply) => {
            (frame.kind == Kind::Data || frame.is_last).then_some(length / 2)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(stream: u32, kind: Kind, is_last: bool) -> Piece {
        Piece { bytes: vec![0; 10], frame: Some(Frame { stream, kind, is_last }) }
    }

    /// Returns what is passed on of two calls, each of two frames there and three back, and where the cut is.
    fn passed(fault: Fault) -> (Vec<usize>, Option<usize>) {
        let mut course = Course::default();
        let mut calls = Calls::default();
        course.set(fault, Fault::Refuse);
        let mut passed = Vec::new();
        for stream in [1, 3] {
            for (way, kind, is_last) in [
                (Way::ToServer, Kind::Headers, false),
                (Way::ToServer, Kind::Data, true),
                (Way::ToClient, Kind::Other, false),
                (Way::ToClient, Kind::Headers, false),
                (Way::ToClient, Kind::Data, false),
                (Way::ToClient, Kind::Headers, true),
            ] {
                let verdict = course.judge(way, &mut calls, &piece(stream, kind, is_last)).unwrap();
                passed.push(verdict.passed);
                if verdict.is_cut {
                    assert_eq!((course.fault, course.counts.cuts), (Fault::Refuse, 1));
                    let late = piece(stream, Kind::Headers, true);
                    assert_eq!(course.judge(Way::ToClient, &mut calls, &late), None);
                    return (passed.clone(), Some(passed.len()));
                }
            }
        }
        (passed, None)
    }

    #[test]
    fn a_call_is_cut_where_it_is_said() {
        let table = [
            (Moment::BeforeRequest, 0, 7),
            (Moment::AfterRequest, 10, 8),
            (Moment::BeforeReply, 0, 10),
            (Moment::InReply, 5, 11),
            (Moment::AfterReply, 10, 12),
        ];
        for (at, last, frames) in table {
            let (passed, cut) = passed(Fault::Cut { call: 2, at });
            assert_eq!((passed.last(), cut), (Some(&last), Some(frames)), "{at:?}");
            assert!(passed[..frames - 1].iter().all(|passed| *passed == 10), "{at:?}");
        }
        assert_eq!(passed(Fault::Cut { call: 3, at: Moment::BeforeRequest }).1, None);
    }

    #[test]
    fn bytes_are_counted_to_the_last() {
        assert_eq!(passed(Fault::CutAfterBytes(0)), (vec![0], Some(1)));
        assert_eq!(passed(Fault::CutAfterBytes(13)), (vec![10, 3], Some(2)));
        assert_eq!(passed(Fault::CutAfterBytes(20)).1, Some(7));
        assert_eq!(passed(Fault::CutAfterBytes(40)).1, None);
    }
}
