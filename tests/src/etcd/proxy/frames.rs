//! As much of HTTP/2 as shows where calls begin and end.

use std::collections::VecDeque;

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_LENGTH: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// A piece of what one side sends, which is forwarded as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) frame: Option<Frame>,
}

/// A frame that belongs to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) stream: u32,
    pub(super) kind: Kind,
    /// Nothing follows on this stream from this side.
    pub(super) is_last: bool,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Headers,
    Data,
    Reset,
    Other,
}

/// Cuts a stream of bytes into pieces: frames where it is HTTP/2, and otherwise whatever came.
#[derive(Debug)]
pub(super) struct Pieces {
    rest: VecDeque<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A client must say first what it speaks.
    Preface,
    Frames,
    Unknown,
}

impl Pieces {
    pub(super) fn of_client() -> Self {
        Self { rest: VecDeque::new(), state: State::Preface }
    }

    pub(super) fn of_server(is_http2: bool) -> Self {
        let state = if is_http2 { State::Frames } else { State::Unknown };
        Self { rest: VecDeque::new(), state }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend(bytes);
    }

    /// Says whether HTTP/2 is spoken, as soon as that is known.
    pub(super) fn is_http2(&self) -> Option<bool> {
        (self.state != State::Preface).then_some(self.state == State::Frames)
    }

    /// Returns the next piece, if all of it has come.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if self.state == State::Preface {
            let begun = self.rest.iter().zip(PREFACE).all(|(byte, expected)| byte == expected);
            if begun && self.rest.len() < PREFACE.len() {
                return None;
            }
            self.state = if begun { State::Frames } else { State::Unknown };
            if begun {
                return Some(self.take(PREFACE.len(), None));
            }
        }
        if self.state == State::Unknown {
            return self.rest();
        }
        let head: Vec<u8> = self.rest.iter().take(HEAD_LENGTH).copied().collect();
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = head[..] else { return None };
        let length = HEAD_LENGTH + u32::from_be_bytes([0, l2, l1, l0]) as usize;
        if self.rest.len() < length {
            return None;
        }
        let kind = match kind {
            DATA => Kind::Data,
            HEADERS => Kind::Headers,
            RST_STREAM => Kind::Reset,
            _ => Kind::Other,
        };
        let ends = matches!(kind, Kind::Data | Kind::Headers) && flags & END_STREAM != 0;
        let is_last = ends || kind == Kind::Reset;
        let stream = u32::from_be_bytes([s3 & 0x7f, s2, s1, s0]);
        Some(self.take(length, Some(Frame { stream, kind, is_last })))
    }

    /// Returns what is left when nothing follows.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        (!self.rest.is_empty()).then(|| self.take(self.rest.len(), None))
    }

    fn take(&mut self, length: usize, frame: Option<Frame>) -> Piece {
        Piece { bytes: self.rest.drain(..length).collect(), frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; 11] = [0, 0, 2, HEADERS, 4, 0, 0, 0, 1, 7, 7];
    const END: [u8; 10] = [0, 0, 1, DATA, END_STREAM, 0, 0, 0, 1, 7];

    #[test]
    fn frames_are_found_wherever_the_stream_is_torn() {
        let whole = [PREFACE, &REQUEST, &END].concat();
        for torn in 1..whole.len() {
            let mut pieces = Pieces::of_client();
            let mut found = Vec::new();
            for part in [&whole[..torn], &whole[torn..]] {
                pieces.push(part);
                found.extend(std::iter::from_fn(|| pieces.next()));
            }
            let frame = |kind, is_last| Some(Frame { stream: 1, kind, is_last });
            let expected = [
                Piece { bytes: PREFACE.to_vec(), frame: None },
                Piece { bytes: REQUEST.to_vec(), frame: frame(Kind::Headers, false) },
                Piece { bytes: END.to_vec(), frame: frame(Kind::Data, true) },
            ];
            assert_eq!(found, expected, "torn at {torn}");
            assert_eq!(pieces.rest(), None);
        }
    }

    #[test]
    fn another_protocol_is_passed_on_as_it_comes() {
        let mut pieces = Pieces::of_client();
        pieces.push(b"GET / HTTP/1.0\r\n");
        let piece = Piece { bytes: b"GET / HTTP/1.0\r\n".to_vec(), frame: None };
        assert_eq!((pieces.next(), pieces.next()), (Some(piece), None));
        assert_eq!(pieces.is_http2(), Some(false));
    }
}
