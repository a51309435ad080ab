//! The process: what comes in, what goes out, and what a panic or a person gets to see.

use std::io::Write as _;
use std::mem;
use std::process::ExitCode;

use cni_plugin::{CniError, Code};

/// That of musl asks the kernel for memory at every turn.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What a person sees who calls the plugin by hand.
const ABOUT: &str = concat!(
    "ringfence-ipam ",
    env!("CARGO_PKG_VERSION"),
    ": a CNI IPAM plugin. It is called by a container runtime with CNI_COMMAND set and its configuration on stdin.\n",
    "CNI versions: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
);
const USAGE: &str = "usage: CNI_COMMAND=ADD|CHECK|DEL|GC|STATUS|VERSION ringfence-ipam < configuration\n       ringfence-ipam --version\n";
/// Misuse of the command line, as opposed to an error of the protocol.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let Some(command) = cni_plugin::command() else {
        return without_command();
    };
    report_panics();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let refused =
                CniError::new(Code::Internal, "the operating system refuses what a process needs");
            return fail(&refused.with_details(error.to_string()));
        }
    };
    let code = runtime.block_on(async {
        match cni_plugin::run(&command).await {
            Ok(answer) => {
                if answer.print(&mut std::io::stdout().lock()).is_ok() {
                    // The process ends here: to take connections and buffers down by hand would only delay the pod.
                    mem::forget(answer);
                    return ExitCode::SUCCESS;
                }
                Box::pin(answer.undo()).await;
                ExitCode::FAILURE
            }
            Err(error) => fail(&error),
        }
    });
    mem::forget(runtime);
    code
}

/// Answers a person: the version, or what this is.
fn without_command() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (text, code) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => (ABOUT.to_owned(), ExitCode::SUCCESS),
        ["-v" | "--version"] => (format!("{}\n", env!("CARGO_PKG_VERSION")), ExitCode::SUCCESS),
        ["-upgrade" | "--upgrade"] => (
            "-upgrade is not supported: addresses of host-local are taken over by the ringfence command\n".to_owned(),
            ExitCode::from(EXIT_USAGE),
        ),
        _ => (USAGE.to_owned(), ExitCode::from(EXIT_USAGE)),
    };
    let is_version = code == ExitCode::SUCCESS && !arguments.is_empty();
    // A reader that went away is no reason to fail.
    drop(if is_version {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    });
    code
}

fn fail(error: &CniError) -> ExitCode {
    // Where stdout is closed the exit code must speak for itself.
    drop(error.print(&mut std::io::stdout().lock()));
    ExitCode::FAILURE
}

/// Turns a panic, which is always a fault of this program, into an error that the runtime understands.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let error =
            CniError::new(Code::Internal, "the plugin met a fault of its own; please report it")
                .with_details(panic.to_string());
        fail(&error);
        #[expect(
            clippy::exit,
            reason = "the error is printed, and nothing may follow it on stdout"
        )]
        std::process::exit(1);
    }));
}
