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
const TURNS: u32 = 2;
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::poll_fn;

    use super::*;

    /// A stream that notes what was written to it at once, and takes so many bytes at the most.
    #[derive(Clone)]
    struct Wire(Arc<Mutex<Vec<Vec<u8>>>>, usize);

    impl Wire {
        fn of(most: usize) -> Self {
            Self(Arc::default(), most)
        }

        fn pieces(&self) -> Vec<Vec<u8>> {
            self.0.lock().unwrap().clone()
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.1);
            self.0.lock().unwrap().push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn write(cork: &mut Cork<Wire>, bytes: &[u8]) -> usize {
        poll_fn(|cx| Pin::new(&mut *cork).poll_write(cx, bytes)).await.unwrap()
    }

    async fn flush(cork: &mut Cork<Wire>) {
        poll_fn(|cx| Pin::new(&mut *cork).poll_flush(cx)).await.unwrap();
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_others_write_before_their_turn_is_over_leaves_with_the_rest() {
        let wire = Wire::of(usize::MAX);
        let mut cork = Cork::new(wire.clone());
        run(async {
            write(&mut cork, b"headers").await;
            // The first look at the flush ends before anything is sent.
            let is_pending =
                poll_fn(|cx| Poll::Ready(Pin::new(&mut cork).poll_flush(cx).is_pending()));
            assert!(is_pending.await);
            assert_eq!(wire.pieces(), [] as [Vec<u8>; 0]);
            write(&mut cork, b" and data").await;
            flush(&mut cork).await;
            assert_eq!(wire.pieces(), [b"headers and data".to_vec()]);
            flush(&mut cork).await;
            assert_eq!(wire.pieces().len(), 1, "nothing is sent twice");
            write(&mut cork, b"more").await;
            flush(&mut cork).await;
            assert_eq!(wire.pieces()[1..], [b"more".to_vec()]);
        });
    }

    #[test]
    fn nothing_is_lost_where_the_stream_takes_little_or_much_is_written() {
        let wire = Wire::of(1000);
        let mut cork = Cork::new(wire.clone());
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * HELD_MAX + 7).collect();
        run(async {
            let mut left = bytes.as_slice();
            while !left.is_empty() {
                let held = write(&mut cork, left).await;
                assert!((1..=HELD_MAX).contains(&held));
                left = &left[held..];
            }
            flush(&mut cork).await;
        });
        assert_eq!(wire.pieces().concat(), bytes);
    }

    #[test]
    fn the_end_sends_what_is_held() {
        let wire = Wire::of(usize::MAX);
        let mut cork = Cork::new(wire.clone());
        run(async {
            write(&mut cork, b"last words").await;
            poll_fn(|cx| Pin::new(&mut cork).poll_shutdown(cx)).await.unwrap();
        });
        assert_eq!(wire.pieces(), [b"last words".to_vec()]);
    }

    #[test]
    fn a_stream_that_takes_nothing_is_an_error() {
        let mut cork = Cork::new(Wire::of(0));
        let error = run(async {
            write(&mut cork, b"lost").await;
            poll_fn(|cx| Pin::new(&mut cork).poll_flush(cx)).await.unwrap_err()
        });
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
