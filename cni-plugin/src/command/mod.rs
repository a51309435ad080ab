//! The commands, from the configuration to the answer.

mod add;
mod chained;
mod check;
mod del;
mod gc;
mod session;
mod status;

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ipam_core::model::Timestamp;
use ipam_core::plan::ReleaseAddresses;
use ipam_etcd::{AnyStore, drive};
use tracing::{error, info};

use crate::log;
use crate::protocol::{
    Arguments, Call, CniError, Command, Netconf, Role, read_stdin, valid_attachments,
    version_answer,
};
use crate::settings::Fields;

use session::Session;

/// The time that undoing an allocation may take when the runtime has gone away.
const UNDO_MS_MAX: u64 = 10_000;

/// What a command answers, and how to take it back if nobody hears it.
#[derive(Debug)]
pub struct Answer {
    text: String,
    undo: Option<(AnyStore, ReleaseAddresses)>,
}

impl Answer {
    fn nothing() -> Self {
        Self { text: String::new(), undo: None }
    }

    /// Writes the answer.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.text.as_bytes())?;
        out.flush()
    }

    /// Releases what was allocated for an answer that could not be delivered.
    pub async fn undo(self) {
        let Some((store, request)) = self.undo else {
            return;
        };
        let deadline = Duration::from_millis(UNDO_MS_MAX);
        let released = drive(&store, &request, now(), deadline).await;
        for target in &request.targets {
            match &released {
                Ok(_) => info!(ip = %target.ip, "AUDIT released, as nobody took the answer"),
                Err(failure) => {
                    error!(ip = %target.ip, %failure, "LEAK-RISK: an address was allocated that nobody heard of");
                }
            }
        }
    }
}

/// Carries out a command as the environment and stdin describe it.
///
/// # Errors
///
/// What the runtime is to be told; then nothing was stored.
pub async fn run(command: &str) -> Result<Answer, CniError> {
    let command = Command::parse(command)?;
    if command == Command::Version {
        let stdin = read_stdin(io::stdin().lock()).unwrap_or_default();
        return Ok(Answer { text: version_answer(&stdin), undo: None });
    }
    match carry_out(command).await {
        // Whatever is wrong with a DEL, the runtime must not take it for done.
        Err(error) if command == Command::Del => Err(error.for_del()),
        answer => answer,
    }
}

/// Carries out a command that has a configuration.
async fn carry_out(command: Command) -> Result<Answer, CniError> {
    let began = Instant::now();
    let of_network = matches!(command, Command::Gc | Command::Status);
    let call = if of_network { None } else { Some(Call::read(command)?) };
    let netconf = Netconf::parse(&read_stdin(io::stdin().lock())?)?;
    let outcome = match (command.judge(netconf.version), command, &call) {
        (Err(error), _, _) => Err(error),
        (Ok(()), Command::Gc, _) => gc::run(&netconf).await,
        (Ok(()), Command::Status, _) => status::run(&netconf).await,
        (Ok(()), command, Some(call)) => attached(command, call, &netconf).await,
        (Ok(()), _, None) => Ok(Answer::nothing()),
    };
    log::end(command, call.as_ref(), &netconf, &outcome, began.elapsed());
    outcome.map_err(|error| error.in_version(netconf.version))
}

/// Carries out a command about an attachment.
async fn attached(command: Command, call: &Call, netconf: &Netconf) -> Result<Answer, CniError> {
    match (netconf.role, command) {
        (Role::Chained, Command::Add) => chained::add(netconf),
        (Role::Delegate, Command::Add) => add::run(call, netconf).await,
        (_, Command::Check) => check::run(call, netconf).await,
        (Role::Delegate, Command::Del) => del::run(call, netconf).await,
        // What another plugin was given, it gives back itself.
        (Role::Chained, Command::Del) | (_, Command::Gc | Command::Status | Command::Version) => {
            Ok(Answer::nothing())
        }
    }
}

/// Judges everything about an ADD that comes from outside, and touches no store: for feeding the parsers.
///
/// # Errors
///
/// What the runtime would be told.
pub fn judge(arguments: &str, ifname: &str, stdin: &[u8]) -> Result<(), CniError> {
    let arguments = Arguments::parse(arguments)?;
    let call = Call { container_id: "c".to_owned(), ifname: ifname.to_owned(), arguments };
    let netconf = Netconf::parse(&read_stdin(stdin)?)?;
    let fields = Fields::collect(&netconf)?;
    add::judge(&call, &netconf, &fields, now())?;
    valid_attachments(&netconf.top)?;
    log::FileSettings::of(&fields)?;
    fields.gc_grace_seconds()?;
    fields.store()?;
    fields.timeout()?;
    fields.lock()?;
    fields.cache_folder()?;
    Ok(())
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i128::try_from(since_1970.as_nanos()).unwrap_or(i128::MAX))
}
