//! The commands: one file each.
//!
//! A command asks the store, makes a report, and says how the run ends. What stops it is a [`Cause`]; only here is it
//! told, together with what the command was about.

mod apply;
mod check;
mod completion;
mod config;
mod explain;
mod export;
mod install_cni;
mod ips;
mod migrate;
mod namespace;
mod pool;
mod release;
mod usage;
mod version;
mod who;

use std::io::ErrorKind;

use ipam_core::inventory::{PoolEntry, Usage};
use ipam_core::ip::Cidr;
use ipam_core::model::Timestamp;
use ipam_core::refusal::Refusal;
use ipam_etcd::embedded::Create;
use ipnetwork::IpNetwork;

use crate::args::{Command, ConfigCommand, ExportCommand, NamespaceCommand, PoolCommand};
use crate::cause::{Cause, UsageError};
use crate::connect::{Connection, Reading};
use crate::diagnose::Diagnosis;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::render::{Format, Item, Report, Stamp, error_object, warning_object};
use crate::sources::Sources;
use crate::warning::Warning;

/// What every command works with.
pub(crate) struct Context {
    /// Whom it tells.
    pub(crate) printer: Printer,
    /// How it shows what it tells.
    pub(crate) format: Format,
    /// What says which store it asks, and how long it waits for an answer.
    pub(crate) sources: Sources,
    /// The time at which it started.
    pub(crate) now: Timestamp,
}

/// Carries a command out and tells what stops it.
pub(crate) async fn run(command: &Command, context: &mut Context) -> Exit {
    let finished = match carry_out(command, context).await {
        Ok(exit) => context.printer.finish().map(|()| exit).map_err(Cause::Output),
        Err(cause) => Err(cause),
    };
    finished.unwrap_or_else(|cause| context.fail(&task(command), &cause))
}

impl Context {
    /// Tells what stopped a task, and says how the run ends.
    pub(crate) fn fail(&mut self, task: &str, cause: &Cause) -> Exit {
        if matches!(cause, Cause::Output(error) if error.kind() == ErrorKind::BrokenPipe) {
            return Exit::ClosedPipe;
        }
        let diagnosis = Diagnosis::of(task, cause);
        let text = match self.format {
            Format::Table => diagnosis.text(),
            Format::Json => error_object(&diagnosis).unwrap_or_else(|_| diagnosis.text()),
        };
        self.printer.problem(&text);
        diagnosis.exit
    }

    fn connect(&mut self, create: Create) -> Result<Connection, Cause> {
        let settings = self.sources.read()?;
        let (decision, warnings) = settings.decide()?;
        self.warn(&warnings);
        Connection::open(&decision.store, create, settings.timeout()?, self.now)
    }

    /// Shows a report; its warnings stand in it where it has a place for them.
    fn show<T: Item>(&mut self, report: &Report<T>) -> Result<(), Cause> {
        let broken =
            |error: serde_json::Error| Cause::Bug { what: format!("a report is no JSON: {error}") };
        let text = report.to_text(self.format).map_err(broken)?;
        if self.format == Format::Table {
            self.warn(&report.warnings);
        }
        self.data(&text)
    }

    /// Tells people something besides; programs read the report.
    fn note(&mut self, text: &str) {
        match self.format {
            Format::Table => self.printer.note(text),
            Format::Json => {}
        }
    }

    /// Tells warnings that have no place in a report.
    fn warn(&mut self, warnings: &[Warning]) {
        for warning in warnings {
            let line = match self.format {
                Format::Table => warning.line(),
                Format::Json => warning_object(warning).unwrap_or_else(|_| warning.line()),
            };
            self.printer.note(&line);
        }
    }

    /// Finds a pool in what was read; if it is not there, tells what could not be read, as it may be among that.
    fn pool<'r>(&mut self, reading: &'r Reading, name: &str) -> Result<&'r PoolEntry, Cause> {
        if let Some(entry) = reading.inventory.pool(name) {
            return Ok(entry);
        }
        self.warn(&reading.warnings);
        Err(Refusal::Missing { kind: "pool", name: name.to_owned() }.into())
    }

    fn data(&mut self, text: &str) -> Result<(), Cause> {
        self.printer.data(text).map_err(Cause::Output)
    }

    /// The stamp of a report about something that was written.
    fn written(&self) -> Stamp {
        Stamp { revision: None, at: self.now }
    }
}

