//! A connection that sends in one piece what is written in several.
//!
//! A request over HTTP/2 is a frame of headers, one or more of data, and an empty one that ends it, and they come from tasks that
//! wait for each other. Sent one by one, each is a packet, a system call on either side, and a turn of the server. Held back
//! until the tasks have had their turns, they leave together.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

/// How many turns the other tasks have to write more before what was written leaves.
pub(super) const TURNS: u32 = 2;
/// What is held back at the most, in bytes.
const HELD_MAX: usize = 64 * 1024;

/// A stream whose writes leave together.
pub(super) struct Cork<T> {
    inner: T,
    held: Vec<u8>,
    /// How much of that has left.
    sent: usize,
    turns: u32,
    turn: Option<Turn>,
}

/// Ends when every other task that is ready has had its turn.
type Turn = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T> Cork<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, held: Vec::new(), sent: 0, turns: 0, turn: None }
    }
}

impl<T: AsyncWrite + Unpin> Cork<T> {
    /// Sends what is held back.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.held.get(self.sent..) {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.held.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Holds back as much as there is room for.
    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() >= HELD_MAX {
            ready!(self.poll_send(cx))?;
        }
        let before = self.held.len();
        for slice in bytes {
            let room = HELD_MAX.saturating_sub(self.held.len());
            self.held.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        self.turns = TURNS;
        Poll::Ready(Ok(self.held.len() - before))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Cork<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_hold(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_hold(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.turns > 0 {
            let turn = self.turn.get_or_insert_with(|| Box::pin(yield_now()));
            ready!(turn.as_mut().poll(cx));
            self.turn = None;
            self.turns -= 1;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Cork<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}
