//! Arguments that several commands share. What they mean to a request is in `session`.

use clap::{Args, ValueEnum};

use super::{management_api::Request, output::Output};

const GLOBAL: &str = "Global options";

/// Which registry is asked, and how its answer is printed.
#[derive(Debug, Args)]
pub(super) struct ServerArguments {
    /// How to print the answer.
    #[arg(
        long,
        short,
        value_enum,
        default_value_t,
        global = true,
        help_heading = GLOBAL
    )]
    pub(super) output: Output,
    #[arg(
        long,
        value_name = "URL",
        global = true,
        help_heading = GLOBAL,
        help = "The registry's address [env: MANAGEMENT_URL]"
    )]
    pub(super) management_url: Option<String>,
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        help = "Read the management token from the first line of standard input [env: \
            MANAGEMENT_TOKEN]"
    )]
    pub(super) token_stdin: bool,
}

/// Which part of a list is asked for.
#[derive(Debug, Args)]
pub(super) struct PageArguments {
    /// Get every page, not just one.
    #[arg(long, conflicts_with = "after")]
    pub(super) all: bool,
    /// How many entries a page has at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(super) limit: Option<u32>,
    /// Begin after this cursor: the `next` of the page before.
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
}

/// What of a list is asked for, and in which order.
#[derive(Debug, Args)]
pub(super) struct FindArguments {
    /// Only those whose name contains this, or whose id it is.
    #[arg(long, value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// What was made last comes first.
    #[arg(long)]
    pub(super) newest: bool,
}

impl FindArguments {
    pub(super) fn of(self, request: Request) -> Request {
        request
            .query("q", self.search)
            .query("order", self.newest.then_some("newest"))
    }
}

/// How an act is carried out.
#[derive(Debug, Args)]
pub(super) struct ActArguments {
    /// Whether to wait until every node has applied it.
    #[arg(long, value_enum, default_value_t)]
    pub(super) wait: Wait,
}

/// How something is made.
#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// Makes a repeated command do its act at most once; made up when not given.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(super) act: ActArguments,
}

/// Whether an act waits for the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Wait {
    /// Up to two seconds; nodes that have not confirmed by then are named.
    #[default]
    Nodes,
    /// Not at all.
    None,
}

/// Changing something that others may change too.
#[derive(Debug, Args)]
pub(super) struct EditArguments {
    /// Change it only if it still has this revision; without it, whatever is there.
    #[arg(long, value_name = "N")]
    pub(super) if_revision: Option<i64>,
    #[command(flatten)]
    pub(super) act: ActArguments,
}

/// Deleting takes a word more than `delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    /// Do not ask for the name.
    #[arg(long, short)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) act: ActArguments,
}

/// An id: opaque, but it must be able to stand in a path.
pub(super) fn id(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !printable || text.len() > 200 || matches!(text, "." | "..") {
        return Err("it is no id: visible ASCII characters are expected".to_owned());
    }
    Ok(text.to_owned())
}

fn idempotency_key(text: &str) -> Result<String, String> {
    if text.len() > 128 {
        return Err("it is longer than 128 characters".to_owned());
    }
    id(text).map_err(|_| "visible ASCII characters are expected".to_owned())
}
