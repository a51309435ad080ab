//! Who is told what: data goes to standard output, everything else to standard error.

use std::io::{self, BufWriter, Write};

/// Writes for the reader of the data and for whoever watches.
///
/// Nothing is shown of the data before [`Printer::finish`] unless there is much of it. A reader that has gone shows as
/// [`io::ErrorKind::BrokenPipe`].
pub(crate) struct Printer {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    quiet: bool,
}

impl Printer {
    /// Writes to the standard streams; one that is quiet keeps notes to itself.
    pub(crate) fn standard(quiet: bool) -> Self {
        Self::new(Box::new(BufWriter::new(io::stdout())), Box::new(io::stderr()), quiet)
    }

    /// Writes to streams of any kind.
    pub(crate) fn new(out: Box<dyn Write>, err: Box<dyn Write>, quiet: bool) -> Self {
        Self { out, err, quiet }
    }

    /// Writes data; text of several lines as it is.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub(crate) fn data(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Writes a line for whoever watches, unless they want quiet.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Writes a line for whoever watches, in any case.
    ///
    /// Where nobody listens to problems there is nobody to be told of that either.
    pub(crate) fn problem(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Writes the start of a line that the watcher completes.
    pub(crate) fn prompt(&mut self, text: &str) {
        let _ = write!(self.err, "{text}");
        let _ = self.err.flush();
    }

    /// Hands over what is still held back.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Tape(Rc<RefCell<Vec<u8>>>);

    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn data_and_talk_never_mix() {
        for (quiet, talk) in [(false, "note\nproblem\n"), (true, "problem\n")] {
            let (out, err) = (Tape::default(), Tape::default());
            let mut printer = Printer::new(Box::new(out.clone()), Box::new(err.clone()), quiet);
            printer.note("note");
            printer.data("data\n").unwrap();
            printer.problem("problem");
            printer.finish().unwrap();
            assert_eq!(*out.0.borrow(), b"data\n");
            assert_eq!(String::from_utf8(err.0.borrow().clone()).unwrap(), talk);
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_told_and_a_watcher_is_not_missed() {
        let mut printer = Printer::new(Box::new(Gone), Box::new(Gone), false);
        printer.note("nobody listens");
        assert_eq!(printer.data("x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(printer.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