async fn carry_out(command: &Command, context: &mut Context) -> Result<Exit, Cause> {
    match command {
        Command::Pool(PoolCommand::Create(args)) => pool::create(context, args).await,
        Command::Pool(PoolCommand::List) => pool::list(context).await,
        Command::Pool(PoolCommand::Get(pool)) => pool::get(context, &pool.name).await,
        Command::Pool(PoolCommand::Delete(pool)) => pool::delete(context, &pool.name).await,
        Command::Apply(args) => apply::run(context, args).await,
        Command::Namespace(NamespaceCommand::Bind(args)) => namespace::bind(context, args).await,
        Command::Namespace(NamespaceCommand::Unbind(args)) => {
            namespace::unbind(context, &args.name).await
        }
        Command::Namespace(NamespaceCommand::List) => namespace::list(context).await,
        Command::Ips(args) => ips::run(context, args).await,
        Command::Usage => usage::run(context).await,
        Command::Explain(args) => explain::run(context, args).await,
        Command::Who(args) => who::run(context, args).await,
        Command::Release(args) => release::run(context, args).await,
        Command::Check(args) => check::run(context, *args).await,
        Command::Export(ExportCommand::Plain(args)) => export::plain(context, args).await,
        Command::Export(ExportCommand::Nft(args)) => export::nft(context, args).await,
        Command::Migrate(args) => migrate::run(context, args).await,
        Command::InstallCni(args) => install_cni::run(context, args).await,
        Command::Config(ConfigCommand::View(args)) => config::view(context, args),
        Command::Version => version::run(context),
        Command::Completion(args) => completion::run(context, args),
    }
}

/// Says what a command is about, as the end of a sentence that begins with "cannot".
fn task(command: &Command) -> String {
    match command {
        Command::Pool(PoolCommand::Create(args)) => format!("create pool {}", args.name),
        Command::Pool(PoolCommand::List) => "list the pools".to_owned(),
        Command::Pool(PoolCommand::Get(pool)) => format!("show pool {}", pool.name),
        Command::Pool(PoolCommand::Delete(pool)) => format!("delete pool {}", pool.name),
        Command::Apply(args) => format!("apply {}", args.file.display()),
        Command::Namespace(NamespaceCommand::Bind(args)) => format!("bind namespace {}", args.name),
        Command::Namespace(NamespaceCommand::Unbind(args)) => {
            format!("unbind namespace {}", args.name)
        }
        Command::Namespace(NamespaceCommand::List) => "list the bindings".to_owned(),
        Command::Ips(_) => "list addresses".to_owned(),
        Command::Usage => "show how full the pools are".to_owned(),
        Command::Explain(_) => "explain".to_owned(),
        Command::Who(args) => format!("find out about {}", args.subject),
        Command::Release(_) => "release addresses".to_owned(),
        Command::Check(_) => "check the store".to_owned(),
        Command::Export(ExportCommand::Plain(args)) => format!("export {}", args.pools.join(", ")),
        Command::Export(ExportCommand::Nft(args)) => {
            format!("export {}", args.export.pools.join(", "))
        }
        Command::Migrate(_) => "migrate".to_owned(),
        Command::InstallCni(args) => install_cni::task(args).to_owned(),
        Command::Config(ConfigCommand::View(_)) => "decide which store is meant".to_owned(),
        Command::Version => "tell the version".to_owned(),
        Command::Completion(_) => "write the completions".to_owned(),
    }
}

/// Reads a network that an administrator wrote; one with bits behind its prefix is a slip of the pen.
fn network(text: &str) -> Result<Cidr, UsageError> {
    let none = || UsageError::Network { given: text.to_owned() };
    // Without a slash an address would be taken as the network of just itself, which few mean.
    let parsed = text.contains('/').then(|| text.parse::<IpNetwork>().ok()).flatten();
    let network = parsed.ok_or_else(none)?;
    let cidr = Cidr::try_from(network).map_err(|_| none())?;
    if network.ip() == cidr.first_address() {
        return Ok(cidr);
    }
    Err(UsageError::HostBits { given: text.to_owned(), masked: cidr.to_string() })
}

/// Draws the random bits of new identities.
fn random() -> Result<u128, Cause> {
    let draw = || getrandom::u64().map(u128::from);
    let bits = draw().and_then(|high| Ok((high << 64) | draw()?));
    let none = |error: getrandom::Error| Cause::Machine {
        needed: "random numbers",
        source: error.to_string().into(),
    };
    bits.map_err(none)
}

/// Finds the usage of a pool.
fn usage_of<'u, 'a>(usage: &'u [Usage<'a>], name: &str) -> Option<&'u Usage<'a>> {
    usage.iter().find(|usage| usage.pool.is_some_and(|pool| pool.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        let none = |given: &str| Err(UsageError::Network { given: given.to_owned() });
        let bits = |given: &str, masked: &str| {
            Err(UsageError::HostBits { given: given.to_owned(), masked: masked.to_owned() })
        };
        for (text, expected) in [
            ("10.20.0.0/24", Ok("10.20.0.0/24")),
            ("10.20.0.0/255.255.255.0", Ok("10.20.0.0/24")),
            ("FD00::/64", Ok("fd00::/64")),
            ("10.20.0.7/24", bits("10.20.0.7/24", "10.20.0.0/24")),
            ("fd00::1/64", bits("fd00::1/64", "fd00::/64")),
            ("10.20.0.7", none("10.20.0.7")),
            ("10.20.0.0/33", none("10.20.0.0/33")),
            ("::ffff:10.0.0.0/120", none("::ffff:10.0.0.0/120")),
            ("", none("")),
            ("pool/24", none("pool/24")),
        ] {
            let read = network(text).map(|cidr| cidr.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }
}
